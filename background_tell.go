package eventbus

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"
)

// telling marks the context that BackgroundOptions.Failed is given.
type telling struct {
	own       context.Context // that is marked
	published context.Context // that the event was published with
	over      atomic.Bool     // Failed has returned
}

type tellingKey struct{ bus *BackgroundBus }

// tellingIn returns the call of Failed that ctx belongs to, while it runs, or nil.
func (b *BackgroundBus) tellingIn(ctx context.Context) *telling {
	t, _ := ctx.Value(tellingKey{b}).(*telling)
	if t == nil || t.over.Load() {
		return nil
	}
	return t
}

// tell reports the failures one after the other, whatever becomes of a report.
func (b *BackgroundBus) tell(failures []failure) {
	for len(failures) > 0 {
		end := sheltered(func() {
			for len(failures) > 0 {
				f := failures[0]
				failures = failures[1:]
				b.tellOne(f)
			}
		})
		if end == "" {
			continue
		}
		if omitted, due := b.broken.due(); due {
			sheltered(func() {
				b.options.Logger.Error("eventbus: BackgroundOptions.Failed did not return", slog.String("why", end), slog.Int("omitted", omitted))
			})
		}
	}
}

// sheltered calls f in a goroutine of its own, waits, and says what kept it from
// returning: "" is nothing.
func sheltered(f func()) (end string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		end = "it ended its goroutine"
		defer func() {
			if r := recover(); r != nil {
				end = fmt.Sprint("it panicked: ", r)
			}
		}()
		f()
		end = ""
	}()
	<-done
	return end
}

func (b *BackgroundBus) tellOne(f failure) {
	if b.options.Failed == nil {
		b.log(f)
		return
	}
	t := &telling{published: f.ctx}
	t.own = context.WithValue(f.ctx, tellingKey{b}, t)
	defer t.over.Store(true)
	b.options.Failed(t.own, f.event, f.err)
}

func (b *BackgroundBus) log(f failure) {
	if omitted, due := b.failed.due(); due {
		b.options.Logger.LogAttrs(f.ctx, slog.LevelError, "eventbus: an event that was published in the background is not known to be stored",
			slog.String("type", f.event.Type), slog.String("id", f.event.ID), slog.Any("error", f.err), slog.Int("omitted", omitted))
	}
}

// tellOmitted says at the end, once, how many failures were not logged.
func (b *BackgroundBus) tellOmitted() {
	select {
	case <-b.drained: // or somebody may still count them
	default:
		return
	}
	b.mu.Lock()
	omitted := b.failed.omitted
	b.failed.omitted = 0
	b.mu.Unlock()
	if omitted > 0 {
		sheltered(func() {
			b.options.Logger.Error("eventbus: more events that were published in the background are not known to be stored", slog.Int("omitted", omitted))
		})
	}
}

// notice says when to log something that repeats: once in ten seconds, with the
// number of times left out. It is used by one goroutine at a time.
type notice struct {
	now     func() time.Time
	last    time.Time
	omitted int
}

const noticeEvery = 10 * time.Second

func (n *notice) due() (omitted int, due bool) {
	now := n.now()
	if !n.last.IsZero() && now.Sub(n.last) < noticeEvery {
		n.omitted++
		return 0, false
	}
	omitted, n.last, n.omitted = n.omitted, now, 0
	return omitted, true
}
