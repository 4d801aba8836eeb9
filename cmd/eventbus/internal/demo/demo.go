// Package demo plays events through a bus with four subscribers, lets some of them
// fail, replays the dead letters, and measures that nothing was lost, doubled or
// out of order.
package demo

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"strings"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// Config is what a run of the demo is made of.
type Config struct {
	Orders int    // of the story
	Seed   uint64 // of the story
	Events string // file of events instead of the story; "-" is standard input
	Poison string // pattern of what the biller cannot bill. Zero means the demo's choice
	JSON   bool   // print the totals as one object, and nothing else

	Stdin          io.Reader
	Stdout, Stderr io.Writer
	Terminal       bool          // Stderr is one: progress is a bar
	Stall          time.Duration // longest silence of the bus. Zero means 30 s, on a server 90 s
	Patience       time.Duration // how long to try in vain while the server is away. Zero means 1 min
	// Open makes the bus, which holds its dead letters. Required.
	Open func(eventbus.Options) (eventbus.EventBus, error)
}

// maxEvent bounds an event as encoded, in bytes: the bus's default.
const maxEvent = 960 << 10

// demo is one run.
type demo struct {
	config   Config
	con      *console
	patience time.Duration
	source   source
	survey   survey
	poison   eventbus.Pattern

	group    string
	bus      eventbus.EventBus
	joined   []eventbus.Subscription
	queue    *dlq.Queue
	ledger   *ledger
	cast     *cast
	offered  int
	found    listing // the dead letters before the replay
	replayed int
	began    time.Time
	took     time.Duration
}

func newDemo(c Config, con *console, src source) *demo {
	d := &demo{config: c, con: con, source: src, poison: eventbus.Pattern(c.Poison)}
	d.patience = cmp.Or(c.Patience, defaultPatience)
	d.group = "demo-" + strings.ToLower(rand.Text()[:10])
	d.ledger = newLedger(newRegister(), subscriberNames())
	return d
}

// prepare looks at the events and chooses the poison. Events that would have to be
// read for nothing else are not looked at.
func (d *demo) prepare(ctx context.Context) error {
	d.survey = survey{events: -1}
	if _, file := d.source.(*fileSource); !file || d.poison == "" {
		var err error
		if d.survey, err = d.source.survey(ctx, d.con); err != nil {
			return err
		}
	}
	if d.survey.events == 0 {
		return errors.Join(d.tellBad(ctx), d.noEvents())
	}
	d.poison = cmp.Or(d.poison, d.survey.poison)
	return nil
}

// tellBad reads input that is all bad again, to say so.
func (d *demo) tellBad(ctx context.Context) error {
	events, err := d.source.events(ctx, newRegister())
	if err != nil {
		return err
	}
	for range events { // reading tells what is wrong
	}
	return nil
}

func (d *demo) noEvents() error {
	return inputError{fmt.Errorf("%s: no valid event; expected are CloudEvents 1.0 in JSON, one event a line", d.config.Events)}
}

// open makes the bus in a group of this run's own, and joins the subscribers.
func (d *demo) open(ctx context.Context) error {
	bus, err := d.config.Open(eventbus.Options{
		Group:    d.group,
		Observer: d.ledger.observer(),
		Logger:   slog.New(slog.NewTextHandler(d.con, &slog.HandlerOptions{Level: slog.LevelWarn})),
		MaxBytes: maxEvent,
	})
	if err != nil {
		return err
	}
	d.bus = bus
	if d.config.Stall == 0 {
		d.config.Stall = defaultStall
		if _, remote := bus.(*onServer); remote {
			d.config.Stall = remoteStall
		}
	}
	queue, ok := dlq.Of(bus)
	if !ok {
		return fmt.Errorf("the bus %T keeps no dead letters", bus)
	}
	d.queue = queue
	d.cast = newCast(d.ledger, d.poison)
	for _, s := range d.cast.subscribers() {
		joined, err := bus.Subscribe(ctx, s)
		if err != nil {
			return err
		}
		d.joined = append(d.joined, joined)
	}
	return bus.Start(ctx)
}

// play runs the demo from the first event to the last letter.
func (d *demo) play(ctx context.Context) error {
	d.con.say("The demo plays %s, in the group %s.\nThe biller cannot bill %s until it is fixed.\n", d.source, d.group, d.poison)
	d.began = time.Now()
	defer func() { d.took = time.Since(d.began) }()
	for _, stage := range []func(context.Context) error{d.publish, d.settle, d.inspect, d.repair} {
		if err := stage(ctx); err != nil {
			return err
		}
	}
	return nil
}

// settle waits until every subscriber has handled or buried every event.
func (d *demo) settle(ctx context.Context) error {
	events, aggregates := d.ledger.register.size()
	if events == 0 {
		return d.noEvents()
	}
	d.con.say("Published %s of %s.\n", count(events, "event"), count(aggregates, "aggregate"))
	if n := d.ledger.register.misnumbered(); n > 0 {
		d.con.warn("the versions of %s are not in order in the input: their order is checked by position", count(n, "aggregate"))
	}
	want := map[string]int{}
	for _, name := range subscriberNames() {
		want[name] = events
	}
	if err := d.await(ctx, "handling", want); err != nil {
		return err
	}
	if err := d.comeToRest(ctx); err != nil {
		return err
	}
	d.con.say("%s", d.subscribersText())
	d.con.say("The projection has counted:\n%s", d.cast.projection.typesText())
	d.con.say("The audit log has %s, %s of payload.\n", count(int(d.cast.audit.entries.Load()), "entry"), count(int(d.cast.audit.bytes.Load()), "byte"))
	if d.cast.biller.failed.Load() == 0 {
		d.con.warn("no event matches the poison %s: nothing fails for good", d.poison)
	}
	return nil
}

// await waits for the subscribers. A silent bus is a fault, not the end: what it
// owes is counted later.
func (d *demo) await(ctx context.Context, phase string, want map[string]int) error {
	w := waiting{want: want, stall: d.config.Stall, tell: d.con.reach}
	d.con.begin(phase, w.total())
	err := d.ledger.wait(ctx, w)
	d.con.end()
	if errors.Is(err, errStalled) {
		d.con.warn("%v", err)
		return nil
	}
	return err
}

// totals adds up; left are the letters at the end.
func (d *demo) totals(left listing) (Totals, facts) {
	t, f := d.ledger.sum(left.dead)
	t.Replayed, t.LeftInDLQ = d.replayed, left.letters
	if d.cast != nil {
		t.OrderViolations = d.cast.projection.outOfOrder()
	}
	t.Seconds = math.Round(d.took.Seconds()*1000) / 1000
	if d.took > 0 {
		t.EventsPerSecond = math.Round(float64(t.Published) / d.took.Seconds())
	}
	f.offered, f.listed = d.offered, d.found.letters
	return t, f
}
