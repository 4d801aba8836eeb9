package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

func TestALetterHoldsTheFactsAndTheMessage(t *testing.T) {
	for _, reference := range []bool{false, true} {
		virtual(t, settings{traits: Traits{Reference: reference, Immediate: reference}}, func(r *rig) {
			began := time.Now()
			_, source := r.on(failing(newJournal(), fmt.Errorf("send mail: %w", errBoom), map[string]int{"1": 9}))
			e := order("a", "1").WithTenant("acme").WithMetadata("channel", "web")
			e.Source = "/test"
			header, body := wire.Encode(&e)
			d := deliver(e)
			d.Header = append(d.Header, wire.Field{Name: "eventbus-letter", Value: "old"})
			if reference {
				d.Event, d.Header, d.Body = &e, d.Header[len(header):], nil
			}
			source.feed(d)
			pass(time.Minute)
			require.Len(r, r.buried(), 1)
			l := r.buried()[0]
			var headers []dlq.Header
			for _, h := range header {
				headers = append(headers, dlq.Header{Name: h.Name, Value: h.Value})
			}
			require.Equal(r, dlq.Letter{
				ID:    dlq.NewID("default", "mailer", "1", "order/0/1", 0),
				Group: "default", Subscriber: "mailer", Reason: dlq.HandlerError,
				Errors: []string{"send mail: boom", "boom"}, Attempts: 3,
				FirstFailure: began, LastFailure: began.Add(3 * time.Second), BuriedAt: began.Add(3 * time.Second),
				Origin: "order/0/1", Topic: "order",
				EventID: "1", Type: "order.created", AggregateType: "order", AggregateID: "a", TenantID: "acme",
				Headers: headers, Body: body, Event: l.Event,
			}, l, "its headers are those of the message, without our own")
			require.Equal(r, e.Data(), l.Event.Data())
			b := saw(r.seen, &r.seen.buried)[0]
			require.Equal(r, []any{l.ID, "handler error", 3, false}, []any{b.LetterID, b.Reason, b.Attempts, b.Stuck})
			require.ErrorIs(r, b.Err, errBoom)
		})
	}
}

func TestAnErrorChainIsCut(t *testing.T) {
	inner := errors.New(strings.Repeat("é", 1500))
	outer := fmt.Errorf("outer: %w", inner)
	all := chain(outer)
	require.Equal(t, outer.Error(), all[0])
	require.Len(t, all, 2)
	require.LessOrEqual(t, len(strings.Join(all, "")), 4096)
	require.True(t, strings.HasPrefix(inner.Error(), all[1]), "in the middle of no rune")

	require.Equal(t, []string{"boom"}, chain(eventbus.Permanent(errBoom))[1:])
	require.Equal(t, []string{"a\nb", "a", "b"}, chain(errors.Join(errors.New("a"), errors.New("b"))))
	require.Equal(t, []string{"x\ufffdy"}, chain(errors.New("x\xffy")))
	require.Empty(t, chain(nil))
	deep := errBoom
	for range 10_000 {
		deep = fmt.Errorf("%w", deep)
	}
	require.Equal(t, []string{"boom"}, chain(deep))
}

func TestAReplayGoesToItsGroupWithTheFacts(t *testing.T) {
	for _, reference := range []bool{false, true} {
		virtual(t, settings{traits: Traits{Reference: reference, Immediate: reference}}, func(r *rig) {
			_, source := r.on(failing(newJournal(), eventbus.Permanent(errBoom), map[string]int{"1": 2}))
			d := deliveries("a:1")[0]
			source.feed(d)
			synctest.Wait()
			l := r.buried()[0]
			require.NoError(r, r.DeadLetters().ReplayOne(r.Context(), l.ID, dlq.ReplayOptions{}))
			require.Empty(r, r.buried())
			m := r.fake.sent()[0].ms[0]
			require.Equal(r, Address{Topic: "order", Group: "default.mailer"}, m.To)
			require.Equal(r, []any{"a", "order.created", true}, []any{m.Key, m.Type, m.Beyond})
			require.Equal(r, wire.Facts{Origin: "order/0/1", Replays: 1, Letter: lifeOf(&l)}, wire.ReadFacts(m.Header))
			if reference {
				require.Equal(r, "1", m.Event.ID)
				require.Len(r, m.Header, 3)
			} else {
				require.Equal(r, d.Body, m.Body)
				require.Equal(r, d.Header, wire.StripFacts(m.Header))
			}
			source.feed(&Delivery{Message: m})
			synctest.Wait()
			again := r.buried()[0]
			require.NotEqual(r, l.ID, again.ID, "a replay that fails makes a letter of its own")
			require.Equal(r, []any{1, 1, "order/0/1"}, []any{again.Replays, again.Attempts, again.Origin})
		})
	}
}

func TestAReplayThatIsNotStoredKeepsTheLetter(t *testing.T) {
	for _, immediate := range []bool{false, true} {
		virtual(t, settings{traits: Traits{Immediate: immediate}}, func(r *rig) {
			_, source := r.on(failing(newJournal(), nil, nil))
			bad := deliveries("a:1")[0]
			bad.Body = []byte("{")
			source.feed(bad)
			synctest.Wait()
			l := r.buried()[0]
			r.fake.always(fails(ErrNotStored))
			err := r.DeadLetters().ReplayOne(r.Context(), l.ID, dlq.ReplayOptions{})
			require.ErrorIs(r, err, eventbus.ErrRefused)
			require.ErrorContains(r, err, "send to default.mailer")
			require.Len(r, r.buried(), 1)
			r.fake.always(nil)
			require.NoError(r, r.DeadLetters().ReplayOne(r.Context(), l.ID, dlq.ReplayOptions{}))
			sent := r.fake.sent()
			m := sent[len(sent)-1].ms[0]
			require.Nil(r, m.Event)
			require.Equal(r, "{", string(m.Body))
			require.Equal(r, bad.Header, wire.StripFacts(m.Header), "what cannot be read travels as it is")
			require.NoError(r, r.Shutdown(r.Context()))
			require.NoError(r, r.letters.MemoryStore.Put(r.Context(), l))
			require.ErrorIs(r, r.DeadLetters().ReplayOne(r.Context(), l.ID, dlq.ReplayOptions{}), eventbus.ErrClosed)
		})
	}
}

// Letters are bound to the bus's own group and those of its subscribers.
func TestLettersOfOtherGroupsAreNotSeen(t *testing.T) {
	virtual(t, settings{}, func(r *rig) {
		h := eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error { return nil })
		_, err := r.Subscribe(r.Context(), eventbus.Subscriber{Name: "x", Group: "billing", Events: []string{"#"}, Handler: h})
		require.NoError(r, err)
		for _, group := range []string{"default", "billing", "foreign"} {
			require.NoError(r, r.letters.Put(r.Context(), dlq.Letter{ID: group, Group: group, Subscriber: "x"}))
		}
		n, err := r.DeadLetters().Count(r.Context(), dlq.All)
		require.NoError(r, err)
		require.Equal(r, 2, n)
	})
}

// An event that is handed over again after its letter was replayed may fail again: that letter
// has the same ID, and its replay is another one.
func TestALetterThatComesBackIsAnother(t *testing.T) {
	first := dlq.Letter{ID: "x", LastFailure: time.Unix(0, 1)}
	again := dlq.Letter{ID: "x", LastFailure: time.Unix(0, 2)}
	require.NotEqual(t, lifeOf(&first), lifeOf(&again))
	require.Equal(t, lifeOf(&first), lifeOf(&dlq.Letter{ID: "x", LastFailure: time.Unix(0, 1).UTC()}))
}
