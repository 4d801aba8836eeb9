package redisbus

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

const (
	// tidyEvery is how often a member tidies up, and tidies how long it does so at a time: new
	// topics, retries that are due and its sign of life wait meanwhile.
	tidyEvery = 5 * time.Second
	tidies    = 500 * time.Millisecond
	// dismissed is how many topics are searched for old consumers at once.
	dismissed = 25
	// stale is how long a consumer that has nothing pending may be idle before it is removed.
	stale = time.Hour
)

// chores are what is left to do of tidying up. They are of Next alone.
type chores struct {
	begun   time.Time
	dismiss []string // topics where consumers may have been left
	trim    []string // topics that may be too long
}

// firstOf takes the first of the topics, at most so many.
func firstOf(topics *[]string, most int) (first []string) {
	n := min(most, len(*topics))
	first, *topics = (*topics)[:n:n], (*topics)[n:]
	return first
}

// tidy removes, now and then, what nobody needs: consumers of processes that are gone, and
// old events if that is asked for. What it does not get done is done in the next round.
func (m *member) tidy(ctx context.Context) error {
	until := time.Now().Add(tidies)
	var errs []error
	if len(m.chores.dismiss)+len(m.chores.trim) == 0 {
		if time.Since(m.chores.begun) < tidyEvery {
			return nil
		}
		errs = append(errs, m.plan(ctx))
	}
	for len(m.chores.dismiss) > 0 && time.Now().Before(until) {
		errs = append(errs, m.dismiss(ctx, firstOf(&m.chores.dismiss, dismissed)))
	}
	if len(m.chores.trim) > 0 && time.Now().Before(until) {
		errs = append(errs, m.trim(ctx, until))
	}
	return errors.Join(errs...)
}

// plan finds out what there is to do.
func (m *member) plan(ctx context.Context) error {
	m.chores = chores{begun: time.Now(), dismiss: m.topics()}
	if m.transport.options.Retain > 0 {
		m.chores.trim = m.topics()
	}
	// What is written down of the group may have been deleted alone.
	_, err := m.transport.found(ctx, engine.Group{Name: m.group.Name, Patterns: m.group.Patterns})
	return typed(err)
}

// dismiss removes consumers of processes that are gone.
func (m *member) dismiss(ctx context.Context, topics []string) error {
	t := m.transport
	var streams [][]string
	for _, topic := range topics {
		streams = append(streams, []string{t.names.stream(topic)}, []string{t.names.own(topic, m.group.Name).stream})
	}
	_, errs := t.clients.runEach(ctx, consumersScript, streams, m.group.Name, stale.Milliseconds())
	for i, err := range errs {
		if noGroup(err) || reply(err) == "ERR" {
			errs[i] = nil
		} else if err != nil {
			errs[i] = fmt.Errorf("redisbus: remove old consumers of %s: %w", streams[i][0], typed(err))
		}
	}
	return errors.Join(errs...)
}

// consumersScript removes consumers that are idle and have nothing pending.
var consumersScript = redis.NewScript(luaRecord + `
local removed = 0
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], ARGV[1])) do
	local c = record(c)
	if c.pending == 0 and c.idle > tonumber(ARGV[2]) then
		redis.call('XGROUP', 'DELCONSUMER', KEYS[1], ARGV[1], c.name)
		removed = removed + 1
	end
end
return removed`)

// luaRecord makes a table of the flat list that XINFO returns for one thing.
const luaRecord = `
local function record(list)
	local t = {}
	for i = 1, #list, 2 do t[list[i]] = list[i + 1] end
	return t
end
`

// patternsOf reads what is written down of a group: where it starts, then its patterns.
func patternsOf(value string) (patterns []eventbus.Pattern) {
	for i, word := range strings.Fields(value) {
		if i > 0 {
			patterns = append(patterns, eventbus.Pattern(word))
		}
	}
	return patterns
}
