package eventbus

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

// catalogueBuilder collects what is listed, and all that is wrong with it.
type catalogueBuilder struct {
	group       string // of subscribers that name none
	events      []CatalogueEvent
	subscribers []listener
	payloads    map[string]reflect.Type // by event type
	names       map[reflect.Type]string
	known       map[string]bool // subscribers
	errs        []error
}

// listener is a subscriber and the event types that its handler has a case for; nil
// where it takes all.
type listener struct {
	CatalogueSubscriber
	cases map[string]reflect.Type
}

// fault adds what is wrong, each with the place where it stands.
func (b *catalogueBuilder) fault(place string, err error) {
	var v *ValidationError
	if list, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range list.Unwrap() {
			b.fault(place, e)
		}
	} else if errors.As(err, &v) {
		at := *v
		at.Field = place + at.Field
		b.errs = append(b.errs, &at)
	}
}

func (b *catalogueBuilder) publishes(place string, p Publication, source string) {
	e, err := p.listed(source)
	b.fault(place, err)
	if err != nil {
		return
	}
	if slices.ContainsFunc(b.events, func(other CatalogueEvent) bool { return other.Type == e.Type }) {
		b.fault(place, invalid("type", "another publication has this event type", excerpt.Of(e.Type)))
		return
	}
	if p.payload != nil {
		b.fault(place, b.bind(e.Type, p.payload))
	}
	b.events = append(b.events, e)
}

func (b *catalogueBuilder) subscribes(place string, s Subscriber) {
	b.fault(place, checkName("name", s.Name))
	if s.Group != b.group { // else it is said once
		b.fault(place, checkName("group", s.Group))
	}
	l := listener{CatalogueSubscriber: CatalogueSubscriber{Group: s.Group, Name: s.Name, Patterns: slices.Clone(s.Events)}}
	if s.Handler != nil {
		if err := validateHandler(s.Handler); err != nil {
			b.fault(place, err)
			return
		}
		if t, ok := s.Handler.(Typed); ok {
			l.cases = t.PayloadTypes()
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.cases)) {
		b.fault(place, b.bind(name, l.cases[name]))
	}
	if len(s.Events) == 0 {
		b.fault(place, invalid("events", "required: no handler declares event types", ""))
	}
	for _, p := range s.Events {
		b.fault(place, Pattern(p).Validate())
	}
	if full := s.Group + "." + s.Name; b.known[full] {
		b.fault(place, invalid("name", "another subscriber has this group and name", excerpt.Of(full)))
	} else {
		b.known[full] = true
	}
	b.subscribers = append(b.subscribers, l)
}

// bind holds event types and payload types together, one to one, as a bus does.
func (b *catalogueBuilder) bind(name string, t reflect.Type) error {
	if t == nil {
		return invalid("handler", "PayloadTypes must not name a nil type", excerpt.Of(name))
	}
	if other, ok := b.payloads[name]; ok && other != t {
		return invalid("payload", fmt.Sprintf("the event type %s has the payload type %s elsewhere", name, other), t.String())
	}
	if other, ok := b.names[t]; ok && other != name {
		return invalid("payload", fmt.Sprintf("a payload type has one event type, and this one has %s elsewhere, not %s", other, name), t.String())
	}
	b.payloads[name], b.names[t] = t, name
	return nil
}

func (b *catalogueBuilder) build() Catalogue {
	slices.SortFunc(b.events, func(a, z CatalogueEvent) int { return cmp.Compare(a.Type, z.Type) })
	slices.SortFunc(b.subscribers, func(a, z listener) int {
		return cmp.Or(cmp.Compare(a.Group, z.Group), cmp.Compare(a.Name, z.Name))
	})
	c := Catalogue{Events: b.events}
	for _, s := range b.subscribers {
		c.Subscribers = append(c.Subscribers, s.among(c.Events))
	}
	return c
}

// among sets what the subscriber gets of the events, and names it there.
func (s listener) among(events []CatalogueEvent) CatalogueSubscriber {
	used := make([]bool, len(s.Patterns))
	for i := range events {
		e, selected := &events[i], false
		for j, p := range s.Patterns {
			if Pattern(p).Match(e.Type) {
				used[j], selected = true, true
			}
		}
		if !selected {
			continue
		}
		s.Events = append(s.Events, e.Type)
		e.Subscribers = append(e.Subscribers, s.Group+"."+s.Name)
		if _, ok := s.cases[e.Type]; !ok && s.cases != nil {
			s.Unhandled = append(s.Unhandled, e.Type)
		}
	}
	for j, p := range s.Patterns {
		if !used[j] {
			s.Unlisted = append(s.Unlisted, p)
		}
	}
	return s.CatalogueSubscriber
}
