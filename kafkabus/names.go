package kafkabus

import (
	"fmt"
	"strings"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// names are those of everything that the bus has on the cluster. What comes behind the prefix tells
// kinds apart: a dot for events, a dash for what is the bus's own.
type names struct{ prefix string }

// events is the topic of an aggregate type.
func (n names) events(topic string) string { return n.prefix + "." + topic }

// topicOf is the aggregate type of a topic of events. One with a dot is of a bus with a longer prefix.
func (n names) topicOf(events string) (string, bool) {
	topic, ok := strings.CutPrefix(events, n.prefix+".")
	return topic, ok && legalTopic(topic)
}

// group is the consumer group.
func (n names) group(group string) string { return n.prefix + "." + group }

// retries is the topic of what is for a group alone.
func (n names) retries(group string) string { return n.prefix + "-retries." + group }

// letters is the topic of a group's dead letters.
func (n names) letters(group string) string { return n.prefix + "-letters." + group }

// lettersOf is the group of a topic of letters.
func (n names) lettersOf(topic string) (string, bool) {
	return strings.CutPrefix(topic, n.prefix+"-letters.")
}

// tries is the topic of a group's ledger.
func (n names) tries(group string) string { return n.prefix + "-tries." + group }

// facts is the topic of what is known of topics.
func (n names) facts() string { return n.prefix + "-topics" }

// legalGroup refuses a group whose topics cannot have the names that they would. The letters' is the
// longest, with that of the retries.
func (n names) legalGroup(group string) error {
	if len(n.letters(group)) <= maxTopicName {
		return nil
	}
	return &eventbus.ValidationError{
		Field: "name", Value: excerpt.Of(group),
		Rule: fmt.Sprintf("the prefix, the group and the name must have %d bytes at most together, with the dot: Kafka has no longer names of topics",
			maxTopicName-len(names{}.letters(""))),
	}
}

const (
	maxPrefix = 40
	maxTopic  = 180
)

// legalPrefix reports whether names can begin with it: those of Kafka have 249 characters, and two
// underscores are its own.
func legalPrefix(s string) bool {
	return s != "" && len(s) <= maxPrefix && !strings.HasPrefix(s, "__") && s != "." && s != ".." && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

// legalTopic reports whether it can be an aggregate type.
func legalTopic(s string) bool {
	return s != "" && len(s) <= maxTopic && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-'
	})
}
