package dlq

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func TestFilterMatch(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	l := Letter{
		ID: "1", Group: "shop", Subscriber: "mailer", Type: "order.created", AggregateType: "order", AggregateID: "o-1",
		TenantID: "t-1", Reason: Panic, LastFailure: now, Errors: []string{"sending", "SMTP: Zürich is down"},
		EventID: "Evt-9", Body: []byte("\xff{\"Total\":7}\x00"),
	}
	for _, f := range []Filter{
		{}, All, {IDs: []string{"0", "1"}}, {Group: "shop"}, {Groups: []string{"a", "shop"}}, {Subscriber: "mailer"},
		{Type: "order.*"}, {AggregateType: "order"}, {AggregateID: "o-1"}, {TenantID: "t-1"}, {Reason: Panic},
		{After: now}, {After: now, Before: now.Add(1)}, {Text: "smtp: ZÜRICH"}, {Text: "eVT-"}, {Text: `"total":7`},
	} {
		require.True(t, f.Match(l), "%+v", f)
		require.NoError(t, f.Validate())
	}
	for _, f := range []Filter{
		{IDs: []string{"0"}}, {Group: "sho"}, {Groups: []string{"a"}}, {Subscriber: "biller"}, {Type: "*.paid"},
		{AggregateType: "o"}, {AggregateID: "o"}, {TenantID: "t"}, {Reason: Timeout}, {Before: now}, {After: now.Add(1)},
		{Text: "sendingsmtp"}, {Text: "order.created"}, {Subscriber: "mailer", Reason: Timeout},
	} {
		require.False(t, f.Match(l), "%+v", f)
	}
}

func TestFilterValidateSaysEverything(t *testing.T) {
	now := time.Now()
	f := Filter{
		IDs: make([]string, maxIDs+1), Type: "order..x", Reason: "mood", After: now, Before: now.Add(-1),
		Text: strings.Repeat("x", 1025),
	}
	err := f.Validate()
	var one *eventbus.ValidationError
	require.ErrorAs(t, err, &one)
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	for _, field := range []string{"ids: ", "type: ", "reason: ", "after: ", "text: "} {
		require.ErrorContains(t, err, field)
	}
	require.NotContains(t, err.Error(), "events: ")
	require.Error(t, Filter{Text: "\xff"}.Validate())
	require.NoError(t, Filter{After: now, Before: now, Text: strings.Repeat("x", 1024)}.Validate())
}

// Every field counts as a choice, also one that is added later.
func TestFilterUnset(t *testing.T) {
	require.True(t, (&Filter{}).unset())
	require.True(t, (&Filter{IDs: []string{}, Groups: []string{}}).unset())
	require.False(t, All.unset())
	for i := range reflect.TypeFor[Filter]().NumField() {
		var f Filter
		v := reflect.ValueOf(&f).Elem().Field(i)
		switch field := reflect.TypeFor[Filter]().Field(i); {
		case !field.IsExported():
			continue
		case v.Kind() == reflect.String:
			v.SetString("x")
		case v.Kind() == reflect.Slice:
			v.Set(reflect.ValueOf([]string{"x"}))
		default:
			v.Set(reflect.ValueOf(time.Now()))
		}
		require.False(t, f.unset(), "%+v", f)
	}
}

func TestNewID(t *testing.T) {
	id := NewID("shop", "mailer", "e-1", "orders/0/7", 0)
	require.Regexp(t, "^[0-9a-f]{32}$", id)
	require.Equal(t, id, NewID("shop", "mailer", "e-1", "orders/0/7", 0))
	seen := map[string]bool{id: true}
	for _, other := range []string{
		NewID("shop", "mailer", "e-1", "orders/0/7", 1), NewID("shop", "mailer", "e-1", "orders/0/8", 0),
		NewID("shop", "mailer", "e-", "1orders/0/7", 0), NewID("shopm", "ailer", "e-1", "orders/0/7", 0),
		NewID("shop", "biller", "e-1", "orders/0/7", 0), NewID("", "shopmailer", "e-1", "orders/0/7", 0),
	} {
		require.False(t, seen[other])
		seen[other] = true
	}
}

func TestLetterJSON(t *testing.T) {
	l := letter(3)
	l.Headers = []Header{{Name: "ce_id", Value: "e-3"}}
	b, err := json.Marshal(l)
	require.NoError(t, err)
	require.Contains(t, string(b), `"event_id":"e-3"`)
	require.NotContains(t, string(b), "Event\"")
	require.NotContains(t, string(b), "buried_at")
	var back Letter
	require.NoError(t, json.Unmarshal(b, &back))
	require.Equal(t, l, back)
}
