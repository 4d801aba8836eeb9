package engine

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// noticeEvery is how often one message is logged at most.
const noticeEvery = 10 * time.Second

// notices logs what no caller is told, each message at most once in ten seconds
// with the number that was left out.
type notices struct {
	log   *slog.Logger
	clock eventbus.Clock

	mu   sync.Mutex
	told map[notice]*told
}

type notice struct{ message, group string }

type told struct {
	at      time.Time
	omitted int
}

func newNotices(log *slog.Logger, clock eventbus.Clock) *notices {
	return &notices{log: log, clock: clock, told: map[notice]*told{}}
}

// warn logs a constant message about a group.
func (n *notices) warn(message, group string, attrs ...slog.Attr) {
	omitted, ok := n.due(notice{message, group})
	if !ok {
		return
	}
	attrs = append(attrs, slog.String("group", group))
	if omitted > 0 {
		attrs = append(attrs, slog.Int("omitted", omitted))
	}
	n.log.LogAttrs(context.Background(), slog.LevelWarn, "eventbus: "+message, attrs...) //nolint:sloglint // callers pass literals
}

func (n *notices) due(k notice) (omitted int, ok bool) {
	now := n.clock.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.told[k]
	if t == nil {
		n.told[k] = &told{at: now}
		return 0, true
	}
	if since := now.Sub(t.at); since >= 0 && since < noticeEvery { // a clock may be set back
		t.omitted++
		return 0, false
	}
	omitted, t.at, t.omitted = t.omitted, now, 0
	return omitted, true
}

func failure(err error) slog.Attr { return slog.Any("error", err) }
