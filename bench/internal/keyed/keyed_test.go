package keyed_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/bench/internal/keyed"
)

// TestOrderPerKey lets each submitter own some of the keys, so that the order of
// each is known; the plain slice shows the race detector who runs beside whom.
func TestOrderPerKey(t *testing.T) {
	const submitters, keys, each = 4, 40, 5_000
	for _, credit := range []int{1, 7, 1000} {
		for _, batch := range []int{1, 16} {
			t.Run(fmt.Sprintf("credit=%d,batch=%d", credit, batch), func(t *testing.T) {
				next, wrong := make([]int, keys), atomic.Int64{}
				e := keyed.New(8, credit, func(task keyed.Task[int]) {
					if k := task.Value % keys; next[k] != task.Value/keys || task.Key != name(k) {
						wrong.Add(1)
					}
					next[task.Value%keys]++
				})
				var wg sync.WaitGroup
				for s := range submitters {
					wg.Go(func() { submit(e, s, submitters, batch) })
				}
				wg.Wait()
				e.Close()
				require.Zero(t, wrong.Load(), "tasks out of order")
				for k, n := range next {
					require.Equal(t, each*submitters/keys, n, "tasks of key %d", k)
				}
			})
		}
	}
}

func submit(e *keyed.Executor[int], first, step, batch int) {
	const keys, all = 40, 20_000
	var tasks []keyed.Task[int]
	for i := first; i < all; i += step {
		tasks = append(tasks, keyed.Task[int]{Key: name(i % keys), Value: i})
		if len(tasks) == batch {
			e.Submit(tasks...)
			tasks = tasks[:0]
		}
	}
	e.Submit(tasks...)
}

func name(k int) string { return fmt.Sprint("key-", k) }

func TestASlowKeyHoldsUpNoOther(t *testing.T) {
	var others sync.WaitGroup
	others.Add(900)
	slow := 0
	e := keyed.New(2, 1000, func(task keyed.Task[int]) {
		if task.Key == name(0) {
			others.Wait() // for ever, if they waited for us
			slow++
			return
		}
		others.Done()
	})
	for i := range 1000 {
		e.Submit(keyed.Task[int]{Key: name(i % 10), Value: i})
	}
	e.Close()
	require.Equal(t, 100, slow)
}

func TestSubmitWaitsForCredit(t *testing.T) {
	const credit = 10
	var submitted, handled atomic.Int64
	var most int64
	e := keyed.New(1, credit, func(keyed.Task[int]) {
		most = max(most, submitted.Load()-handled.Load())
		handled.Add(1)
	})
	for i := range 10_000 {
		e.Submit(keyed.Task[int]{Key: name(i)})
		submitted.Add(1)
	}
	e.Close()
	require.EqualValues(t, 10_000, handled.Load())
	require.LessOrEqual(t, most, int64(credit))
}

func BenchmarkSubmit(b *testing.B) {
	const credit = 1000
	for _, keys := range []int{10, 1000, 1_000_000} {
		for _, workers := range []int{2, 16, 64} {
			b.Run(fmt.Sprintf("keys=%d/workers=%d", keys, workers), func(b *testing.B) {
				names := make([]string, keys)
				for k := range names {
					names[k] = name(k)
				}
				var handled atomic.Int64
				e := keyed.New(workers, credit, func(keyed.Task[int]) { handled.Add(1) })
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					e.Submit(keyed.Task[int]{Key: names[i%keys], Value: i})
					i++
				}
				e.Close()
				require.EqualValues(b, i, handled.Load())
			})
		}
	}
}
