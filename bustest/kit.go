package bustest

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// kit is what a case works with: its test, its space, and what it has opened there.
// Its methods are for the goroutine of the case; handlers may call Errorf.
type kit struct {
	testing.TB
	backend Backend
	space   Space
	test    test
	logs    logbook
	buses   []*bus
	gates   []*gate
	over    chan struct{} // closed at the end
}

// Errorf reports a failure together with the promise that it breaks.
func (k *kit) Errorf(format string, args ...any) {
	k.Helper()
	k.TB.Error(fmt.Sprintf(format, args...) + "\nbroken promise: " + k.test.promise)
}

// Fatalf is Errorf and ends the case.
func (k *kit) Fatalf(format string, args ...any) {
	k.Helper()
	k.TB.Fatal(fmt.Sprintf(format, args...) + "\nbroken promise: " + k.test.promise)
}

// close lets all handlers go and shuts all buses down, which must succeed unless the
// case did it itself.
func (k *kit) close() {
	k.Helper()
	close(k.over)
	for _, g := range k.gates {
		g.open()
	}
	for _, b := range k.buses {
		patience := k.backend.Patience
		if b.dead { // it cannot settle anything, and may well try for as long as it may
			patience = time.Second
		}
		ctx, cancel := k.within(patience)
		if err := b.EventBus.Shutdown(ctx); err != nil && !b.over {
			k.Errorf("shut the bus down at the end of the case: %v", err)
		}
		cancel()
	}
	if text := k.logs.String(); k.Failed() && text != "" {
		k.Logf("the buses logged:\n%s", text)
	}
}

// survive makes a failure of a panic, which a broken backend can bring about in a
// case, so that the other cases still run.
func (k *kit) survive() {
	if r := recover(); r != nil {
		k.Errorf("the case panicked: %v\n%s", r, debug.Stack())
	}
}

// open makes another instance with the case's own group, unless the options say
// otherwise.
func (k *kit) open(o eventbus.Options) *bus {
	k.Helper()
	return k.openBy(k.space.Open, o)
}

// openAs is open for an instance that keeps its name.
func (k *kit) openAs(name string) *bus {
	k.Helper()
	return k.openBy(func(o eventbus.Options) (eventbus.EventBus, error) { return k.space.OpenAs(name, o) }, eventbus.Options{})
}

// openKeeping is open for an instance that keeps so many events that nobody needs.
func (k *kit) openKeeping(events int) *bus {
	k.Helper()
	return k.openBy(func(o eventbus.Options) (eventbus.EventBus, error) { return k.space.OpenKeeping(events, o) }, eventbus.Options{})
}

func (k *kit) openBy(open func(eventbus.Options) (eventbus.EventBus, error), o eventbus.Options) *bus {
	k.Helper()
	if o.Group == "" {
		o.Group = k.group()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(&k.logs, nil))
	}
	opened, err := open(o)
	if err != nil {
		k.Fatalf("open a bus: %v", err)
	}
	b := &bus{EventBus: opened, k: k, group: o.Group}
	k.buses = append(k.buses, b)
	return b
}

// group is the service group of the case's buses.
func (k *kit) group() string { return strings.ReplaceAll(k.test.name, "/", "-") }

// within returns a context that ends after d.
func (k *kit) within(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(k.Context(), d)
}

// unit is a short delay: short enough to wait for it a few times on a real clock.
func (k *kit) unit() time.Duration {
	if k.backend.Virtual {
		return time.Second
	}
	return 50 * time.Millisecond
}

// long is a delay that nobody should have to wait for.
func (k *kit) long() time.Duration {
	if k.backend.Virtual {
		return time.Minute
	}
	return 20 * time.Second
}

// many is how often to do something: as asked where that is instant, else n/25.
func (k *kit) many(n int) int {
	if k.backend.Virtual {
		return n
	}
	return n / 25
}

// retry is a policy of so many attempts, a unit apart.
func (k *kit) retry(attempts int) eventbus.RetryPolicy {
	return eventbus.RetryPolicy{Attempts: attempts, Min: k.unit(), Max: k.unit(), Jitter: -1}
}

// calm lets everything happen that is to happen at this instant, where time is
// virtual and one can know.
func (k *kit) calm() {
	if k.backend.Virtual {
		synctest.Wait()
	}
}

// logbook keeps the end of what buses log, for the case that fails.
type logbook struct {
	mu   sync.Mutex
	text []byte
}

// Write appends to the book.
func (l *logbook) Write(line []byte) (int, error) {
	const most = 16 << 10
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = append(l.text, line...)
	if over := len(l.text) - most; over > 0 {
		l.text = append(l.text[:0], l.text[over:]...)
	}
	return len(line), nil
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.text)
}
