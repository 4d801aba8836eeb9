package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// Errors that a transport answers with.
var (
	// ErrNotStored means that a message certainly was not stored and may be sent
	// again: the engine does so, holding the shard, until the publish time-out.
	ErrNotStored = errors.New("not stored")
	// ErrGone means that a lease, generation or connection epoch is over. Late acks
	// of it are dropped without harm; a source that says so is closed. From
	// Member.Next it means that the membership is over.
	ErrGone = errors.New("source is gone")
	// ErrWithdrawn means that a source is asked back and lasts a moment yet: what has not begun
	// is dropped, as it will be handed over elsewhere, and what runs may end, and is acknowledged.
	// The engine then closes the source, or Receive, for none, waits until it is gone.
	ErrWithdrawn = errors.New("source is asked back")
)

// Transport speaks the protocol of one backend, and nothing else: it retries
// nothing, decides nothing, and starts no goroutine that the engine could own.
type Transport interface {
	// Send stores messages in the order given and returns an error by index, or nil
	// when all were stored: eventbus.ErrRefused, ErrNotStored (sent again), or
	// eventbus.ErrUnknown (sent again only where the message is a move, which is
	// idempotent). It returns soon after ctx ends and retains neither ctx nor ms, nor the
	// headers, whose memory is used again; bodies stay as they are.
	Send(ctx context.Context, ms []Message) []error
	// Shard spreads messages: of one shard only one Send is under way at a time, and
	// one more of messages that are Beyond.
	Shard(to Address, key string) uint32
	// Join makes a member of the group. On return the group exists and its start is
	// durable.
	Join(ctx context.Context, g Group) (Member, error)
	Close(ctx context.Context) error
}

// Traits are what the engine must know of a transport.
type Traits struct {
	// Reference means that Send takes messages in the same process: they carry the
	// event instead of headers and body. Such a transport is Immediate too.
	Reference bool
	// Immediate means that Send keeps the order of its callers and waits for nothing
	// but room: callers go straight through, nothing is gained by coalescing. It may be
	// sent to while it is being closed and after that, which it refuses.
	Immediate bool
	// Routed means that a group is handed only what its patterns select.
	Routed bool
	// Batch is how many messages one Send takes at most. Zero means 256.
	Batch int
	// Span is how many deliveries may be finished behind one that is not, before the
	// source pauses. Zero means any number.
	Span int
	// Keep is how often the lease of what is under way must be extended. Zero means
	// never.
	Keep time.Duration
}

// Member is one instance of a subscriber.
type Member interface {
	// Next waits for another source: a stream found, a partition assigned, a new
	// connection epoch. None without an error means that what was wrong is over.
	Next(ctx context.Context) (Source, error)
	Close(ctx context.Context) error
}

// Source is one ordered feed. Receive is called by one goroutine, Ack and Keep by
// another one; Close by one of them when both have ended.
type Source interface {
	// Receive waits for deliveries, at most max. The slice is valid until the next
	// call; what it points to is the engine's until it was acked or the source is
	// closed. None without an error is an idle poll. ErrGone ends the source, and ErrWithdrawn
	// what it hands over.
	Receive(ctx context.Context, max int) ([]*Delivery, error)
	Ack(ctx context.Context, rs []Receipt) error
	// Keep extends the leases and returns those that were lost.
	Keep(ctx context.Context, rs []Receipt) (lost []Receipt, err error)
	// Close gives back, in order, what was received and not acked.
	Close(ctx context.Context) error
}

// Address is where a message goes: a topic, for all its groups, or one group.
type Address struct{ Topic, Group string }

// Message is what travels.
type Message struct {
	To        Address
	Key       string // aggregate ID
	Header    []wire.Field
	Body      []byte
	NotBefore time.Time
	// Event stands for the envelope's headers and the body where the transport
	// takes references; Header then holds our delivery facts only. Send copies what it
	// points to, which is the caller's again afterwards.
	Event *eventbus.DomainEvent
	// Type is the event type, for routing; empty where it is not known.
	Type string
	// Beyond means that the message waits for no bound: a handler published it, or it
	// is a move.
	Beyond bool
}

// IsMove reports whether the message goes to one group, and may be sent again after an unknown
// outcome.
func (m *Message) IsMove() bool { return m.To.Group != "" }

// Receipt names a delivery to the source it came from.
type Receipt struct {
	N uint64
	S string
}

// Origin is where a message stands.
type Origin struct {
	Topic string
	Shard uint32
	N     uint64
	S     string
}

func (o Origin) String() string {
	if o.S != "" {
		return o.Topic + "/" + o.S
	}
	return fmt.Sprintf("%s/%d/%d", o.Topic, o.Shard, o.N)
}

// Delivery is one hand-over of a message.
type Delivery struct {
	Message
	Receipt     Receipt
	Origin      Origin
	Redelivered int   // how often it was handed over before: a hint only
	Err         error // unreadable; Header and Body hold what there is, verbatim
}

// Group is a subscriber as a transport sees it.
type Group struct {
	Name     string // "<group>.<subscriber>"
	Patterns []eventbus.Pattern
	From     eventbus.Start
}

// Tries is what the ledger remembers of a delivery.
type Tries struct {
	Attempts, Crashes int
	First             time.Time // first failure
	Suspect           bool      // it ran alone when this was written
}

// Ledger keeps what is held or suspect, by group and origin. It is optional.
type Ledger interface {
	Load(ctx context.Context, group string) (map[string]Tries, error)
	// Save replaces what is known of the given deliveries; zero Tries forget one.
	Save(ctx context.Context, group string, t map[string]Tries) error
}

// Opener is implemented by transports that look at the backend before anything is
// received: Start fails with what they find. It may be called again.
type Opener interface {
	Open(ctx context.Context) error
}

// Gauger is implemented by transports that know what waits in the backend.
type Gauger interface {
	Gauge(ctx context.Context) (Gauges, error)
}

// Gauges are what a transport knows about its backend.
type Gauges struct {
	Waiting     map[string]int // messages not handed over yet, by group
	BeyondBound uint64         // messages taken beyond a bound since it was made
}

// Surveyor is implemented by transports that know what their backend holds; see
// eventbus.Inspector. The engine adds the letters.
type Surveyor interface {
	Topics(ctx context.Context) ([]eventbus.TopicInfo, error)
	Group(ctx context.Context, group string) (eventbus.GroupInfo, error)
}

// GroupAdmin is implemented by transports that can manage groups; see
// eventbus.Admin.
type GroupAdmin interface {
	Groups(ctx context.Context) ([]string, error)
	DeleteGroup(ctx context.Context, group string) error
	ResetGroup(ctx context.Context, group string, from eventbus.Start) error
}

// Backend is what a bus is made of.
type Backend struct {
	Transport Transport
	Traits    Traits
	Letters   dlq.Store
	Ledger    Ledger // nil: none
}
