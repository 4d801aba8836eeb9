package load_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// plainSide handles events where they are published; change makes it wrong.
type plainSide struct {
	mu     sync.Mutex
	handle func(int)
	change func(i int, handle func(int))
	fail   error
}

func (s *plainSide) Publish(sp load.Span) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := sp.From; i < sp.To; i += sp.Step {
		s.change(i, s.handle)
	}
	return s.fail
}

func (s *plainSide) Stop() error { return nil }

func TestARoundRefusesASideThatIsWrong(t *testing.T) {
	const at = 25_000 // among the measured ones
	held := 0
	for name, c := range map[string]struct {
		change func(i int, handle func(int))
		fail   error
		want   string
	}{
		"right": {change: func(i int, handle func(int)) { handle(i) }},
		"twice": {
			change: func(i int, handle func(int)) {
				if handle(i); i == at {
					handle(i)
				}
			},
			want: "repeated",
		},
		"one lost, another twice": {
			change: func(i int, handle func(int)) {
				if i == at {
					i -= 100
				}
				handle(i)
			},
			want: "out of order, lost or repeated: event 24900 of aggregate 0",
		},
		"order": {
			change: func(i int, handle func(int)) {
				switch i {
				case at:
					held = i
				case at + 100:
					handle(i)
					handle(held)
				default:
					handle(i)
				}
			},
			want: "out of order",
		},
		"refused": {
			change: func(i int, handle func(int)) { handle(i) },
			fail:   errors.New("full"),
			want:   "full",
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := load.Load{Events: 20_000, Keys: load.Aggregates(100), Publishers: 4}
			s, err := load.Round(t.Context(), l, func(_ context.Context, _ load.Load, handle func(int)) (load.Side, error) {
				return &plainSide{handle: handle, change: c.change, fail: c.fail}, nil
			})
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				return
			}
			require.NoError(t, err)
			require.Equal(t, 20_000, s.Events)
		})
	}
}

func TestARoundMissesALostEvent(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	l := load.Load{Events: 1000, Keys: load.Aggregates(10)}
	_, err := load.Round(ctx, l, func(_ context.Context, _ load.Load, handle func(int)) (load.Side, error) {
		return &plainSide{handle: handle, change: func(i int, handle func(int)) {
			if i == 1500 {
				cancel() // rather than to wait until the round gives up
				return
			}
			handle(i)
		}}, nil
	})
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "waited for 1 of 1000 events")
}

func TestALoadWhoseOrderCannotBeToldIsRefused(t *testing.T) {
	l := load.Load{Events: 10, Keys: load.Aggregates(10), Publishers: 4}
	_, err := load.Round(t.Context(), l, nil)
	require.ErrorContains(t, err, "4 publishers must share evenly")
}
