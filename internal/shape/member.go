package shape

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"unicode"
)

// member is a struct field that encoding/json writes, perhaps one of an embedded
// struct.
type member struct {
	name     string
	tagged   bool // whether a tag names it
	index    []int
	field    reflect.StructField
	options  string // of the tag, with a comma before each
	at       place
	optional bool // it lies in an embedded pointer
}

func (m *member) has(option string) bool { return strings.Contains(m.options+",", ","+option+",") }

// object lists the members of a struct, and what is within them.
func (w *walk) object(path string, p place) {
	for _, m := range members(p) {
		if len(w.fields) >= mostFields {
			if w.fields[len(w.fields)-1].Name != More {
				w.fields = append(w.fields, Field{Name: More, Type: "any", Optional: true, Doc: "and more than can be listed"})
			}
			return
		}
		at := len(w.fields)
		name := join(path, m.name)
		w.fields = append(w.fields, Field{Name: name, Optional: m.isOptional(), Doc: m.field.Tag.Get("doc")})
		form := w.form(name, m.at)
		w.fields[at].Type = m.form(form)
	}
}

// form adds to the form of the member's type what its tag and its pointer change.
func (m *member) form(form string) string {
	t := m.at.t
	pointer := t.Kind() == reflect.Pointer
	if pointer && t.Name() == "" {
		t = t.Elem()
	}
	own := place{t, m.at.addressable || pointer}
	scalar := plain(t.Kind()) != "" && t.Kind() != reflect.Interface
	if m.has("string") && scalar && !own.implements(jsonMarshaler) && !own.implements(textMarshaler) {
		form = "string (" + form + ")"
	}
	if pointer && !m.has("omitempty") && !m.has("omitzero") {
		form += " or null"
	}
	return form
}

// isOptional reports whether the member may be left out: omitempty does nothing
// for structs and for arrays that have elements.
func (m *member) isOptional() bool {
	if m.optional || m.has("omitzero") {
		return true
	}
	k := m.at.t.Kind()
	return m.has("omitempty") && k != reflect.Struct && (k != reflect.Array || m.at.t.Len() == 0)
}

// embedded is a struct whose members are looked at, p itself or one within.
type embedded struct {
	at       place
	index    []int
	optional bool
	times    int // how often its type is embedded at this depth
}

// members returns what encoding/json writes of a struct, in its order: breadth
// first, and of those with one name the one that lies least deep, then the one
// that a tag names; none where that leaves several.
func members(p place) []member {
	seen := map[reflect.Type]bool{}
	var all []member
	for level := []embedded{{at: p, times: 1}}; len(level) > 0; {
		var deeper []embedded
		for _, s := range level {
			if seen[s.at.t] {
				continue
			}
			seen[s.at.t] = true
			for i := range s.at.t.NumField() {
				all, deeper = s.look(i, all, deeper)
			}
		}
		level = deeper
	}
	return dominant(all)
}

// look adds a field of the struct to the members, or to the structs to look at.
func (s *embedded) look(i int, all []member, deeper []embedded) ([]member, []embedded) {
	f := s.at.t.Field(i)
	target, pointer := f.Type, f.Type.Kind() == reflect.Pointer && f.Type.Name() == ""
	if pointer {
		target = f.Type.Elem()
	}
	tag := f.Tag.Get("json")
	if tag == "-" || !f.IsExported() && (!f.Anonymous || target.Kind() != reflect.Struct) {
		return all, deeper
	}
	name, options := tag, ""
	if comma := strings.IndexByte(tag, ','); comma >= 0 {
		name, options = tag[:comma], tag[comma:]
	}
	index := append(slices.Clone(s.index), i)
	if f.Anonymous && !isName(name) && target.Kind() == reflect.Struct {
		inner := place{target, s.at.addressable || pointer}
		return all, embed(deeper, embedded{at: inner, index: index, optional: s.optional || pointer, times: 1})
	}
	m := member{name, isName(name), index, f, options, place{f.Type, s.at.addressable}, s.optional}
	if !m.tagged {
		m.name = f.Name
	}
	all = append(all, m)
	if s.times > 1 { // then it hides itself
		all = append(all, m)
	}
	return all, deeper
}

// embed adds a struct, or notes that it is embedded at this depth already.
func embed(level []embedded, s embedded) []embedded {
	for i := range level {
		if level[i].at.t == s.at.t {
			level[i].times++
			return level
		}
	}
	return append(level, s)
}

func dominant(all []member) []member {
	slices.SortStableFunc(all, func(a, b member) int {
		return cmp.Or(cmp.Compare(a.name, b.name), a.rank(b), slices.Compare(a.index, b.index))
	})
	var out []member
	for i := 0; i < len(all); {
		end := i + 1
		for end < len(all) && all[end].name == all[i].name {
			end++
		}
		if end == i+1 || all[i].rank(all[i+1]) != 0 {
			out = append(out, all[i])
		}
		i = end
	}
	slices.SortFunc(out, func(a, b member) int { return slices.Compare(a.index, b.index) })
	return out
}

// rank compares by depth, then by tag.
func (m *member) rank(other member) int {
	if c := cmp.Compare(len(m.index), len(other.index)); c != 0 || m.tagged == other.tagged {
		return c
	}
	if m.tagged {
		return -1
	}
	return 1
}

// isName reports whether encoding/json takes the name of a tag; else the field has
// the name that it has in Go.
func isName(s string) bool {
	for _, c := range s {
		if !strings.ContainsRune("!#$%&()*+-./:;<=>?@[]^_{|}~ ", c) && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return s != ""
}
