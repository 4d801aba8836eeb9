package shape_test

import (
	"encoding/json"
	"math/big"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/shape"
)

// The rules of embedding: depth, tags, and names that hide each other.
type (
	deep struct{ Name, Only, Twice string }
	left struct {
		deep
		Both, Tagged string
	}
	right struct {
		Both  string
		Other string `json:"Tagged"`
	}
	twins1 struct{ deep }
	twins2 struct{ deep }
	upper  struct {
		left
		right
		Name int
	}
	clash struct {
		twins1
		twins2
		Kept bool
	}
	renamed struct {
		left `json:"l"`
		deep `json:",omitempty"`
	}
	loop struct {
		*loop //nolint:unused // its members are promoted
		X     int
	}
	stamped struct {
		time.Time
		X int
	}
	stampedTwice struct {
		time.Time
		celsius //nolint:unused // its method is promoted
		Z       money
	}
)

func TestAgreesWithTheEncoder(t *testing.T) {
	for _, v := range []any{
		order{}, tree{}, money{}, upper{}, clash{}, renamed{}, loop{}, stamped{}, stampedTwice{}, []item{}, map[string]item{}, [2]money{},
		Level(1), celsius(1), "", []byte{}, struct{ *Audit }{}, struct{ Audit *Audit }{}, struct{ X **int }{}, struct{ P *[]*money }{},
	} {
		compare(t, reflect.TypeOf(v))
	}
}

// compare holds the shape of a type against what the encoder makes of a full
// value and of the zero value.
func compare(t *testing.T, typ reflect.Type) {
	t.Helper()
	s, err := shape.Of(typ)
	require.NoError(t, err, "%s", typ)
	listed := map[string]shape.Field{"": {Type: s.Form}}
	for _, f := range s.Fields {
		require.NotContains(t, listed, f.Name, "%s", typ)
		listed[f.Name] = f
	}
	full := reflect.New(typ).Elem()
	fill(full, nil)
	met := map[string]bool{}
	meet(t, listed, "", s.Form, encoded(t, full), met)
	for name := range listed {
		// fill cannot reach into an embedded pointer that is not exported.
		require.True(t, met[name] || name == "none" || name == "Shown", "%s: %s is not encoded", typ, name)
	}
	zero, ok := encoded(t, reflect.New(typ).Elem()).(map[string]any)
	for _, f := range s.Fields {
		if !ok || strings.ContainsAny(f.Name, ".[") {
			continue
		}
		v, there := zero[f.Name]
		require.Equal(t, !f.Optional, there, "%s: %s of the zero value", typ, f.Name)
		if strings.HasSuffix(f.Type, " or null") {
			require.Nil(t, v, "%s: %s of the zero value", typ, f.Name)
		}
	}
}

func encoded(t *testing.T, v reflect.Value) any {
	t.Helper()
	data, err := json.Marshal(v.Interface())
	require.NoError(t, err)
	d := json.NewDecoder(strings.NewReader(string(data)))
	d.UseNumber()
	var out any
	require.NoError(t, d.Decode(&out))
	return out
}

// meet goes through what was encoded; every member must be listed with its type.
func meet(t *testing.T, listed map[string]shape.Field, path, form string, v any, met map[string]bool) {
	t.Helper()
	met[path] = true
	holds(t, path, form, v)
	if strings.HasPrefix(form, "any") || strings.HasSuffix(form, "(recursive)") {
		return
	}
	switch v := v.(type) {
	case []any:
		for _, elem := range v {
			meet(t, listed, path+"[]", strings.TrimPrefix(form, "array of "), elem, met)
		}
	case map[string]any:
		values, isMap := strings.CutPrefix(form, "object of ")
		for name, elem := range v {
			if isMap {
				meet(t, listed, strings.TrimPrefix(path+".*", "."), values, elem, met)
				continue
			}
			next := strings.TrimPrefix(path+"."+name, ".")
			require.Contains(t, listed, next)
			meet(t, listed, next, listed[next].Type, elem, met)
		}
	}
}

func holds(t *testing.T, path, form string, v any) {
	t.Helper()
	first, _, _ := strings.Cut(form, " ")
	var want string
	switch v.(type) {
	case string:
		want = "string"
	case bool:
		want = "boolean"
	case json.Number:
		want = "number"
	case []any:
		want = "array"
	case map[string]any:
		want = "object"
	case nil:
		return
	}
	if first == "integer" {
		first = "number"
	}
	if first != "any" {
		require.Equal(t, want, first, "%s", path)
	}
}

// fill makes every part of a value something; a type within itself stays nil.
func fill(v reflect.Value, within []reflect.Type) {
	for _, t := range within {
		if t == v.Type() {
			return
		}
	}
	within = append(within, v.Type())
	switch special := v.Addr().Interface().(type) {
	case *time.Time:
		*special = time.Unix(1e9, 0).UTC()
		return
	case *json.RawMessage:
		*special = json.RawMessage(`{"x":1}`)
		return
	case *json.Number:
		*special = "1.5"
		return
	case *big.Int:
		special.SetInt64(7)
		return
	case *netip.Addr:
		*special = netip.MustParseAddr("::1")
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Float32, reflect.Float64:
		v.SetFloat(1.5)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), within)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), within)
	case reflect.Array:
		for i := range v.Len() {
			fill(v.Index(i), within)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, within)
		fill(value, within)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if f := v.Field(i); f.CanSet() {
				fill(f, within)
			} else if inner := f; v.Type().Field(i).Anonymous && inner.Kind() == reflect.Struct {
				fillPromoted(inner, within)
			}
		}
	default:
		if v.CanInt() {
			v.SetInt(3)
		} else if v.CanUint() {
			v.SetUint(3)
		}
	}
}

// fillPromoted fills what can be set of an embedded struct that is not exported.
func fillPromoted(v reflect.Value, within []reflect.Type) {
	for i := range v.NumField() {
		if f := v.Field(i); f.CanSet() {
			fill(f, within)
		} else if v.Type().Field(i).Anonymous && f.Kind() == reflect.Struct {
			fillPromoted(f, within)
		}
	}
}
