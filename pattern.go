package eventbus

import (
	"strings"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// Pattern selects event types, AMQP style: dotted words, where * stands for
// exactly one word and # for any number of them, none included.
type Pattern string

// Match reports whether the pattern selects the event type.
func (p Pattern) Match(eventType string) bool {
	if !strings.ContainsAny(string(p), "*#") {
		return string(p) == eventType
	}
	return matchWords(string(p), eventType)
}

// matchWords walks pattern and name in step; at a # it remembers where to come
// back to, so that the time is at most the product of the lengths.
func matchWords(p, name string) bool {
	const none = -1
	pi, ni, backP, backN := 0, 0, none, none
	for ni <= len(name) {
		word, next := wordAt(p, pi)
		switch {
		case pi <= len(p) && word == "#":
			backP, backN = next, ni
			pi = next
			continue
		case pi <= len(p):
			got, after := wordAt(name, ni)
			if ni <= len(name) && (word == "*" || word == got) {
				pi, ni = next, after
				if ni > len(name) {
					return restIsHash(p, pi)
				}
				continue
			}
		}
		if backP == none {
			return false
		}
		if backP > len(p) {
			return true
		}
		_, backN = wordAt(name, backN)
		pi, ni = backP, backN
	}
	return restIsHash(p, pi)
}

// wordAt returns the word that starts at i and where the next one starts, which
// is beyond len(s) after the last.
func wordAt(s string, i int) (word string, next int) {
	if i > len(s) {
		return "", i
	}
	if dot := strings.IndexByte(s[i:], '.'); dot >= 0 {
		return s[i : i+dot], i + dot + 1
	}
	return s[i:], len(s) + 1
}

func restIsHash(p string, pi int) bool {
	for pi <= len(p) {
		word, next := wordAt(p, pi)
		if word != "#" {
			return false
		}
		pi = next
	}
	return true
}

// Validate returns a [ValidationError] if the pattern is malformed.
func (p Pattern) Validate() error {
	if p == "" {
		return invalid("events", "a pattern must not be empty; # selects every type", "")
	}
	for word := range strings.SplitSeq(string(p), ".") {
		if word != "*" && word != "#" && !isWord(word) {
			return invalid("events", "must be dotted words of [A-Za-z0-9_-], * or #", excerpt.Of(string(p)))
		}
	}
	if len(p) > maxTypeBytes {
		return invalid("events", "must be at most 180 bytes", excerpt.Of(string(p)))
	}
	return nil
}
