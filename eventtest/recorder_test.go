package eventtest_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/eventtest"
	"github.com/seed-28af575d/eventbus/memory"
)

func placed(id string) eventbus.DomainEvent { return eventbus.New(id, OrderPlaced{Total: 7}) }

func cancelled(id string) eventbus.DomainEvent { return eventbus.New(id, OrderCancelled{}) }

// victim is a test that ends, and can tell why.
type victim struct {
	testing.TB
	said     string
	deadline time.Time
}

func (v *victim) Deadline() (time.Time, bool) {
	if t, ok := v.TB.(interface{ Deadline() (time.Time, bool) }); ok && v.deadline.IsZero() {
		return t.Deadline()
	}
	return v.deadline, true
}

func (*victim) Helper() {}

func (v *victim) Fatalf(format string, args ...any) {
	v.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// ends returns what a test of the recorder says at its end, which f must bring about.
func ends(t *testing.T, bus eventbus.EventBus, f func(r *eventtest.Recorder)) string {
	t.Helper()
	return (&victim{TB: t}).ends(t, bus, f)
}

func (v *victim) ends(t *testing.T, bus eventbus.EventBus, f func(r *eventtest.Recorder)) string {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f(eventtest.Record(v, bus))
	}()
	<-done
	if v.said == "" {
		t.Error("the test was not ended")
	}
	return v.said
}

func says(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("it lacks %q:\n%s", p, got)
		}
	}
}

func publish(t *testing.T, bus eventbus.EventBus, events ...eventbus.DomainEvent) {
	t.Helper()
	if err := bus.Publish(t.Context(), events...); err != nil {
		t.Fatal(err)
	}
}

func newBus(t *testing.T, o memory.Options) *memory.Bus {
	t.Helper()
	bus, err := memory.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return bus
}

func ids(events []eventbus.DomainEvent) (all []string) {
	for i := range events {
		all = append(all, events[i].AggregateID)
	}
	return all
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestWhatIsPublishedIsFound(t *testing.T) {
	r := eventtest.Record(t, eventbus.Discard())
	r.None("#")
	publish(t, r, placed("a"), cancelled("b"))
	publish(t, r, placed("c"))
	same(t, "all", ids(r.Events("#")), "[a b c]")
	same(t, "placed", ids(r.Events("*.placed")), "[a c]")
	same(t, "the only one", r.Only("order.cancelled").AggregateID, "b")
	same(t, "the only one, typed", eventtest.Only[OrderCancelled](r).AggregateID, "b")
	same(t, "typed", eventtest.All[OrderPlaced](r)[1].Payload, OrderPlaced{Total: 7})
	same(t, "the first", eventtest.Wait[OrderPlaced](t.Context(), r).AggregateID, "a")
	same(t, "three", ids(r.WaitN(t.Context(), "order.*", 3)), "[a b c]")
	found := r.WaitFunc(t.Context(), "event of c", func(e eventbus.DomainEvent) bool { return e.AggregateID == "c" })
	same(t, "found", found.AggregateID, "c")
	r.None("invoice.*")
	r.Reset()
	r.None("#")
	eventtest.None[OrderPlaced](r)
	publish(t, r, eventbus.NewRaw("order.placed", "raw", "application/json", []byte(`{"total":9}`)))
	same(t, "decoded from bytes", eventtest.Only[OrderPlaced](r).Payload.Total, 9)
}

func TestWhatFailedIsKeptApart(t *testing.T) {
	r := eventtest.Record(t, newBus(t, memory.Options{Capacity: 1, WhenFull: memory.FailWhenFull}))
	_, err := r.Subscribe(t.Context(), eventbus.Subscriber{Name: "a", Handler: eventbus.On(func(context.Context, eventbus.Event[OrderPlaced]) error { return nil })})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Publish(t.Context(), placed("a"), placed("b"), cancelled("c")); !errors.Is(err, eventbus.ErrFull) {
		t.Errorf("publish: %v", err)
	}
	same(t, "published", ids(r.Events("#")), "[a]")
	failed := r.Failed()
	if len(failed) != 2 || failed[0].Event.AggregateID != "b" || !errors.Is(failed[0].Err, eventbus.ErrFull) {
		t.Errorf("failed: %v", failed)
	}
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Publish(t.Context(), placed("d"), placed("e")); !errors.Is(err, eventbus.ErrClosed) {
		t.Errorf("publish: %v", err)
	}
	same(t, "failed", len(r.Failed()), 4)
	r.Reset()
	same(t, "failed", len(r.Failed()), 0)
}

func TestFailuresShowWhatWasPublished(t *testing.T) {
	some := func(r *eventtest.Recorder) {
		_ = r.Publish(t.Context(), placed("a").WithID("id-1"), cancelled("b"))
		_ = r.Publish(t.Context(), eventbus.NewRaw("order.placed", "c", "", []byte("\x00"+strings.Repeat("ü", 100))))
		_ = r.Publish(t.Context(), placed("d").WithVersion(-1))
	}
	all := []string{"published: 3 events", "\n  order.placed of a, ID id-1: {\"total\":7}", "order.cancelled of b", `"\x00üü`, "… (201 bytes)", "failed: 1 events", "order.placed of d", "aggregate_version: must not be negative"}
	for what, c := range map[string]struct {
		do   func(r *eventtest.Recorder)
		want string
	}{
		"only, none":    {func(r *eventtest.Recorder) { r.Only("order.paid") }, "eventtest: no order.paid was published"},
		"only, many":    {func(r *eventtest.Recorder) { r.Only("#") }, "3 events # were published, not one"},
		"none":          {func(r *eventtest.Recorder) { r.None("*.placed") }, "2 events *.placed were published, and none should be"},
		"typed":         {func(r *eventtest.Recorder) { eventtest.Only[OrderPlaced](r) }, "2 events order.placed (eventtest_test.OrderPlaced) were published, not one"},
		"typed none":    {func(r *eventtest.Recorder) { eventtest.None[OrderCancelled](r) }, "1 events order.cancelled (eventtest_test.OrderCancelled) were published"},
		"not decodable": {func(r *eventtest.Recorder) { eventtest.All[OrderPlaced](r) }, "cannot be decoded: undecodable"},
		"waited": {func(r *eventtest.Recorder) {
			ctx, cancel := context.WithCancelCause(context.Background()) //nolint:usetesting // one that ends
			cancel(errors.New("enough"))
			r.WaitN(ctx, "order.placed", 3)
		}, "2 of 3 events order.placed were published when the wait ended: enough"},
	} {
		t.Run(what, func(t *testing.T) {
			says(t, ends(t, eventbus.Discard(), func(r *eventtest.Recorder) { some(r); c.do(r) }), append(all, c.want)...)
		})
	}
}

func TestListsAreBounded(t *testing.T) {
	said := ends(t, eventbus.Discard(), func(r *eventtest.Recorder) {
		for i := range 1000 {
			_ = r.Publish(t.Context(), placed(fmt.Sprint("order-", i)))
			_ = r.Publish(t.Context(), placed("bad").WithVersion(-1))
		}
		r.Only("order.paid")
	})
	says(t, said, "published: 1000 events, the last 20:", "order-980", "order-999", "failed: 1000 events, the last 20:")
	if strings.Contains(said, "order-979") || len(said) > 20_000 {
		t.Errorf("it is too long: %s", said)
	}
}

func TestBadQuestionsEndTheTest(t *testing.T) {
	var none *memory.Bus
	says(t, ends(t, nil, func(*eventtest.Recorder) {}), "Record needs a bus")
	says(t, ends(t, none, func(*eventtest.Recorder) {}), "Record needs a bus")
	says(t, ends(t, eventbus.Discard(), func(r *eventtest.Recorder) { r.None("order..x") }), `the pattern "order..x"`)
	says(t, ends(t, eventbus.Discard(), func(r *eventtest.Recorder) { r.Wait(nil, "#") }), "must not be nil") //nolint:staticcheck // that is the point
	says(t, ends(t, eventbus.Discard(), func(r *eventtest.Recorder) { r.WaitFunc(t.Context(), "x", nil) }), "needs a function")
	says(t, ends(t, eventbus.Discard(), func(r *eventtest.Recorder) { eventtest.None[*OrderPlaced](r) }), "*eventtest_test.OrderPlaced is no payload type")
}

// In a bubble a wait that is in vain ends by itself, in virtual time.
func TestWaitingInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := eventtest.Record(t, eventbus.Discard())
		began := time.Now()
		go func() {
			for _, id := range []string{"a", "b"} {
				time.Sleep(time.Minute)
				publish(t, r, placed(id))
			}
		}()
		same(t, "events", ids(r.WaitN(t.Context(), "order.placed", 2)), "[a b]")
		same(t, "waited", time.Since(began), 2*time.Minute)
		said := ends(t, r, func(r *eventtest.Recorder) { r.Wait(t.Context(), "order.paid") })
		says(t, said, "0 of 1 events order.paid", "deadline exceeded")
		same(t, "waited", time.Since(began), 2*time.Minute+time.Hour)

		began = time.Now()
		short := &victim{TB: t, deadline: began.Add(time.Minute)} // as outside of a bubble
		says(t, short.ends(t, r, func(r *eventtest.Recorder) { r.Wait(t.Context(), "order.paid") }), "deadline exceeded")
		same(t, "waited", time.Since(began), time.Minute-time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // the caller's own word counts
		defer cancel()
		says(t, ends(t, r, func(r *eventtest.Recorder) { r.Wait(ctx, "order.paid") }), "deadline exceeded")
		same(t, "waited", time.Since(began), 3*time.Minute-time.Second)

		began = time.Now()
		short.deadline = began.Add(time.Minute) // which is earlier than the caller's
		says(t, short.ends(t, r, func(r *eventtest.Recorder) { r.Wait(within(t, time.Hour), "order.paid") }), "deadline exceeded")
		same(t, "waited", time.Since(began), time.Minute-time.Second)
		began = time.Now()
		says(t, ends(t, r, func(r *eventtest.Recorder) { r.Wait(within(t, 2*time.Hour), "order.paid") }), "deadline exceeded")
		same(t, "waited", time.Since(began), 2*time.Hour)
	})
}

func within(t *testing.T, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestManyWaitAndPublishAtOnce(t *testing.T) {
	bus := newBus(t, memory.Options{})
	r := eventtest.Record(t, bus)
	const callers, each = 8, 100
	var all sync.WaitGroup
	for c := range callers {
		all.Go(func() {
			for range each {
				publish(t, r, placed(fmt.Sprint(c)), cancelled(fmt.Sprint(c)))
			}
		})
		all.Go(func() { r.WaitN(t.Context(), "order.placed", callers*each) })
		all.Go(func() { _, _ = r.Events("#"), r.Failed() })
	}
	all.Wait()
	same(t, "events", len(r.Events("#")), 2*callers*each)
	if err := r.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTheRecorderIsAWrapper(t *testing.T) {
	bus := newBus(t, memory.Options{})
	r := eventtest.Record(t, bus)
	if q, ok := dlq.Of(r); !ok || q != bus.DeadLetters() {
		t.Error("the dead letters are not found")
	}
	background, err := eventbus.Background(r, eventbus.BackgroundOptions{})
	if err != nil {
		t.Fatal(err)
	}
	publish(t, background, placed("a"))
	same(t, "stored in the background", r.Wait(t.Context(), "#").AggregateID, "a")
	if found, ok := eventbus.As[*eventtest.Recorder](background); !ok || found != r {
		t.Error("the recorder is not found")
	}
	if err := background.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}
