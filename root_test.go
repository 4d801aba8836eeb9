package eventbus_test

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

type orderCreated struct {
	Total float64 `json:"total"`
	Note  string  `json:"note,omitempty"`
}

func (orderCreated) EventType() string { return "order.created" }

type shipped struct{}

func (shipped) EventType() string     { return "shipped" }
func (shipped) AggregateType() string { return "parcel" }

func TestNewFillsTheEnvelope(t *testing.T) {
	cause := eventbus.New("order-1", orderCreated{Total: 1}).WithTenant("acme")
	e := eventbus.New("p-1", shipped{}).CausedBy(cause).WithMetadata("channel", "web").WithVersion(3)
	require.NoError(t, e.Validate())
	require.Equal(t, "parcel.shipped", e.Type)
	require.Equal(t, "parcel", e.AggregateType)
	require.Equal(t, cause.ID, e.CausationID)
	require.Equal(t, cause.ID, e.CorrelationID)
	require.Equal(t, "acme", e.TenantID)
	require.JSONEq(t, `{}`, string(e.Data()))
}

func TestValidateRefusesBadEnvelopes(t *testing.T) {
	good := func() eventbus.DomainEvent { return eventbus.New("order-1", orderCreated{Total: 1}) }
	for name, c := range map[string]struct {
		field string
		event eventbus.DomainEvent
	}{
		"no type":         {"type", eventbus.NewRaw("", "a", "", nil)},
		"wildcard type":   {"type", eventbus.NewRaw("order.*", "a", "", nil)},
		"empty word":      {"type", eventbus.NewRaw("order..created", "a", "", nil)},
		"empty ID":        {"id", good().WithID("")},
		"long ID":         {"id", good().WithID(strings.Repeat("x", 201))},
		"control in ID":   {"aggregate_id", eventbus.New("a\nb", orderCreated{})},
		"version":         {"aggregate_version", good().WithVersion(-1)},
		"year":            {"time", good().WithTime(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))},
		"header key":      {"metadata", good().WithMetadata("a b", "x")},
		"reserved header": {"metadata", good().WithMetadata("eventbus-attempts", "9")},
		"extension":       {"extensions", good().WithExtension("My_Ext", "x")},
		"NaN":             {"payload", eventbus.New("a", orderCreated{Total: math.NaN()})},
		"bad UTF-8":       {"payload", eventbus.New("a", orderCreated{Note: "\xff"})},
		"pointer":         {"payload", eventbus.New("a", &orderCreated{})},
		"bad JSON":        {"payload", eventbus.NewRaw("order.created", "a", "application/json", []byte("{"))},
	} {
		t.Run(name, func(t *testing.T) {
			err := c.event.Validate()
			require.ErrorIs(t, err, eventbus.ErrInvalid)
			require.ErrorContains(t, err, c.field)
		})
	}
}

func TestPatternAgainstReference(t *testing.T) {
	words := []string{"a", "b", "*", "#", "a.b", "a.*", "*.b", "#.b", "a.#", "#.a.#", "*.#", "#.#", "a.#.b", "#.*", "a.*.#", "#.b.*"}
	names := []string{"a", "b", "a.b", "b.a", "a.a.b", "a.b.b", "a.c.d.b", "c", "b.b.a.b"}
	for _, p := range words {
		for _, n := range names {
			want := reference(strings.Split(p, "."), strings.Split(n, "."))
			require.Equal(t, want, eventbus.Pattern(p).Match(n), "%s against %s", p, n)
		}
	}
}

func reference(p, n []string) bool {
	if len(p) == 0 {
		return len(n) == 0
	}
	if p[0] == "#" {
		return reference(p[1:], n) || len(n) > 0 && reference(p, n[1:])
	}
	return len(n) > 0 && (p[0] == "*" || p[0] == n[0]) && reference(p[1:], n[1:])
}

func TestRetryDelays(t *testing.T) {
	p := eventbus.RetryPolicy{Attempts: 4, Min: time.Second, Max: 3 * time.Second, Jitter: -1}.WithDefaults()
	require.Equal(t, time.Second, p.Delay(1, 0.5))
	require.Equal(t, 2*time.Second, p.Delay(2, 0.9))
	require.Equal(t, 3*time.Second, p.Delay(3, 0.1))
	require.LessOrEqual(t, 6*time.Second, p.Longest())
}

func TestSubscriberReportsEverythingAtOnce(t *testing.T) {
	o := eventbus.Options{}.WithDefaults()
	s := eventbus.Subscriber{Name: "a.b", Retry: eventbus.RetryPolicy{Attempts: -1}, Concurrency: -1}.WithDefaults(o)
	err := s.Validate(o)
	for _, field := range []string{"name", "handler", "retry.attempts", "concurrency"} {
		require.ErrorContains(t, err, field)
	}
}

func TestTypedHandler(t *testing.T) {
	var got orderCreated
	h := eventbus.Handlers(eventbus.On(func(_ context.Context, e eventbus.Event[orderCreated]) error {
		got = e.Payload
		return nil
	}))
	require.NoError(t, h.Handle(t.Context(), eventbus.NewRaw("order.created", "1", "application/json", []byte(`{"total":7}`))))
	require.InDelta(t, 7, got.Total, 0)
	err := h.Handle(t.Context(), eventbus.NewRaw("order.gone", "1", "", nil))
	require.ErrorIs(t, err, eventbus.ErrUnknownType)
}

// What Publish takes, every receiver must be able to read.
func TestValidateChecksTheBytesAgainstTheirContentType(t *testing.T) {
	zone := time.FixedZone("west", -3600)
	changed := eventbus.NewRaw("order.created", "a", "text/plain", []byte("hello"))
	changed.ContentType = "application/json"
	for name, e := range map[string]eventbus.DomainEvent{
		"JSON suffix":     eventbus.NewRaw("order.created", "a", "application/vnd.order+json", []byte("{")),
		"with parameter":  eventbus.NewRaw("order.created", "a", "Application/JSON; charset=utf-8", []byte("{")),
		"replaced data":   eventbus.New("a", orderCreated{}).WithData("application/json", []byte("{")),
		"changed type":    changed,
		"structured mode": eventbus.NewRaw("order.created", "a", "Application/CloudEvents+JSON; charset=utf-8", []byte("{}")),
		"batch mode":      eventbus.NewRaw("order.created", "a", "application/cloudevents-batch+json", []byte("[]")),
		"year in UTC":     {ID: "1", Type: "a.b", AggregateType: "a", Time: time.Date(9999, 12, 31, 23, 59, 0, 0, zone)},
		"our extension":   eventbus.New("a", orderCreated{}).WithExtension("eventbusmetadata", "{}"),
	} {
		require.ErrorIs(t, e.Validate(), eventbus.ErrInvalid, name)
	}
	plain := eventbus.NewRaw("order.created", "a", "text/plain", []byte("{"))
	require.NoError(t, plain.Validate())
	empty := eventbus.NewRaw("order.created", "a", "application/json", nil)
	require.NoError(t, empty.Validate())
}
