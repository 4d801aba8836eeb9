package eventbus

import (
	"fmt"
	"reflect"
)

// CatalogueOptions are what a program publishes and who subscribes. Nothing of it
// needs a bus: the same subscribers can be listed and subscribed.
type CatalogueOptions struct {
	// Group is the group of subscribers that name none, as [Options].Group. Zero
	// means "default".
	Group string
	// Source is the source of events that name none, as [Options].Source. Zero means
	// "/<Group>".
	Source string
	// Publishes are the event types that are published. Zero means none.
	Publishes []Publication
	// Subscribers are those of this program, and those of others that are known:
	// one without a Handler is listed by its patterns. Zero means none.
	Subscribers []Subscriber
}

// Catalogue lists the events that a program publishes, and who subscribes. It is a
// value that refers to nothing outside, and the same for the same input.
type Catalogue struct {
	Events      []CatalogueEvent      // by type
	Subscribers []CatalogueSubscriber // by group and name
}

// CatalogueEvent is an event type that is published.
type CatalogueEvent struct {
	Type          string
	AggregateType string
	Source        string
	Purpose       string // on one line
	SchemaVersion int    // from 1
	Payload       string // what the whole payload is in JSON, as PayloadField.Type
	Fields        []PayloadField
	GoType        string   // of the payload, or "" where it has none of its own
	Subscribers   []string // "<group>.<name>" of all whose patterns select it
}

// CatalogueSubscriber is a subscriber with what it gets of the events listed.
type CatalogueSubscriber struct {
	Group, Name string
	Patterns    []string // as given, or what its handler declares
	Events      []string // types of the events listed that its patterns select
	// Unlisted are patterns that select no event listed: they are stale, or for
	// events of others.
	Unlisted []string
	// Unhandled are those of Events for which its typed handler has no case: they
	// are buried or skipped, as [Subscriber].Unmatched says.
	Unhandled []string
}

// NewCatalogue lists what is published and who subscribes. It does no I/O. Its error
// joins everything that is wrong, each a [ValidationError]: malformed names, payloads
// that are pointers or cannot be encoded, an event type or a subscriber that is
// listed twice, two payload types for one event type.
func NewCatalogue(o CatalogueOptions) (Catalogue, error) {
	bus := Options{Group: o.Group, Source: o.Source}.WithDefaults()
	b := catalogueBuilder{group: bus.Group, payloads: map[string]reflect.Type{}, names: map[reflect.Type]string{}, known: map[string]bool{}}
	b.fault("", bus.Validate())
	for i, p := range o.Publishes {
		b.publishes(fmt.Sprintf("publishes[%d].", i), p, bus.Source)
	}
	for i, s := range o.Subscribers {
		b.subscribes(fmt.Sprintf("subscribers[%d].", i), s.WithDefaults(bus))
	}
	if len(b.errs) > 0 {
		return Catalogue{}, fmt.Errorf("eventbus: catalogue: %w", joined(b.errs))
	}
	return b.build(), nil
}
