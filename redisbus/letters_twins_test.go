package redisbus

import (
	"testing"
	"time"

	"github.com/seed-28af575d/eventbus/internal/lettertwins"
)

// letterTwins are a store in memory and one in Redis.
type letterTwins struct {
	*lettertwins.Twins
	t      testing.TB
	server testServer
	got    *letterStore
}

func newLetterTwins(t testing.TB, s testServer) *letterTwins {
	w := &letterTwins{t: t, server: s, got: storeOn(s.client, s.prefix)}
	w.Twins = lettertwins.New(t, w.got)
	w.Loose = true // what is asked for by time comes by time
	return w
}

// Pass lets time pass on both.
func (w *letterTwins) Pass(d time.Duration) {
	w.Twins.Pass(d)
	w.server.pass(w.t, d)
}
