package redisbus

import (
	"context"
	"slices"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// appends makes many XADDs, which have their memory in common.
type appends struct {
	commands []redis.StringCmd
	args     []any
	values   []value
	topic    string
	key      any // of the topic's stream
}

// value is an argument of which an interface can hold a pointer, without a copy.
type value []byte

func (v *value) MarshalBinary() ([]byte, error) { return *v, nil }

const (
	addArgs   = 7
	addValues = 2
)

// reserve makes room for so many commands: nothing moves, as they point to each other.
func (x *appends) reserve(n int) {
	x.commands = slices.Grow(x.commands, n)
	x.args = slices.Grow(x.args, n*addArgs)
	x.values = slices.Grow(x.values, n*addValues)
}

// command is the XADD of one message.
func (x *appends) command(ctx context.Context, n names, m *engine.Message, ce []byte) *redis.StringCmd {
	if x.key == nil || x.topic != m.To.Topic {
		x.topic, x.key = m.To.Topic, n.stream(m.To.Topic)
	}
	from, v := len(x.args), len(x.values)
	x.values = append(x.values, ce, m.Body)
	x.args = append(x.args, "xadd", x.key, "*", "ce", &x.values[v], "data", &x.values[v+1])
	x.commands = append(x.commands, *redis.NewStringCmd(ctx, slices.Clip(x.args[from:])...))
	return &x.commands[len(x.commands)-1]
}

// clear forgets the commands, and keeps their room.
func (x *appends) clear() {
	clear(x.commands)
	clear(x.args)
	clear(x.values)
	x.commands, x.args, x.values = x.commands[:0], x.args[:0], x.values[:0]
}
