package redisbus

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// ledger keeps what is held or suspect in one hash a group.
type ledger struct{ *transport }

var _ engine.Ledger = ledger{}

// record is a delivery in the ledger.
type record struct {
	Attempts int       `json:"attempts,omitempty"`
	Crashes  int       `json:"crashes,omitempty"`
	First    time.Time `json:"first,omitzero"`
	Suspect  bool      `json:"suspect,omitempty"`
}

// Load returns what is known of the group. A record that cannot be read is none.
func (l ledger) Load(ctx context.Context, group string) (map[string]engine.Tries, error) {
	all, err := ask(ctx, l.clients, func() (map[string]string, error) {
		return l.clients.commands.HGetAll(ctx, l.names.ledger(group)).Result()
	})
	if err != nil {
		return nil, fmt.Errorf("redisbus: read ledger of %s: %w", group, typed(err))
	}
	known := make(map[string]engine.Tries, len(all))
	for origin, text := range all {
		var r record
		if json.Unmarshal([]byte(text), &r) == nil {
			known[origin] = engine.Tries(r)
		}
	}
	return known, nil
}

// Save replaces what is known of these deliveries.
func (l ledger) Save(ctx context.Context, group string, tries map[string]engine.Tries) error {
	var set []any
	var del []string
	for origin, t := range tries {
		if t == (engine.Tries{}) {
			del = append(del, origin)
			continue
		}
		text, err := json.Marshal(record(t))
		if err != nil {
			return err
		}
		set = append(set, origin, text)
	}
	_, err := ask(ctx, l.clients, func() ([]redis.Cmder, error) {
		pipe := l.clients.commands.Pipeline()
		if len(set) > 0 {
			pipe.HSet(ctx, l.names.ledger(group), set...)
		}
		if len(del) > 0 {
			pipe.HDel(ctx, l.names.ledger(group), del...)
		}
		return pipe.Exec(ctx)
	})
	if err != nil {
		return fmt.Errorf("redisbus: write ledger of %s: %w", group, typed(err))
	}
	return nil
}
