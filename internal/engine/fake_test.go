package engine

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// fake is a transport that does what a test tells it, and writes down in order
// what it was asked.
type fake struct {
	tb     testing.TB
	shards uint32 // into which keys are spread; topics and groups are not told apart
	direct bool   // callers come at once, since the transport is immediate

	mu        sync.Mutex
	answers   []answer // to the next Sends
	otherwise answer   // when there are no answers left
	batches   []batch
	underWay  map[shardKey]int
	most      int // Sends that were under way at once
	diary     []string
	members   map[string]*fakeMember // the last one of each group
	joins     []string
	joinError error
	joining   chan struct{} // what Join waits for, if there is one
	closing   chan struct{} // what Close waits for, if there is one
}

// batch is one Send.
type batch struct {
	ms        []Message
	at        time.Time
	goroutine string
}

func newFake(tb testing.TB) *fake {
	return &fake{tb: tb, shards: 1, underWay: map[shardKey]int{}, members: map[string]*fakeMember{}}
}

// note writes into the diary.
func (f *fake) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.diary = append(f.diary, fmt.Sprintf(format, args...))
}

func (f *fake) wrote() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.diary...)
}

func (f *fake) Shard(_ Address, key string) uint32 {
	var n uint32
	for i := range len(key) {
		n = n*31 + uint32(key[i])
	}
	return n % f.shards
}

func (f *fake) Send(ctx context.Context, ms []Message) []error {
	shard := shardKey{f.Shard(ms[0].To, ms[0].Key), ms[0].Beyond}
	for i := range ms {
		if (shardKey{f.Shard(ms[i].To, ms[i].Key), ms[i].Beyond}) != shard && !f.direct {
			f.tb.Errorf("a Send has messages of two shards")
		}
	}
	give := f.begin(shard, ms)
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.underWay[shard]--
	}()
	if give == nil {
		return nil
	}
	return give(ctx, ms)
}

func (f *fake) begin(shard shardKey, ms []Message) answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.batches = append(f.batches, batch{retained(ms), time.Now(), goroutine()})
	if f.underWay[shard]++; f.underWay[shard] > 1 && !f.direct {
		f.tb.Errorf("two Sends under way for one shard")
	}
	all := 0
	for _, n := range f.underWay {
		all += n
	}
	f.most = max(f.most, all)
	if len(f.answers) == 0 {
		return f.otherwise
	}
	give := f.answers[0]
	f.answers = f.answers[1:]
	return give
}

func (f *fake) Join(ctx context.Context, g Group) (Member, error) {
	f.mu.Lock()
	err, wait := f.joinError, f.joining
	f.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if err != nil {
		return nil, err
	}
	m := &fakeMember{fake: f, group: g, sources: make(chan *fakeSource, 100), errs: make(chan error, 100)}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.members[g.Name] = m
	f.joins = append(f.joins, g.Name)
	return m, nil
}

// joined returns how often the group was joined.
func (f *fake) joined(group string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, g := range f.joins {
		if g == group {
			n++
		}
	}
	return n
}

func (f *fake) Close(ctx context.Context) error {
	f.note("transport closed")
	if f.closing != nil {
		select {
		case <-f.closing:
		case <-ctx.Done():
		}
	}
	return nil
}

// retained copies messages: they are the engine's again after Send.
func retained(ms []Message) []Message {
	all := slices.Clone(ms)
	for i := range all {
		all[i].Header = slices.Clone(all[i].Header)
		if all[i].Event != nil {
			e := *all[i].Event
			all[i].Event = &e
		}
	}
	return all
}

// answer is what a Send does.
type answer func(ctx context.Context, ms []Message) []error

// answers tells what the next Sends do.
func (f *fake) answer(answers ...answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, answers...)
}

// always tells what Sends do that no answer is left for.
func (f *fake) always(a answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.otherwise = a
}

func (f *fake) sent() []batch {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]batch(nil), f.batches...)
}

// keys returns the keys that each Send had.
func (f *fake) keys() [][]string {
	var all [][]string
	for _, b := range f.sent() {
		var keys []string
		for _, m := range b.ms {
			keys = append(keys, m.Key)
		}
		all = append(all, keys)
	}
	return all
}

func stored(context.Context, []Message) []error { return nil }

func fails(err error) answer {
	return func(_ context.Context, ms []Message) []error {
		errs := make([]error, len(ms))
		for i := range errs {
			errs[i] = err
		}
		return errs
	}
}

// takes answers after d, or with unknown when the context ends first.
func takes(d time.Duration, then answer) answer {
	return func(ctx context.Context, ms []Message) []error {
		select {
		case <-after(d):
			return then(ctx, ms)
		case <-ctx.Done():
			return fails(fmt.Errorf("%w: %w", eventbus.ErrUnknown, ctx.Err()))(ctx, ms)
		}
	}
}

// only fails the messages with those keys.
func only(err error, keys ...string) answer {
	return func(_ context.Context, ms []Message) []error {
		errs := make([]error, len(ms))
		for i := range ms {
			for _, k := range keys {
				if ms[i].Key == k {
					errs[i] = err
				}
			}
		}
		return errs
	}
}
