package integration_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/process"
)

const (
	loadGroup    = "shop"
	loadName     = "mailer"
	loadWindow   = 64
	loadWorkers  = 8
	loadAttempts = 5
	loadFailing  = 50 // of a thousand attempts, the last one excepted
	loadFatal    = 8  // of a thousand events, which become letters
)

var (
	errTransient = errors.New("the post office is closed")
	errFatal     = errors.New("no such address")
)

// fatal reports whether the event is one of the so many in a thousand that nobody can
// handle. It depends on the payload alone.
func fatal(data []byte, perThousand int) bool {
	return len(data) > 0 && int(data[0])*1000/256 < perThousand
}

// busArgs are what a process needs to know to make its bus.
func busArgs(s broker.Server, lease time.Duration) process.Args {
	return process.Args{"kind": strconv.Itoa(int(s.Kind)), "url": s.URL, "addr": s.Addr, "lease": lease.String()}
}

// openArgs makes the bus that the arguments tell of.
func openArgs(args process.Args, o eventbus.Options) (bus eventbus.EventBus, closeClient func() error, err error) {
	kind, err := strconv.Atoi(args["kind"])
	if err != nil {
		return nil, nil, err
	}
	lease, err := time.ParseDuration(args["lease"])
	if err != nil {
		return nil, nil, err
	}
	o.Group = loadGroup
	server := broker.Server{Kind: broker.Kind(kind), URL: args["url"], Addr: args["addr"]}
	return openBus(server, busOptions{Options: o, prefix: loadPrefix, lease: lease})
}

// serve is the process with the subscriber, which works until it is stopped.
func serve(ctx context.Context, args process.Args) (err error) {
	j, err := journal.Open(args["file"], "serve")
	if err != nil {
		return err
	}
	perThousand, err := strconv.Atoi(args["fatal"])
	if err != nil {
		return err
	}
	bus, closeClient, err := openArgs(args, eventbus.Options{
		Window: loadWindow, Middleware: []eventbus.Middleware{j.Middleware},
		Retry: eventbus.RetryPolicy{Attempts: loadAttempts, Min: 5 * time.Millisecond, Max: 50 * time.Millisecond},
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeClient(), j.Close()) }()
	_, err = bus.Subscribe(ctx, eventbus.Subscriber{
		Name: loadName, Events: []string{"#"}, Concurrency: loadWorkers, Handler: worker(perThousand),
	})
	if err != nil {
		return err
	}
	if err := bus.Start(ctx); err != nil {
		return err
	}
	process.Ready(ctx)
	<-ctx.Done()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadGrace)
	defer cancel()
	return bus.Shutdown(last)
}

// worker takes its time, fails now and then, and for good where the event is fatal. What it
// fails by chance it handles at the last attempt, so that every letter has its reason.
func worker(perThousand int) eventbus.HandlerFunc {
	return func(ctx context.Context, e eventbus.DomainEvent) error {
		if fatal(e.Data(), perThousand) {
			return eventbus.Permanent(errFatal)
		}
		select {
		case <-time.After(time.Millisecond + rand.N(2*time.Millisecond)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if d, _ := eventbus.DeliveryOf(ctx); d.Attempt < loadAttempts && rand.IntN(1000) < loadFailing {
			return errTransient
		}
		return nil
	}
}
