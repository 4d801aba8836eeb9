package bustest

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/seed-28af575d/eventbus"
)

// is fails unless err matches the target.
func (k *kit) is(what string, err, target error) {
	k.Helper()
	if !errors.Is(err, target) {
		k.Errorf("%s: got error %v, want one that is %q", what, err, target)
	}
}

// says fails unless the text of err has all the words in it.
func (k *kit) says(what string, err error, words ...string) {
	k.Helper()
	for _, w := range words {
		if err == nil || !strings.Contains(err.Error(), w) {
			k.Errorf("%s: got error %v, want one that says %q", what, err, w)
		}
	}
}

// equal compares; what says of what.
func equal[T any](k *kit, what string, got, want T) {
	k.Helper()
	if !reflect.DeepEqual(got, want) {
		k.Errorf("%s:\n got %s\nwant %s", what, show(got), show(want))
	}
}

// as finds a T in the error, or ends the case.
func as[T error](k *kit, what string, err error) T {
	k.Helper()
	var found T
	if !errors.As(err, &found) {
		k.Fatalf("%s: got error %v, want a %T", what, err, found)
	}
	return found
}

// inOrder fails unless got are the IDs of the events, once each, in an order that
// is the given one within each aggregate.
func inOrder(k *kit, got []string, want []eventbus.DomainEvent) {
	k.Helper()
	equal(k, "events handled, sorted", sorted(got), sorted(ids(want)))
	seen := map[string]bool{}
	for _, e := range want {
		if !seen[e.AggregateID] {
			seen[e.AggregateID] = true
			equal(k, "events of aggregate "+e.AggregateID, of(e.AggregateID, got), of(e.AggregateID, ids(want)))
		}
	}
}

// alike fails unless the event that arrived is the one that was published, in
// everything that a reader can see.
func alike(k *kit, got, want eventbus.DomainEvent) {
	k.Helper()
	g, w := visible(got), visible(want)
	for name := range w {
		equal(k, "the event's "+name, g[name], w[name])
	}
}

// visible are the fields of an event by name, as text.
func visible(e eventbus.DomainEvent) map[string]string {
	e.Time, e.Expires = e.Time.UTC().Round(0), e.Expires.UTC().Round(0)
	fields := map[string]string{"payload": string(e.Data())}
	v := reflect.ValueOf(e)
	for i := range v.NumField() {
		if f := v.Type().Field(i); f.IsExported() {
			fields[f.Name] = fmt.Sprint(v.Field(i).Interface())
		}
	}
	return fields
}

// show prints a value for a failure, cut where it is long.
func show(v any) string {
	const most = 2000
	s := fmt.Sprintf("%+v", v)
	if text, ok := v.(string); ok {
		s = fmt.Sprintf("%q", text)
	}
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
