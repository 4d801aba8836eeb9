package memory

import (
	"context"
	"maps"
	"sync"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// ledger keeps, by group and origin, what is held or suspect. The zero ledger is
// empty.
type ledger struct {
	mu     sync.Mutex
	groups map[string]map[string]engine.Tries
}

var _ engine.Ledger = (*ledger)(nil)

// Load returns a copy of what is known of the group.
func (l *ledger) Load(ctx context.Context, group string) (map[string]engine.Tries, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.groups[group]), nil
}

// Save replaces what is known of these deliveries of the group.
func (l *ledger) Save(ctx context.Context, group string, tries map[string]engine.Tries) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.groups[group]
	for origin, t := range tries {
		switch {
		case t == engine.Tries{}:
			delete(known, origin)
			continue
		case known == nil:
			known = map[string]engine.Tries{}
		}
		known[origin] = t
	}
	l.keep(group, known)
	return nil
}

func (l *ledger) keep(group string, known map[string]engine.Tries) {
	if len(known) == 0 {
		delete(l.groups, group)
		return
	}
	if l.groups == nil {
		l.groups = map[string]map[string]engine.Tries{}
	}
	l.groups[group] = known
}

// forget drops what is known of the group.
func (l *ledger) forget(group string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.groups, group)
}
