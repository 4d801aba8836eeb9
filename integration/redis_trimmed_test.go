package integration_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/redisbus"
)

// visit has a subscriber run until it has handled the event, and returns what it was told. Before
// it reads anything it looks for what it has missed.
func (r *redisRig) visit(id string, o redisbus.Options) (told []error) {
	r.Helper()
	back := make(chan error, 100)
	o.Observer = reconnections(back)
	bus, got := r.bus(r.raw, o), &handled{}
	r.running(bus, eventbus.Subscriber{Handler: got})
	r.append(r.stream(), id, "x")
	require.Eventually(r, func() bool { return got.times()[id] == 1 }, 20*time.Second, time.Millisecond)
	stats, err := bus.Stats(r.Context())
	require.NoError(r, err)
	require.NoError(r, bus.Shutdown(r.Context()))
	for range len(back) {
		told = append(told, <-back)
	}
	require.EqualValues(r, len(told), stats.Subscribers[0].Reconnections)
	return told
}

// TestRedisTellsOfWhatWasTrimmedBeforeItWasRead: how much, and once.
func TestRedisTellsOfWhatWasTrimmedBeforeItWasRead(t *testing.T) {
	for name, c := range map[string]struct {
		delete func(r *redisRig, ids []string) error
		says   string
	}{
		"the oldest": {func(r *redisRig, _ []string) error { return r.raw.XTrimMaxLen(r.Context(), r.stream(), 10).Err() }, "90 entries"},
		"all":        {func(r *redisRig, _ []string) error { return r.raw.XTrimMaxLen(r.Context(), r.stream(), 0).Err() }, "100 entries"},
		"some": {func(r *redisRig, ids []string) error {
			return r.raw.XDel(r.Context(), r.stream(), ids[3], ids[50], ids[99]).Err()
		}, "3 entries"},
		"both": {func(r *redisRig, ids []string) error {
			_ = r.raw.XDel(r.Context(), r.stream(), ids[0], ids[50], ids[99])
			return r.raw.XTrimMinID(r.Context(), r.stream(), ids[10]).Err()
		}, "12 entries"},
	} {
		t.Run(name, func(t *testing.T) {
			r := shared(t)
			require.Empty(t, r.visit("before", redisbus.Options{}))
			var ids []string
			for i := range 100 {
				ids = append(ids, r.append(r.stream(), fmt.Sprint(i), "x"))
			}
			require.NoError(t, c.delete(r, ids))
			told := r.visit("after", redisbus.Options{})
			require.Len(t, told, 1)
			require.ErrorIs(t, told[0], redisbus.ErrTrimmed)
			require.ErrorContains(t, told[0], " "+c.says)
			require.Contains(t, r.log.String(), redisbus.ErrTrimmed.Error())
			for i := range 2 {
				require.Empty(t, r.visit(fmt.Sprint("later", i), redisbus.Options{}))
			}
		})
	}
}

// TestRedisTellsOfNothingThatAGroupDidNotNeed: what it was handed, and what was before it.
func TestRedisTellsOfNothingThatAGroupDidNotNeed(t *testing.T) {
	for name, from := range map[string]eventbus.Start{
		"beginning": eventbus.Beginning(), "time": eventbus.At(time.Now().Add(-time.Hour)), "now": eventbus.Now(),
	} {
		t.Run(name, func(t *testing.T) {
			r := shared(t)
			for i := range 30 {
				require.NoError(t, r.raw.XAdd(t.Context(), &redis.XAddArgs{Stream: r.stream(), ID: fmt.Sprint(i+1, "-1"), Values: []any{
					"ce", fmt.Sprintf(`{"specversion":"1.0","id":"old%d","type":"order.created","source":"/x"}`, i)}}).Err())
			}
			require.NoError(t, r.raw.XDel(t.Context(), r.stream(), "20-1").Err())
			require.NoError(t, r.raw.XTrimMaxLen(t.Context(), r.stream(), 15).Err())
			bus := r.bus(r.raw, redisbus.Options{})
			_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, From: from, Handler: &handled{}})
			require.NoError(t, err)
			require.NoError(t, bus.Shutdown(t.Context()))
			require.Empty(t, r.visit("1", redisbus.Options{}))
			require.NoError(t, r.raw.XTrimMaxLen(t.Context(), r.stream(), 0).Err())
			require.Empty(t, r.visit("2", redisbus.Options{}))
			require.NoError(t, r.bus(r.raw, redisbus.Options{}).ResetGroup(t.Context(), "shop.mailer", eventbus.Beginning()))
			require.Empty(t, r.visit("3", redisbus.Options{}))
			require.NotContains(t, r.log.String(), redisbus.ErrTrimmed.Error())
		})
	}
}

// TestRedisTellsOfDeletedEntriesOnAnOldServer: it forgets how much was read when it begins again;
// that something was deleted is known.
func TestRedisTellsOfDeletedEntriesOnAnOldServer(t *testing.T) {
	r, _ := alone(t, broker.Options{Image: broker.OldestRedis})
	require.Empty(t, r.visit("before", redisbus.Options{}))
	id := r.append(r.stream(), "1", "x")
	require.NoError(t, r.raw.XDel(t.Context(), r.stream(), id).Err())
	told := r.visit("after", redisbus.Options{})
	require.Len(t, told, 1)
	require.ErrorIs(t, told[0], redisbus.ErrTrimmed)
	require.ErrorContains(t, told[0], "at least 1 ")
	require.Empty(t, r.visit("later", redisbus.Options{}))
}

// TestRedisTellsOfWhatWasTrimmedDuringAPause: a subscriber that is busy for long does not just go on
// behind it.
func TestRedisTellsOfWhatWasTrimmedDuringAPause(t *testing.T) {
	r := shared(t)
	told, began, goOn := make(chan error, 100), make(chan struct{}, 100), make(chan struct{})
	bus := r.bus(r.raw, redisbus.Options{Options: eventbus.Options{Window: 1, Observer: reconnections(told)}})
	r.running(bus, eventbus.Subscriber{Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error {
		began <- struct{}{}
		<-goOn
		return nil
	})})
	for i := range 6 {
		r.append(r.stream(), fmt.Sprint(i), "x")
	}
	<-began
	require.NoError(t, r.raw.XTrimMaxLen(t.Context(), r.stream(), 1).Err())
	<-time.After(1500 * time.Millisecond) // shorter than between two looks
	close(goOn)
	select {
	case err := <-told:
		require.ErrorIs(t, err, redisbus.ErrTrimmed)
		require.ErrorContains(t, err, " 4 entries")
	case <-time.After(20 * time.Second):
		t.Fatal("nothing was told")
	}
	<-began
}
