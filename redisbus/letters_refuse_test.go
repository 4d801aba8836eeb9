package redisbus

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

func TestLettersRefuse(t *testing.T) {
	onEachServer(t, func(t *testing.T, server testServer) {
		w := newLetterTwins(t, server)
		w.fill(3)
		s := w.got
		p, err := s.Page(t.Context(), dlq.Filter{Group: "shop", Reason: dlq.HandlerError}, "", 1)
		require.NoError(t, err)
		for _, bad := range []string{
			"x", "%%%", p.Next + "\n", p.Next, // of another section
			letterCursor{kind: everyLetter, at: letterPlace{n: 1}, end: 4}.String(), letterCursor{kind: everyLetter, at: letterPlace{n: 3}, end: 2}.String(),
			letterCursor{kind: everyLetter, at: letterPlace{time: 1}, end: 2}.String(),
		} {
			_, err := s.Page(t.Context(), dlq.Filter{}, bad, 1)
			var wrong *eventbus.ValidationError
			require.ErrorAs(t, err, &wrong, bad)
			require.Equal(t, "cursor", wrong.Field)
		}
		_, err = s.Page(t.Context(), dlq.Filter{}, "", 0)
		require.ErrorIs(t, err, eventbus.ErrInvalid)
		for _, l := range []dlq.Letter{{Group: "a\x00b"}, {ID: "\xff"}, {Subscriber: "\x00"}, {Type: "\xff"}, {Reason: "\x00"}} {
			require.ErrorIs(t, s.Put(t.Context(), l), eventbus.ErrInvalid)
		}
		l := lettertwins.Letter(4)
		l.ID = strings.Repeat("a", 32)
		w.Put(l)
		for _, f := range []dlq.Filter{
			{Group: "shop", Subscriber: "mailer\x000000000000000004"}, {Group: "shop\x000000000000000004"}, {Groups: []string{"shop"}, Type: "order.created\x00"},
		} {
			require.Empty(t, w.ListAll(f, 1))
			require.Zero(t, w.Count(f))
		}
	})
}

func TestLettersEndWithTheirContext(t *testing.T) {
	onEachServer(t, func(t *testing.T, server testServer) {
		s := newLetterTwins(t, server).got
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, pageErr := s.Page(ctx, dlq.Filter{}, "", 1)
		_, countErr := s.Count(ctx, dlq.Filter{})
		_, takeErr := s.Take(ctx, "000000", time.Second)
		_, removeErr := s.Remove(ctx, "000000")
		for _, err := range []error{pageErr, countErr, takeErr, removeErr, s.Put(ctx, lettertwins.Letter(9)), s.Release(ctx, "000000")} {
			require.ErrorIs(t, err, context.Canceled)
		}
		require.Empty(t, server.dump(t))
	})
}
