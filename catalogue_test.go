package eventbus_test

import (
	"context"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

type invoiceLine struct {
	SKU string `json:"sku"`
	Net int    `json:"net" doc:"in cents"`
}

type invoiceIssued struct {
	Lines []invoiceLine     `json:"lines"`
	Due   *time.Time        `json:"due,omitempty" doc:"none: at once"`
	Tags  map[string]string `json:"tags,omitempty"`
}

func (invoiceIssued) EventType() string { return "invoice.issued" }

type otherInvoice struct{}

func (otherInvoice) EventType() string { return "invoice.issued" }

func takes[T eventbus.EventTyper]() eventbus.Handler {
	return eventbus.On(func(context.Context, eventbus.Event[T]) error { return nil })
}

var anything = eventbus.HandlerFunc(func(context.Context, eventbus.DomainEvent) error { return nil })

func shop() eventbus.CatalogueOptions {
	return eventbus.CatalogueOptions{
		Group: "shop",
		Publishes: []eventbus.Publication{
			eventbus.Publishes[shipped]("A parcel has left the house."),
			eventbus.Publishes[invoiceIssued]("The customer\n\towes | us.").WithSchemaVersion(2),
			eventbus.PublishesNamed("legacy.imported", "An order of the old system.", eventbus.PayloadField{Name: "number", Type: "string"}).WithSource("/import"),
			eventbus.PublishesNamed("legacy.closed", "It is over."),
		},
		Subscribers: []eventbus.Subscriber{
			{Name: "mailer", Handler: takes[invoiceIssued]()},
			{Name: "audit", Handler: anything, Events: []string{"#"}},
			{Name: "books", Handler: eventbus.Handlers(takes[invoiceIssued](), takes[orderCreated]()), Events: []string{"invoice.*", "order.*", "legacy.*"}},
			{Group: "bi", Name: "reports", Events: []string{"*.imported"}},
			{Name: "old", Handler: anything, Events: []string{"basket.filled"}},
		},
	}
}

func TestCatalogueListsWhoGetsWhat(t *testing.T) {
	c, err := eventbus.NewCatalogue(shop())
	require.NoError(t, err)
	require.Equal(t, []eventbus.CatalogueEvent{
		{
			Type: "invoice.issued", AggregateType: "invoice", Source: "/shop", Purpose: "The customer owes | us.", SchemaVersion: 2,
			Payload: "object", GoType: "eventbus_test.invoiceIssued", Subscribers: []string{"shop.audit", "shop.books", "shop.mailer"},
			Fields: []eventbus.PayloadField{
				{Name: "lines", Type: "array of object"},
				{Name: "lines[].sku", Type: "string"},
				{Name: "lines[].net", Type: "integer", Doc: "in cents"},
				{Name: "due", Type: "string (time)", Optional: true, Doc: "none: at once"},
				{Name: "tags", Type: "object of string", Optional: true},
			},
		},
		{
			Type: "legacy.closed", AggregateType: "legacy", Source: "/shop", Purpose: "It is over.", SchemaVersion: 1,
			Payload: "any", Subscribers: []string{"shop.audit", "shop.books"},
		},
		{
			Type: "legacy.imported", AggregateType: "legacy", Source: "/import", Purpose: "An order of the old system.", SchemaVersion: 1,
			Payload: "object", Fields: []eventbus.PayloadField{{Name: "number", Type: "string"}},
			Subscribers: []string{"bi.reports", "shop.audit", "shop.books"},
		},
		{
			Type: "parcel.shipped", AggregateType: "parcel", Source: "/shop", Purpose: "A parcel has left the house.", SchemaVersion: 1,
			Payload: "object", GoType: "eventbus_test.shipped", Subscribers: []string{"shop.audit"},
		},
	}, c.Events)
	all := []string{"invoice.issued", "legacy.closed", "legacy.imported", "parcel.shipped"}
	require.Equal(t, []eventbus.CatalogueSubscriber{
		{Group: "bi", Name: "reports", Patterns: []string{"*.imported"}, Events: []string{"legacy.imported"}},
		{Group: "shop", Name: "audit", Patterns: []string{"#"}, Events: all},
		{
			Group: "shop", Name: "books", Patterns: []string{"invoice.*", "order.*", "legacy.*"}, Events: all[:3],
			Unlisted: []string{"order.*"}, Unhandled: []string{"legacy.closed", "legacy.imported"},
		},
		{Group: "shop", Name: "mailer", Patterns: []string{"invoice.issued"}, Events: all[:1]},
		{Group: "shop", Name: "old", Patterns: []string{"basket.filled"}, Unlisted: []string{"basket.filled"}},
	}, c.Subscribers)
}

func TestCatalogueAsMarkdown(t *testing.T) {
	c, err := eventbus.NewCatalogue(shop())
	require.NoError(t, err)
	require.Equal(t, strings.Join([]string{
		"| event | source | payload | purpose | subscribers |",
		"|---|---|---|---|---|",
		"| `invoice.issued` v2 | `/shop` | `lines` array of object<br>`lines[].sku` string<br>`lines[].net` integer: in cents<br>" +
			"`due` string (time), optional: none: at once<br>`tags` object of string, optional | The customer owes \\| us. | `shop.audit`<br>`shop.books`<br>`shop.mailer` |",
		"| `legacy.closed` | `/shop` | any | It is over. | `shop.audit`<br>`shop.books` |",
		"| `legacy.imported` | `/import` | `number` string | An order of the old system. | `bi.reports`<br>`shop.audit`<br>`shop.books` |",
		"| `parcel.shipped` | `/shop` | object | A parcel has left the house. | `shop.audit` |",
		"",
		"| subscriber | patterns | gets | notes |",
		"|---|---|---|---|",
		"| `bi.reports` | `*.imported` | `legacy.imported` |  |",
		"| `shop.audit` | `#` | all 4 |  |",
		"| `shop.books` | `invoice.*`<br>`order.*`<br>`legacy.*` | `invoice.issued`<br>`legacy.closed`<br>`legacy.imported` | " +
			"`order.*` selects nothing listed<br>no case for `legacy.closed`<br>no case for `legacy.imported` |",
		"| `shop.mailer` | `invoice.issued` | `invoice.issued` |  |",
		"| `shop.old` | `basket.filled` | none | `basket.filled` selects nothing listed |",
		"",
	}, "\n"), c.Markdown())
}

type dottedNames struct {
	A struct {
		B int `json:"b"`
	} `json:"a"`
	AB int `json:"a.b"`
}

func (dottedNames) EventType() string { return "order.dotted" }

// Two fields of one name are what the type says, and no mistake of the program's.
func TestCatalogueTakesEveryTypeThatCanBeEncoded(t *testing.T) {
	c, err := eventbus.NewCatalogue(eventbus.CatalogueOptions{Publishes: []eventbus.Publication{eventbus.Publishes[dottedNames]("p")}})
	require.NoError(t, err)
	require.Len(t, c.Events[0].Fields, 3) // a, its b, and a.b
}

func TestCatalogueOfNothing(t *testing.T) {
	c, err := eventbus.NewCatalogue(eventbus.CatalogueOptions{})
	require.NoError(t, err)
	require.Equal(t, eventbus.Catalogue{}, c)
	require.Equal(t, "| event | source | payload | purpose | subscribers |\n|---|---|---|---|---|\n", c.Markdown())
	c, err = eventbus.NewCatalogue(eventbus.CatalogueOptions{Publishes: []eventbus.Publication{eventbus.Publishes[listed]("Who has listed what.")}})
	require.NoError(t, err)
	require.Contains(t, c.Markdown(), "| `list.made` | `/default` | array of string | Who has listed what. | none |")
}

// The order in which things are declared does not show, nothing of the caller's is
// changed, and a catalogue shares nothing with the next one.
func TestCatalogueIsTheSameInAnyOrder(t *testing.T) {
	o := shop()
	first, err := eventbus.NewCatalogue(o)
	require.NoError(t, err)
	turned := shop()
	slices.Reverse(turned.Publishes)
	slices.Reverse(turned.Subscribers)
	second, err := eventbus.NewCatalogue(turned)
	require.NoError(t, err)
	require.Equal(t, first, second)
	require.Equal(t, "mailer", o.Subscribers[0].Name)
	first.Events[0].Fields[0].Name, first.Subscribers[1].Patterns[0] = "changed", "changed"
	third, err := eventbus.NewCatalogue(o)
	require.NoError(t, err)
	require.Equal(t, second, third)
}

// The subscribers that are listed are those that are subscribed.
func TestCatalogueTakesTheSubscribersOfABus(t *testing.T) {
	o := shop()
	bus, err := memory.New(memory.Options{Options: eventbus.Options{Group: o.Group}})
	require.NoError(t, err)
	for _, s := range o.Subscribers {
		if s.Handler != nil {
			_, err := bus.Subscribe(t.Context(), s)
			require.NoError(t, err)
		}
	}
	_, err = eventbus.NewCatalogue(o)
	require.NoError(t, err)
	require.NoError(t, bus.Shutdown(t.Context()))
}

type channel struct{ C chan int }

func (channel) EventType() string { return "channel.opened" }

type badName struct{}

func (badName) EventType() string { return "not a name" }

type badAggregate struct{}

func (badAggregate) EventType() string     { return "a.b" }
func (badAggregate) AggregateType() string { return "x y" }

func TestCatalogueSaysEverythingThatIsWrong(t *testing.T) {
	two := &typed{map[string]reflect.Type{"a.b": reflect.TypeFor[int](), "c.d": reflect.TypeFor[int](), "e.f": nil}}
	_, err := eventbus.NewCatalogue(eventbus.CatalogueOptions{
		Group:  "my shop",
		Source: "\x00",
		Publishes: []eventbus.Publication{
			0:  eventbus.Publication{}.WithSource("\x00"),
			1:  eventbus.Publishes[*orderCreated](""),
			2:  eventbus.Publishes[eventbus.EventTyper]("x"),
			3:  eventbus.Publishes[panicking]("x"),
			4:  eventbus.Publishes[channel]("x"),
			5:  eventbus.Publishes[badName]("x"),
			6:  eventbus.Publishes[badAggregate]("x"),
			7:  eventbus.Publishes[orderCreated]("x"),
			8:  eventbus.Publishes[orderCreated]("x"),
			9:  eventbus.PublishesNamed("a.*", " \n").WithSchemaVersion(-1),
			10: eventbus.PublishesNamed("f.g", "\xff", eventbus.PayloadField{Name: "a", Type: "any"}, eventbus.PayloadField{Name: "a", Type: "any"}, eventbus.PayloadField{Name: "b"}, eventbus.PayloadField{Name: "\x00", Type: "any"}),
			11: eventbus.Publishes[invoiceIssued](strings.Repeat("x", 1025)),
			12: eventbus.Publishes[invoiceIssued]("x"),
		},
		Subscribers: []eventbus.Subscriber{
			0: {},
			1: {Name: "a", Group: "b.c", Events: []string{"order..*", "", "order.*"}},
			2: {Name: "b", Handler: (*typed)(nil), Events: []string{"#"}},
			3: {Name: "c", Handler: takes[otherInvoice]()},
			4: {Name: "d", Handler: two},
			5: {Name: "e", Events: []string{"#"}},
			6: {Name: "e", Events: []string{"#"}},
			7: {Name: "f", Handler: anything},
		},
	})
	require.ErrorIs(t, err, eventbus.ErrInvalid)
	var v *eventbus.ValidationError
	require.ErrorAs(t, err, &v)
	require.Equal(t, "group", v.Field)
	lines := []string{
		`eventbus: catalogue: group: must be 1 to 100 bytes of [A-Za-z0-9_-], without dots (got "my shop")`,
		`source: must be at most 1024 bytes of UTF-8 without control characters (got "\x00")`,
		`publishes[0].type: required`,
		`publishes[0].purpose: required: say what the event tells, to those who may subscribe`,
		`publishes[0].source: must be at most 1024 bytes of UTF-8 without control characters (got "\x00")`,
		`publishes[0].schema_version: must be from 1 (got 0)`,
		`publishes[1].payload: must be a value type, neither pointer nor interface (got *eventbus_test.orderCreated)`,
		`publishes[1].purpose: required: say what the event tells, to those who may subscribe`,
		`publishes[2].payload: must be a value type, neither pointer nor interface (got eventbus.EventTyper)`,
		`publishes[3].payload: its EventType or AggregateType panicked: no name (got eventbus_test.panicking)`,
		`publishes[4].payload: must be encodable as JSON (got eventbus_test.channel): C: a chan int cannot be encoded as JSON`,
		`publishes[5].type: must be dotted words of [A-Za-z0-9_-], at most 180 bytes (got "not a name")`,
		`publishes[6].aggregate_type: must be one word of [A-Za-z0-9_-] (got "x y")`,
		`publishes[8].type: another publication has this event type (got "order.created")`,
		`publishes[9].type: must be dotted words of [A-Za-z0-9_-], at most 180 bytes (got "a.*")`,
		`publishes[9].purpose: required: say what the event tells, to those who may subscribe`,
		`publishes[9].schema_version: must be from 1 (got -1)`,
		`publishes[10].purpose: must be at most 1024 bytes of UTF-8 without control characters (got "\xff")`,
		`publishes[10].fields[1]: another field has this name (got "a")`,
		`publishes[10].fields[2]: a field needs a name and a type (got "b")`,
		`publishes[10].fields[3]: name, type and doc must be at most 1024 bytes of UTF-8 without control characters (got "\x00")`,
		`publishes[11].purpose: must be at most 1024 bytes of UTF-8 without control characters (got "` + strings.Repeat("x", 64) + `"… of 1025 bytes)`,
		`subscribers[0].name: must be 1 to 100 bytes of [A-Za-z0-9_-], without dots (got "")`,
		`subscribers[0].events: required: no handler declares event types`,
		`subscribers[1].group: must be 1 to 100 bytes of [A-Za-z0-9_-], without dots (got "b.c")`,
		`subscribers[1].events: must be dotted words of [A-Za-z0-9_-], * or # (got "order..*")`,
		`subscribers[1].events: a pattern must not be empty; # selects every type`,
		`subscribers[2].handler: must not be nil`,
		`subscribers[3].payload: the event type invoice.issued has the payload type eventbus_test.invoiceIssued elsewhere (got eventbus_test.otherInvoice)`,
		`subscribers[4].payload: a payload type has one event type, and this one has a.b elsewhere, not c.d (got int)`,
		`subscribers[4].handler: PayloadTypes must not name a nil type (got "e.f")`,
		`subscribers[6].name: another subscriber has this group and name (got "my shop.e")`,
		`subscribers[7].events: required: no handler declares event types`,
	}
	require.Equal(t, lines, strings.Split(err.Error(), "\n"))
}
