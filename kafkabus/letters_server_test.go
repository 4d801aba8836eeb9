package kafkabus

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// TestALetterStoredTwice by two processes that did not know of one another moves when the log is
// compacted, and is listed once.
func TestALetterStoredTwice(t *testing.T) {
	b := realBroker(t)
	s, other := b.store(), b.another()
	b.fill(s, 3)
	require.NoError(t, other.view(t.Context(), other.log("shop.mailer"), func(*letterIndex) {}))
	_, err := s.Take(t.Context(), "000001", time.Minute)
	require.NoError(t, err)
	again := b.records("shop.mailer")[1]
	require.Equal(t, "000001", string(again.key))
	err = b.client.append(t.Context(), s.names.letters("shop.mailer"), again)
	require.NoError(t, err)
	for _, store := range []*letterStore{s, other, b.store()} {
		require.Equal(t, []string{"000000", "000001", "000002"}, b.list(store, dlq.Filter{}, 1))
		_, err := store.Take(t.Context(), "000001", time.Minute)
		require.ErrorIs(t, err, dlq.ErrTaken)
	}
	n, err := other.Remove(t.Context(), "000001", "000001")
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.Equal(t, []string{"000000", "000002"}, b.list(s, dlq.Filter{}, 1))
}

// TestATopicMadeAnew is known as such, by processes that have read the one before, be it shorter or
// longer or not there.
func TestATopicMadeAnew(t *testing.T) {
	for name, n := range map[string]int{"none": 0, "shorter": 2, "as long": 5, "longer": 9} {
		t.Run(name, func(t *testing.T) {
			b := realBroker(t)
			s, stale, taker := b.store(), b.another(), b.another()
			b.fill(s, 5)
			require.Len(t, b.list(stale, dlq.Filter{}, 9), 5)
			_, err := taker.Take(t.Context(), "000000", time.Minute)
			require.NoError(t, err)
			require.NoError(t, s.forget(t.Context(), "shop.mailer"))
			require.NoError(t, s.forget(t.Context(), "shop.mailer"), "there need be none")
			require.NoError(t, s.forget(t.Context(), "bi.mail"))
			var want []string
			for i := range n {
				l := lettertwins.Letter(100 + i)
				require.NoError(t, s.Put(t.Context(), l))
				want = append(want, l.ID)
			}
			if n == 0 {
				want = []string{}
			}
			require.NoError(t, taker.Release(t.Context(), "000000"))
			_, err = taker.Take(t.Context(), "000001", time.Minute)
			require.ErrorIs(t, err, dlq.ErrNotFound)
			for _, store := range []*letterStore{s, stale, taker} {
				count, err := store.Count(t.Context(), dlq.Filter{Group: "shop"})
				require.NoError(t, err)
				require.Equal(t, n, count)
				require.Equal(t, want, b.list(store, dlq.Filter{}, 2))
			}
			removed, err := stale.Remove(t.Context(), "000001", "000100")
			require.NoError(t, err)
			require.Equal(t, min(n, 1), removed)
		})
	}
}

// TestAnIndexIsMadeAnew: what is removed may be compacted away while nobody reads.
func TestAnIndexIsMadeAnew(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	s.bounds.stale = 0 // each time
	b.fill(s, 4)
	require.Len(t, b.list(s, dlq.Filter{}, 2), 4)
	_, err := s.Take(t.Context(), "000002", time.Minute)
	require.NoError(t, err)
	n, err := s.Remove(t.Context(), "000002", "000001")
	require.NoError(t, err)
	require.Equal(t, 2, n)
	require.Equal(t, []string{"000000", "000003"}, b.list(s, dlq.Filter{}, 1))
}

// TestATopicThatLosesLetters, or lets two take one, is refused before anything is stored there.
func TestATopicThatLosesLetters(t *testing.T) {
	for setting, why := range map[string]string{
		"cleanup.policy=compact,delete":     "would vanish",
		"cleanup.policy=delete":             "would vanish",
		"message.timestamp.type=CreateTime": "free again",
		"min.compaction.lag.ms=0":           "has taken a letter",
		"delete.retention.ms=1000":          "was removed",
	} {
		t.Run(setting, func(t *testing.T) {
			b := realBroker(t)
			name, value, _ := strings.Cut(setting, "=")
			b.topic("shop.mailer", name, value)
			s := b.store()
			for _, err := range []error{s.join(t.Context(), "shop.mailer"), s.Put(t.Context(), lettertwins.Letter(0))} {
				require.ErrorIs(t, err, ErrTopic)
				require.ErrorContains(t, err, s.names.letters("shop.mailer")+" has "+setting)
				require.ErrorContains(t, err, why)
			}
			require.Empty(t, b.records("shop.mailer"))
			require.Empty(t, b.list(s, dlq.Filter{}, 9), "it may be looked at")
		})
	}
	b := realBroker(t)
	c := b.store().config(names{b.client.options.Prefix}.letters("shop.mailer"))
	c.NumPartitions = 2
	require.NoError(t, b.client.make(t.Context(), c))
	require.ErrorContains(t, b.store().join(t.Context(), "shop.mailer"), "has 2 partitions, and needs 1")
}

// TestTheTopicOfLetters is made when it is needed, unless none is to be made.
func TestTheTopicOfLetters(t *testing.T) {
	b := realBroker(t)
	s := b.store()
	require.Empty(t, b.list(s, dlq.Filter{Group: "shop", Subscriber: "mailer"}, 9))
	groups, err := s.groups(t.Context())
	require.NoError(t, err)
	require.Empty(t, groups, "looking makes none")
	o := b.client.options
	o.Topics.Passive = true
	passive := b.storeOn(testClient(t, o), letterOptions{})
	for _, err := range []error{passive.join(t.Context(), "shop.mailer"), passive.Put(t.Context(), lettertwins.Letter(0))} {
		require.ErrorIs(t, err, ErrTopic)
		require.ErrorContains(t, err, "is missing")
	}
	require.Empty(t, b.list(passive, dlq.Filter{}, 9))
	require.NoError(t, s.join(t.Context(), "shop.mailer"))
	require.NoError(t, s.join(t.Context(), "bi.mail"))
	require.NoError(t, passive.join(t.Context(), "shop.mailer"))
	require.NoError(t, passive.Put(t.Context(), lettertwins.Letter(0)))
	require.Equal(t, []string{"000000"}, b.list(s, dlq.Filter{}, 9))
	groups, err = b.another().groups(t.Context())
	require.NoError(t, err)
	require.ElementsMatch(t, []string{"shop.mailer", "bi.mail"}, groups)
	o.Topics.Passive, o.Topics.Replication = false, 7
	err = b.storeOn(testClient(t, o), letterOptions{}).join(t.Context(), "shop.other")
	require.ErrorContains(t, err, "dead letters of shop.other: make topic ")
}

// TestACallEndsWithItsContext, whatever the broker does.
func TestACallEndsWithItsContext(t *testing.T) {
	s := newLetterStore(testClient(t, Options{Brokers: []string{silent(t)}}), letterOptions{})
	defer func() { require.NoError(t, s.close(context.WithoutCancel(t.Context()))) }()
	over, cancel := context.WithCancel(t.Context())
	cancel()
	for what, call := range eachCall(s) {
		require.ErrorIs(t, call(over), context.Canceled, what)
		if what == "release" { // of a letter that it has not taken, it asks nobody
			continue
		}
		began := time.Now()
		soon, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		err := call(soon)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded, what)
		require.Less(t, time.Since(began), 3*time.Second, what)
	}
}

// TestACancelledTakeTakesNothing for longer than a moment.
func TestACancelledTakeTakesNothing(t *testing.T) {
	b := realBroker(t)
	s, other := b.store(), b.another()
	b.fill(s, 1)
	require.NoError(t, other.join(t.Context(), "shop.mailer"))
	for i := range 20 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*150*time.Microsecond)
		_, err := s.Take(ctx, "000000", time.Minute)
		cancel()
		if err == nil {
			require.NoError(t, s.Release(t.Context(), "000000"))
		}
		require.Eventually(t, func() bool {
			_, err := other.Take(t.Context(), "000000", time.Minute)
			return err == nil
		}, 10*time.Second, 5*time.Millisecond, fmt.Sprint(i))
		require.NoError(t, other.Release(t.Context(), "000000"))
	}
}

// TestABrokerThatIsNotThere is an error, and no wait for long.
func TestABrokerThatIsNotThere(t *testing.T) {
	s := newLetterStore(testClient(t, Options{Brokers: []string{"127.0.0.1:1"}}), letterOptions{})
	s.bounds.patience = 50 * time.Millisecond
	for what, call := range eachCall(s) {
		if what != "release" {
			err := call(t.Context())
			require.Error(t, err, what)
			require.NotErrorIs(t, err, eventbus.ErrUnknown, what)
		}
	}
	require.NoError(t, s.close(t.Context()))
}
