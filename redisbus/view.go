package redisbus

import (
	"context"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
)

// view is what the server says of one group in one topic.
type view struct {
	topic   string
	group   string
	streams [2]string
	readers [2]*redis.XInfoGroupsCmd
	pending [2]*redis.XPendingCmd
	delayed *redis.IntCmd
}

// views asks about the group in all topics at once.
func (t *transport) views(ctx context.Context, group string, topics []string) ([]*view, error) {
	views := make([]*view, len(topics))
	err := t.questions(ctx, func(pipe redis.Pipeliner) {
		for i, topic := range topics {
			own := t.names.own(topic, group)
			v := &view{topic: topic, group: group, streams: [2]string{fromTopic: t.names.stream(topic), fromOwn: own.stream}}
			for which, stream := range v.streams {
				v.readers[which] = pipe.XInfoGroups(ctx, stream)
				v.pending[which] = pipe.XPending(ctx, stream, group)
			}
			v.delayed = pipe.ZCard(ctx, own.later())
			views[i] = v
		}
	})
	if err != nil {
		return nil, typed(err)
	}
	for _, v := range views {
		if err := unless(noGroup, v.readers[0], v.readers[1], v.pending[0], v.pending[1], v.delayed); err != nil {
			return nil, fmt.Errorf("redisbus: look at %s in %s: %w", group, v.topic, err)
		}
	}
	return views, nil
}

// questions sends a pipeline of commands that may be repeated. What became of each, it says
// itself, unless none was answered.
func (t *transport) questions(ctx context.Context, put func(pipe redis.Pipeliner)) error {
	pipe := t.clients.commands.Pipeline()
	if put(pipe); pipe.Len() == 0 {
		return nil
	}
	_, err := ask(ctx, t.clients, func() ([]redis.Cmder, error) { return pipe.Exec(ctx) })
	if reply(err) != "" {
		return nil
	}
	return err
}

// unless returns the first error of the commands that is none of a kind.
func unless(expected func(error) bool, commands ...redis.Cmder) error {
	for _, c := range commands {
		if err := c.Err(); err != nil && !expected(err) {
			return typed(err)
		}
	}
	return nil
}

func (v *view) backlog(ctx context.Context, t *transport) (b eventbus.Backlog, err error) {
	b.Delayed = int(v.delayed.Val())
	for which, stream := range v.streams {
		lag, err := t.lag(ctx, stream, v.group, v.readers[which].Val())
		if err != nil {
			return b, fmt.Errorf("redisbus: count what waits in %s: %w", stream, typed(err))
		}
		b.Lag += lag
		p := v.pending[which].Val()
		if p == nil || p.Count == 0 {
			continue
		}
		b.Pending += int(p.Count)
		if at := stored(p.Lower); b.OldestPending.IsZero() || at.Before(b.OldestPending) {
			b.OldestPending = at
		}
	}
	return b, nil
}

// lag is how many entries of the stream the group was not handed. Where entries were
// deleted, or the group began somewhere in the middle, the server may not know; then they are counted.
func (t *transport) lag(ctx context.Context, stream, group string, readers []redis.XInfoGroup) (int, error) {
	for _, g := range readers {
		switch {
		case g.Name != group:
		case g.Lag >= 0 && g.EntriesRead > 0 || g.LastDeliveredID == "0-0" && g.Lag > 0:
			return int(g.Lag), nil
		default:
			return t.countBehind(ctx, stream, g.LastDeliveredID)
		}
	}
	return 0, nil
}

// countBehindScript counts what is behind an ID, about a mebibyte at a time, and returns where to
// go on, or "".
var countBehindScript = redis.NewScript(`
local n, bytes, few, from, es = 0, 0, 1, '(' .. ARGV[1]
repeat
	es = redis.call('XRANGE', KEYS[1], from, '+', 'COUNT', few)
	for _, e in ipairs(es) do
		n, from = n + 1, '(' .. e[1]
		for _, field in ipairs(e[2]) do bytes = bytes + #field end
	end
	if #es < few then return {n, ''} end
	few = math.min(few * 2, 64)
until bytes > 1048576 or n >= 1000
return {n, string.sub(from, 2)}`)

const (
	countedMost = 10_000
	countedFor  = time.Second
)

func (t *transport) countBehind(ctx context.Context, stream, id string) (n int, err error) {
	for began := time.Now(); id != "" && n < countedMost && time.Since(began) < countedFor; {
		answer, err := t.clients.run(ctx, countBehindScript, []string{stream}, id)
		if err != nil {
			return n, err
		}
		said, _ := answer.([]any)
		if len(said) != 2 {
			return n, fmt.Errorf("the server answers with %d parts", len(said))
		}
		some, _ := said[0].(int64)
		n += int(some)
		id, _ = said[1].(string)
	}
	return n, nil
}
