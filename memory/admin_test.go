package memory

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

func TestDeleteGroup(t *testing.T) {
	b := newBroker(t, BrokerOptions{})
	in, other := newInstance(b), newInstance(b)
	one := joinMember(t, in, "shop.mailer", "order.*")
	two := joinMember(t, other, "shop.mailer", "order.*")
	join(t, in, "shop.biller", "#")
	send(t, in, orders("0")...)
	send(t, in, later("1", time.Hour))
	require.NoError(t, b.ledger.Save(t.Context(), "shop.mailer", map[string]engine.Tries{"order/0/1": {Attempts: 1}}))
	groups, err := in.Groups(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"shop.biller", "shop.mailer"}, groups)

	require.ErrorContains(t, in.DeleteGroup(t.Context(), "shop.mailer"), "there are 2")
	require.NoError(t, one.Close(t.Context()))
	err = in.DeleteGroup(t.Context(), "shop.mailer")
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	require.EqualError(t, err, `group: must have no member; stop its subscriptions first, there are 1 (got "shop.mailer")`)
	require.NoError(t, two.Close(t.Context()))
	require.NoError(t, two.Close(t.Context()), "twice counts once")
	require.NoError(t, in.DeleteGroup(t.Context(), "shop.mailer"))
	require.ErrorIs(t, in.DeleteGroup(t.Context(), "shop.mailer"), eventbus.ErrInvalid)

	require.Empty(t, b.table.Load().types, "no route leads there")
	groups, err = in.Groups(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"shop.biller"}, groups)
	known, err := b.ledger.Load(t.Context(), "shop.mailer")
	require.NoError(t, err)
	require.Empty(t, known)
	send(t, in, orders("2")...)
	s := join(t, in, "shop.mailer", "#")
	require.Zero(t, ready(s.queue), "a group of that name is a new one")
}

// Whoever waits for the room of a group that is deleted waits no longer.
func TestDeleteGroupLetsPublishersGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{Capacity: 1})
		require.NoError(t, joinMember(t, in, "shop.gone", "#").Close(t.Context()))
		s := join(t, in, "shop.mailer", "order.*")
		send(t, in, message("user.created", "0"))
		batch := start(t.Context(), in, orders("1")...)
		single := start(t.Context(), in, message("user.created", "2"))
		require.True(t, batch.waits())
		gone := in.broker.table.Load().queue("shop.gone")
		require.NoError(t, in.DeleteGroup(t.Context(), "shop.gone"))
		require.False(t, batch.waits())
		require.False(t, single.waits())
		require.Nil(t, batch.errs)
		require.Equal(t, []string{"1"}, keys(receive(t, s, 10)))
		require.Zero(t, gone.waiting(), "what is deleted keeps nothing")
	})
}

func TestMember(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		in := open(t, BrokerOptions{})
		m := joinMember(t, in, "shop.mailer", "#")
		over, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := m.Next(over)
		require.ErrorIs(t, err, context.Canceled)
		s, err := m.Next(t.Context())
		require.NoError(t, err)
		require.NotNil(t, s)
		brief, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err = m.Next(brief)
		require.ErrorIs(t, err, context.DeadlineExceeded, "there is one source only")
		time.AfterFunc(time.Hour, func() { m.Close(t.Context()) })
		_, err = m.Next(t.Context())
		require.ErrorIs(t, err, engine.ErrGone)
		_, err = s.Receive(t.Context(), 1)
		require.ErrorIs(t, err, engine.ErrGone)
		synctest.Wait()
		require.Empty(t, in.members, "the instance keeps no member that has left")
		_, err = in.Join(over, engine.Group{Name: "shop.other"})
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, in.broker.table.Load().groups, 1)
	})
}

func TestLedger(t *testing.T) {
	var l ledger
	ctx := t.Context()
	load := func(group string) map[string]engine.Tries {
		known, err := l.Load(ctx, group)
		require.NoError(t, err)
		return known
	}
	require.Empty(t, load("a"))
	require.NoError(t, l.Save(ctx, "a", map[string]engine.Tries{"x": {}}))
	require.Empty(t, l.groups)
	require.NoError(t, l.Save(ctx, "a", map[string]engine.Tries{"x": {Attempts: 1}, "y": {Suspect: true}}))
	require.NoError(t, l.Save(ctx, "b", map[string]engine.Tries{"x": {Crashes: 3}}))
	require.NoError(t, l.Save(ctx, "a", map[string]engine.Tries{"x": {Attempts: 2}, "z": {}}))
	want := map[string]engine.Tries{"x": {Attempts: 2}, "y": {Suspect: true}}
	require.Equal(t, want, load("a"))
	load("a")["x"] = engine.Tries{}
	require.Equal(t, want, load("a"), "what was loaded is the caller's")
	require.NoError(t, l.Save(ctx, "a", map[string]engine.Tries{"x": {}, "y": {}}))
	require.Empty(t, load("a"))
	require.Len(t, l.groups, 1)
	l.forget("b")
	require.Empty(t, l.groups)

	over, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, l.Save(over, "a", map[string]engine.Tries{"x": {Attempts: 1}}), context.Canceled)
	_, err := l.Load(over, "a")
	require.ErrorIs(t, err, context.Canceled)
	in := open(t, BrokerOptions{})
	_, err = in.Gauge(over)
	require.ErrorIs(t, err, context.Canceled)
	_, err = in.Groups(over)
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorIs(t, in.DeleteGroup(over, "a"), context.Canceled)
}
