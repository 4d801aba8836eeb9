package shape_test

import (
	"encoding"
	"encoding/json"
	"math/big"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/shape"
)

type money struct {
	Cents    int64  `json:"cents" doc:"in hundredths"`
	Currency string `json:"currency"`
}

type celsius float64

func (celsius) MarshalText() ([]byte, error) { return []byte("20 °C"), nil }

type byPointer int

func (*byPointer) MarshalText() ([]byte, error) { return []byte("x"), nil }

type Audit struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Note string    `json:"note,omitempty"`
}

type hidden struct {
	Shown string
	_     string
}

type Level int

type order struct {
	Audit
	*hidden
	Level
	ID       uuid.UUID              `json:"id" doc:"of the order"`
	Items    []item                 `json:"items"`
	Totals   map[string]money       `json:"totals"`
	ByDay    map[int][]money        `json:"by_day,omitempty"`
	Address  *address               `json:"address,omitempty"`
	Previous *string                `json:"previous"`
	Wait     time.Duration          `json:"wait"`
	Due      *time.Time             `json:"due"`
	Raw      json.RawMessage        `json:"raw"`
	Image    []byte                 `json:"image"`
	Hash     [4]byte                `json:"hash"`
	Number   json.Number            `json:"number"`
	Quoted   int64                  `json:"quoted,string"`
	Flag     *bool                  `json:"flag,string,omitempty"`
	Heat     celsius                `json:"heat,string"`
	Field    byPointer              `json:"field"`
	Elements []byPointer            `json:"elements"`
	Pointed  *byPointer             `json:"pointed"`
	Big      *big.Int               `json:"big"`
	Peer     netip.Addr             `json:"peer"`
	Any      any                    `json:"any"`
	Text     encoding.TextMarshaler `json:"text"`
	Empty    struct{}               `json:"empty,omitempty"`
	Zero     money                  `json:"zero,omitzero"`
	None     [0]int                 `json:"none,omitempty"`
	Two      [2]int                 `json:"two,omitempty"`
	Matrix   [][]float32            `json:"matrix"`
	Dash     int                    `json:"-,"` //nolint:staticcheck // legal, and read as a name
	Off      int                    `json:"-"`
	Bad      int                    `json:"a\"b,omitempty"` //nolint:staticcheck // the encoder takes the name in Go
	Plain    uint8
	_        int
}

type address struct {
	Street string   `json:"street"`
	Lines  []string `json:"lines,omitempty"`
}

type item struct {
	SKU   string   `json:"sku"`
	Price money    `json:"price"`
	Tags  []string `json:"tags"`
}

func TestEveryKindOfField(t *testing.T) {
	s, err := shape.Of(reflect.TypeFor[order]())
	require.NoError(t, err)
	require.Equal(t, "object", s.Form)
	var got []string
	for _, f := range s.Fields {
		line := f.Name + ": " + f.Type
		if f.Optional {
			line += ", optional"
		}
		if f.Doc != "" {
			line += " (" + f.Doc + ")"
		}
		got = append(got, line)
	}
	require.Equal(t, []string{
		"by: string", "at: string (time)", "note: string, optional", "Shown: string, optional", "Level: integer",
		"id: string (of the order)",
		"items: array of object", "items[].sku: string", "items[].price: object",
		"items[].price.cents: integer (in hundredths)", "items[].price.currency: string", "items[].tags: array of string",
		"totals: object of object", "totals.*.cents: integer (in hundredths)", "totals.*.currency: string",
		"by_day: object of array of object, optional", "by_day.*[].cents: integer (in hundredths)", "by_day.*[].currency: string",
		"address: object, optional", "address.street: string", "address.lines: array of string, optional",
		"previous: string or null", "wait: integer (nanoseconds)", "due: string (time) or null", "raw: any",
		"image: string (base64)", "hash: array of integer", "number: number", "quoted: string (integer)",
		"flag: string (boolean), optional", "heat: string", "field: integer", "elements: array of string", "pointed: string or null",
		"big: any or null", "peer: string", "any: any", "text: string", "empty: object", "zero: object, optional",
		"zero.cents: integer (in hundredths)", "zero.currency: string", "none: array of integer, optional", "two: array of integer",
		"matrix: array of array of number", "-: integer", "Bad: integer, optional", "Plain: integer",
	}, got)
}

type tree struct {
	Name     string           `json:"name"`
	Children []tree           `json:"children"`
	Parent   *tree            `json:"parent,omitempty"`
	Named    map[string]*tree `json:"named"`
}

type lists []lists

type nest map[string]nest

func TestRecursiveTypesEnd(t *testing.T) {
	s, err := shape.Of(reflect.TypeFor[tree]())
	require.NoError(t, err)
	require.Equal(t, []shape.Field{
		{Name: "name", Type: "string"},
		{Name: "children", Type: "array of object (recursive)"},
		{Name: "parent", Type: "object (recursive)", Optional: true},
		{Name: "named", Type: "object of object (recursive)"},
	}, s.Fields)
	for want, typ := range map[string]reflect.Type{
		"array of array (recursive)":   reflect.TypeFor[lists](),
		"object of object (recursive)": reflect.TypeFor[nest](),
	} {
		s, err := shape.Of(typ)
		require.NoError(t, err)
		require.Equal(t, want, s.Form)
	}
}

// Types that refer to each other have more ways through them than can be listed.
type (
	a struct{ B, C, D, E *b }
	b struct{ A, C, D, E *c }
	c struct{ A, B, D, E *d }
	d struct{ A, B, C, E *e }
	e struct{ A, B, C, D *f }
	f struct{ A, B, C, D *a }
)

func TestManyFieldsAreCut(t *testing.T) {
	s, err := shape.Of(reflect.TypeFor[a]())
	require.NoError(t, err)
	require.Len(t, s.Fields, 501)
	require.Equal(t, shape.More, s.Fields[500].Name)
}

func TestWhatCannotBeEncoded(t *testing.T) {
	_, err := shape.Of(reflect.TypeFor[struct {
		A struct{ C chan int }
		F []func()
		M map[money]string
		X map[string]complex64 `json:"x"`
		L map[uuid.UUID]string
		u chan int
		O chan int `json:"-"`
	}]())
	require.EqualError(t, err, "A.C: a chan int cannot be encoded as JSON\nF[]: a func() cannot be encoded as JSON\n"+
		"M: a map[shape_test.money]string cannot be encoded as JSON\nx.*: a complex64 cannot be encoded as JSON")
	_, err = shape.Of(reflect.TypeFor[func()]())
	require.EqualError(t, err, "it: a func() cannot be encoded as JSON")
}
