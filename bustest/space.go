package bustest

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
)

// Space is a place that belongs to one case: nothing is in it at first, and what
// happens in it is seen nowhere else. Buses that are opened on one space share its
// broker, each as an instance of its own. All but Open may be left out: the promises
// that need what is missing are then reported as not offered.
type Space struct {
	// Open makes another instance. Required.
	Open func(o eventbus.Options) (eventbus.EventBus, error)
	// OpenAs makes an instance with a name that it keeps over its lives. What an earlier
	// one of that name has left waits for it: no other instance that OpenAs makes is
	// handed it for as long as a case may last.
	OpenAs func(name string, o eventbus.Options) (eventbus.EventBus, error)
	// OpenKeeping makes an instance that sees to it that a topic keeps no more than so many
	// of the events that every group has acknowledged: older ones are removed, soon after
	// they are acknowledged or have an age, which is less than an hour. For backends that
	// remove no others.
	OpenKeeping func(events int, o eventbus.Options) (eventbus.EventBus, error)
	// OpenRequiring makes an instance whose Publish refuses an event that no group wants. For
	// backends that keep events for groups alone.
	OpenRequiring func(o eventbus.Options) (eventbus.EventBus, error)
	// Crash ends an instance as the death of its process would: it receives and
	// settles nothing any more, and the backend hands its unsettled deliveries to
	// others. Its handlers may still be running. The case shuts the bus down
	// afterwards, so that its goroutines end; whatever that returns is ignored.
	Crash func(bus eventbus.EventBus)
	// Cut ends every connection between the space's buses and the broker, in the middle
	// of whatever it carries. New ones can be made at once.
	Cut func()
	// LoseReply lets the next confirmation of a publish get lost on its way from the
	// broker, and its connection end: the broker has stored the event, and the bus is
	// told nothing.
	LoseReply func()
	// Delete has what a careless operator may delete beneath running buses, by what it is
	// called: streams, queues, groups and whatever else they have made on the broker.
	// When one returns it has been deleted.
	Delete map[string]func(ctx context.Context) error
	// Inject puts the message of a foreign producer into a topic, byte for byte.
	Inject func(ctx context.Context, topic string, m Foreign) error
}

// Foreign is a message that the library did not make. Its headers are named in the
// library's own vocabulary: ce_type, content-type and so on.
type Foreign struct {
	Headers []dlq.Header
	Body    []byte
	// Age is for how long the backend is to think that it has had the message. It is given
	// only to a space that has OpenKeeping, before there is anything else in the topic,
	// and does not grow from one message to the next. Zero means that it is new.
	Age time.Duration
}

// part is something that a backend may offer.
type part string

const (
	retains      part = "Capabilities.Retains"
	forgets      part = "a backend that does not retain"
	orderAcross  part = "Capabilities.OrderAcrossProcesses"
	durable      part = "Capabilities.Durable"
	canName      part = "Space.OpenAs"
	canKeep      part = "Space.OpenKeeping"
	canRequire   part = "Space.OpenRequiring"
	canCrash     part = "Space.Crash"
	canCut       part = "Space.Cut"
	canLoseReply part = "Space.LoseReply"
	canDelete    part = "Space.Delete"
	canInject    part = "Space.Inject"
	hasLetters   part = "dlq.Holder"
	hasInspector part = "eventbus.Inspector"
	hasAdmin     part = "eventbus.Admin"
)

// offer is the set of parts that a backend has.
type offer map[part]bool

// offer finds out what the backend has, on a bus that is made for it.
func (b Backend) offer(t *testing.T) offer {
	t.Helper()
	o := offer{
		retains: b.Capabilities.Retains, forgets: !b.Capabilities.Retains,
		orderAcross: b.Capabilities.OrderAcrossProcesses, durable: b.Capabilities.Durable,
	}
	if b.Virtual {
		synctest.Test(t, func(t *testing.T) { o.probe(t, b) })
	} else {
		o.probe(t, b)
	}
	return o
}

func (o offer) probe(t *testing.T, b Backend) {
	t.Helper()
	s := b.Space(t)
	if s.Open == nil {
		t.Fatal("bustest: Space.Open: required")
	}
	o[canName], o[canKeep], o[canRequire] = s.OpenAs != nil, s.OpenKeeping != nil, s.OpenRequiring != nil
	o[canCrash], o[canCut], o[canLoseReply] = s.Crash != nil, s.Cut != nil, s.LoseReply != nil
	o[canDelete], o[canInject] = len(s.Delete) > 0, s.Inject != nil
	bus, err := s.Open(eventbus.Options{Group: "probe"})
	if err != nil {
		t.Fatalf("bustest: open a bus: %v", err)
	}
	_, o[hasLetters] = dlq.Of(bus)
	_, o[hasInspector] = eventbus.As[eventbus.Inspector](bus)
	_, o[hasAdmin] = eventbus.As[eventbus.Admin](bus)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := bus.Shutdown(ctx); err != nil {
		t.Fatalf("bustest: shut a fresh bus down: %v", err)
	}
}

// lacking returns those of the needs that are not offered.
func (o offer) lacking(needs []part) []part {
	return slices.DeleteFunc(slices.Clone(needs), func(p part) bool { return o[p] })
}
