package integration_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/process"
)

const (
	soakCycles = 50      // between two looks
	soakFewer  = 10      // of them on Kafka in the short form: each makes a group anew
	soakGrowth = 1 << 20 // of memory between them
	soakFew    = 2       // goroutines or files more or less
	soakLooks  = 10      // before what is left is a leak
)

// TestSoak: connecting, handling and stopping leaves nothing behind, however often: in a
// process of its own, in which nothing else begins or ends.
func TestSoak(t *testing.T) {
	onEach(t, func(t *testing.T, k broker.Kind) {
		b := broker.Start(t, k, broker.Options{})
		looks, cycles := 4, soakCycles
		if testing.Short() {
			looks = 1
			if k == broker.Kafka {
				cycles = soakFewer
			}
		}
		args := busArgs(b.Server, time.Second)
		args["looks"], args["cycles"] = strconv.Itoa(looks), strconv.Itoa(cycles)
		w := process.Start(t, process.Spec{Role: "soak", Args: args, Patience: 10 * time.Minute})
		w.Ready()
		require.Eventually(t, func() bool { return connections(b) == 0 }, time.Minute, 10*time.Millisecond,
			"connections are left over while the process is still there")
		require.NoError(t, w.Stop())
	})
}

// connections is how many the server has, beside the one that asks.
func connections(b *broker.Broker) int {
	switch b.Kind {
	case broker.Redis:
		return strings.Count(b.Exec("redis-cli", "CLIENT", "LIST"), "id=") - 1
	case broker.Kafka:
		return kafkaConnections(b)
	}
	return strings.Count(b.Exec("rabbitmqctl", "-q", "list_connections", "name"), "->")
}

// soak is the process. When it is ready it has stopped its last bus, and has nothing to do with
// the server any more.
func soak(ctx context.Context, args process.Args) error {
	looks, err := strconv.Atoi(args["looks"])
	if err != nil {
		return err
	}
	if err := soakSome(ctx, args); err != nil { // until all is warm
		return err
	}
	first, err := look(ctx)
	if err != nil {
		return err
	}
	var left error
	for i := range looks {
		if err := soakSome(ctx, args); err != nil {
			return err
		}
		if left, err = lookAgain(ctx, first, i+1); err != nil {
			return err
		}
	}
	if err := soakOnce(ctx, args); err != nil { // of which nothing was collected yet
		return err
	}
	process.Ready(ctx)
	<-ctx.Done()
	return left
}

// lookAgain looks until there is no more than at first, and at last says what there is: what
// is ending on a busy machine goes, and what leaks stays.
func lookAgain(ctx context.Context, first looked, looks int) (left, err error) {
	for range soakLooks {
		now, err := look(ctx)
		if err != nil {
			return nil, err
		}
		fmt.Fprintln(os.Stderr, now)
		if left = now.beyond(first, looks); left == nil {
			return nil, nil
		}
	}
	return left, nil
}

// soakSome collects no garbage: with what is forgotten its files would be closed too.
func soakSome(ctx context.Context, args process.Args) error {
	cycles, err := strconv.Atoi(args["cycles"])
	if err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for range cycles {
		if err := soakOnce(ctx, args); err != nil {
			return err
		}
	}
	return nil
}

func soakOnce(ctx context.Context, args process.Args) (err error) {
	bus, closeClient, err := openArgs(args, eventbus.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, bus.Shutdown(ctx), closeClient()) }()
	handled := make(chan struct{}, 1)
	_, err = bus.Subscribe(ctx, eventbus.Subscriber{
		Name: loadName, Events: []string{"order.*"},
		Handler: eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error { handled <- struct{}{}; return nil }),
	})
	if err != nil {
		return err
	}
	err = errors.Join(bus.Start(ctx), bus.Publish(ctx, eventbus.NewRaw("order.created", "a1", "text/plain", []byte("hello"))))
	if err != nil {
		return err
	}
	select {
	case <-handled:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// looked is what the process has. Its memory is what is in use after a collection: what the
// runtime holds beside it depends on how much garbage there ever was at once, and differs by
// megabytes from run to run.
type looked struct{ goroutines, files, memory int }

// look waits for what is ending, mostly.
func look(ctx context.Context) (l looked, err error) {
	select {
	case <-time.After(1500 * time.Millisecond): // go-redis notices late that a client was closed
	case <-ctx.Done():
		return l, context.Cause(ctx)
	}
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return l, err
	}
	goroutines := runtime.NumGoroutine()
	debug.FreeOSMemory()
	used := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(used)
	return looked{goroutines, len(files), int(used[0].Value.Uint64() + used[1].Value.Uint64())}, nil
}

// beyond says what there is too much of after so many looks.
func (l looked) beyond(first looked, looks int) error {
	for _, x := range []struct {
		what           string
		now, was, most int
	}{
		{"goroutines", l.goroutines, first.goroutines, soakFew},
		{"files", l.files, first.files, soakFew},
		{"bytes of memory", l.memory, first.memory, looks * soakGrowth},
	} {
		if x.now-x.was > x.most {
			return fmt.Errorf("after %d looks there are %d more %s: %d, %d before", looks, x.now-x.was, x.what, x.now, x.was)
		}
	}
	return nil
}
