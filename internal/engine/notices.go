package engine

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
)

const (
	// noticeEvery is how often one message is logged at most.
	noticeEvery = 10 * time.Second
	// newsEvery is how often it is at most with another cause each time: a server that has gone away
	// may come back, and not let us in.
	newsEvery = time.Second
)

// notices logs what no caller is told, each message at most once in ten seconds, or in one if its cause is
// another one than it was, with the number that was left out.
type notices struct {
	log   *slog.Logger
	clock eventbus.Clock

	mu   sync.Mutex
	told map[notice]*told
}

type notice struct{ message, group string }

type told struct {
	at      time.Time
	cause   string
	omitted int
}

func newNotices(log *slog.Logger, clock eventbus.Clock) *notices {
	return &notices{log: log, clock: clock, told: map[notice]*told{}}
}

// warn logs a constant message about a group.
func (n *notices) warn(message, group string, attrs ...slog.Attr) {
	omitted, ok := n.due(notice{message, group}, cause(attrs))
	if !ok {
		return
	}
	attrs = append(attrs, slog.String("group", group))
	if omitted > 0 {
		attrs = append(attrs, slog.Int("omitted", omitted))
	}
	n.log.LogAttrs(context.Background(), slog.LevelWarn, "eventbus: "+message, attrs...) //nolint:sloglint // callers pass literals
}

func (n *notices) due(k notice, cause string) (omitted int, ok bool) {
	now := n.clock.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.told[k]
	if t == nil {
		n.told[k] = &told{at: now, cause: cause}
		return 0, true
	}
	every := noticeEvery
	if t.cause != cause {
		every = newsEvery
	}
	if since := now.Sub(t.at); since >= 0 && since < every { // a clock may be set back
		t.omitted++
		return 0, false
	}
	omitted = t.omitted
	*t = told{at: now, cause: cause}
	return omitted, true
}

// cause is the innermost text of the error among the attributes: what is around it tells of ports and
// places, which are others each time.
func cause(attrs []slog.Attr) (text string) {
	for _, a := range attrs {
		err, _ := a.Value.Any().(error)
		for err != nil {
			text, err = err.Error(), inner(err)
		}
	}
	return text
}

// inner is what an error wraps, of several the last.
func inner(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		if all := several.Unwrap(); len(all) > 0 {
			return all[len(all)-1]
		}
	}
	return errors.Unwrap(err)
}

func failure(err error) slog.Attr { return slog.Any("error", err) }
