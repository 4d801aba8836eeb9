package kafkabus

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// ledger keeps what is held or suspect in one compacted topic a group, by origin.
type ledger struct {
	transport *transport
	mu        sync.Mutex
	books     map[string]*book // by group
}

var _ engine.Ledger = (*ledger)(nil)

// book is the ledger of one group.
type book struct {
	tail
	mu    sync.Mutex
	tries map[string]engine.Tries
}

// entry is a delivery in the ledger.
type entry struct {
	Attempts int       `json:"attempts,omitempty"`
	Crashes  int       `json:"crashes,omitempty"`
	First    time.Time `json:"first,omitzero"`
	Suspect  bool      `json:"suspect,omitempty"`
}

func (l *ledger) book(group string) *book {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.books[group]
	if b == nil {
		b = &book{tries: map[string]engine.Tries{}}
		b.tail = tail{client: l.transport.client, topic: l.transport.names.tries(group), note: b.take, anew: b.forget}
		l.books[group] = b
	}
	return b
}

// take passes over what cannot be read.
func (b *book) take(r *record) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var e entry
	if r.value == nil {
		delete(b.tries, string(r.key))
	} else if json.Unmarshal(r.value, &e) == nil {
		b.tries[string(r.key)] = engine.Tries(e)
	}
}

func (b *book) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	clear(b.tries)
}

// Load returns what is known of the group.
func (l *ledger) Load(ctx context.Context, group string) (map[string]engine.Tries, error) {
	b := l.book(group)
	err := l.transport.client.find(ctx, b.topic)
	if err == nil {
		err = b.catchUp(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("kafkabus: read the ledger of %s: %w", group, typed(err))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return maps.Clone(b.tries), nil
}

// Save replaces what is known of these deliveries.
func (l *ledger) Save(ctx context.Context, group string, tries map[string]engine.Tries) error {
	rs := make([]record, 0, len(tries))
	now := time.Now()
	for origin, t := range tries {
		r := record{time: now, key: []byte(origin)}
		if t != (engine.Tries{}) {
			text, err := json.Marshal(entry(t))
			if err != nil {
				return err
			}
			r.value = text
		}
		rs = append(rs, r)
	}
	b := l.book(group)
	if err := b.write(ctx, l.transport.compactConfig(b.topic), rs...); err != nil {
		return fmt.Errorf("kafkabus: write the ledger of %s: %w", group, typed(err))
	}
	return nil
}

// tried returns the origins of the deliveries of a group that the ledger knows.
func (l *ledger) tried(ctx context.Context, group string) (map[string]bool, error) {
	known, err := l.Load(ctx, group)
	if err != nil {
		return nil, err
	}
	out := make(map[string]bool, len(known))
	for origin := range known {
		out[origin] = true
	}
	return out, nil
}
