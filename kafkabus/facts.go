package kafkabus

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// facts are the first words of event types that stand in a topic of another name. Subscribers whose patterns
// begin with such a word find the topic by that. They are the keys of a compacted topic: the topic's
// name, a blank, the word.
type facts struct {
	tail

	mu    sync.Mutex
	words map[string][]string // by topic
}

func newFacts(t *transport) *facts {
	f := &facts{words: map[string][]string{}}
	f.tail = tail{client: t.client, topic: t.names.facts(), note: f.take, anew: f.forget}
	return f
}

func (f *facts) take(r *record) {
	topic, word, ok := strings.Cut(string(r.key), " ")
	f.mu.Lock()
	defer f.mu.Unlock()
	if ok && r.value != nil && !slices.Contains(f.words[topic], word) {
		f.words[topic] = append(slices.Clone(f.words[topic]), word)
	}
}

func (f *facts) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.words)
}

// odd returns those words by topic.
func (t *transport) odd(ctx context.Context) (map[string][]string, error) {
	if err := t.facts.catchUp(ctx); err != nil {
		return nil, fmt.Errorf("read %s: %w", t.names.facts(), err)
	}
	t.facts.mu.Lock()
	defer t.facts.mu.Unlock()
	return maps.Clone(t.facts.words), nil
}

// announce writes down the odd first words of what is about to be sent, before it is.
func (t *transport) announce(ctx context.Context, ms []engine.Message) error {
	var rs []record
	last := ""
	for i := range ms {
		m := &ms[i]
		if m.IsMove() || m.Type == last {
			continue
		}
		last = m.Type
		word, _, _ := strings.Cut(m.Type, ".")
		if word == "" || word == m.To.Topic || t.facts.knows(m.To.Topic, word) {
			continue
		}
		rs = append(rs, record{time: time.Now(), key: []byte(m.To.Topic + " " + word), value: []byte("1")})
	}
	if len(rs) == 0 {
		return nil
	}
	if err := t.facts.catchUp(ctx); err != nil { // others may have been faster
		return err
	}
	rs = slices.DeleteFunc(rs, func(r record) bool {
		topic, word, _ := strings.Cut(string(r.key), " ")
		return t.facts.knows(topic, word)
	})
	if len(rs) == 0 {
		return nil
	}
	return t.facts.write(ctx, t.compactConfig(t.names.facts()), rs...)
}

func (f *facts) knows(topic, word string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Contains(f.words[topic], word)
}
