package redisbus

import "strings"

// names are the keys under one prefix; docs/wire-redis.md is the list.
type names struct{ prefix string }

func (n names) topics() string              { return n.prefix + ":topics" }
func (n names) groups() string              { return n.prefix + ":groups" }
func (n names) members(group string) string { return n.prefix + ":members:" + group }
func (n names) ledger(group string) string  { return n.prefix + ":ledger:" + group }

// stream is the topic's. The whole of it is the hash tag, so that what belongs to a topic
// is in one slot.
func (n names) stream(topic string) string { return "{" + n.prefix + ":" + topic + ":0}" }

// own are the keys of one group within a topic.
func (n names) own(topic, group string) ownNames {
	return ownNames{n.stream(topic) + ":" + group}
}

type ownNames struct{ stream string }

func (o ownNames) later() string { return o.stream + ":later" }
func (o ownNames) held() string  { return o.stream + ":held" }
func (o ownNames) moved() string { return o.stream + ":moved" }

func (o ownNames) all() []string { return []string{o.stream, o.later(), o.held(), o.moved()} }

// legalPrefix reports whether keys can begin with it: a brace would be taken for a hash tag.
func legalPrefix(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '{' || r == '}'
	})
}
