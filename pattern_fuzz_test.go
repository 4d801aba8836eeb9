package eventbus_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

var (
	legalPattern = regexp.MustCompile(`\A([A-Za-z0-9_-]+|\*|#)(\.([A-Za-z0-9_-]+|\*|#))*\z`)
	legalName    = regexp.MustCompile(`\A[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\z`)
)

// selects is the rule of patterns as a table: whether the first i words of the
// pattern select the first j words of the name.
func selects(pattern, name string) bool {
	p, n := strings.Split(pattern, "."), strings.Split(name, ".")
	row := make([]bool, len(n)+1)
	row[0] = true
	for _, word := range p {
		next := make([]bool, len(n)+1)
		for j := range next {
			switch {
			case word == "#": // none more, or one more of many
				next[j] = row[j] || j > 0 && next[j-1]
			case j > 0:
				next[j] = row[j-1] && (word == "*" || word == n[j-1])
			}
		}
		row = next
	}
	return row[len(n)]
}

func FuzzPattern(f *testing.F) {
	for _, p := range []string{
		"#", "*", "order.created", "order.*", "*.created", "order.#", "#.created", "#.a.#.b.#", "*.#.*", "#.#", "*.*.*", "*.created.a", "permit.t06_determine_necessity_of_stop_advice",
		"", ".", "..", "order.", ".created", "order..created", "a.*b", "#a", "**", "a.#.*.#.b", "ordér.*", "a b", "a\n", strings.Repeat("#.", 60) + "x",
		strings.Repeat("a", 180), strings.Repeat("a", 181),
	} {
		f.Add(p, "order.created")
		f.Add(p, "a.b.a.b")
		f.Add(p, "permit.t06_determine_necessity_of_stop_advice")
		f.Add(p, strings.Repeat("a.", 89)+"b")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		if len(pattern)*len(name) > 1<<20 { // the table would take too long
			return
		}
		p := eventbus.Pattern(pattern)
		err := p.Validate()
		require.Equal(t, legalPattern.MatchString(pattern) && len(pattern) <= 180, err == nil, "%q: %v", pattern, err)
		if err != nil {
			require.ErrorIs(t, err, eventbus.ErrInvalid)
		}
		e := eventbus.NewRaw(name, "1", "", nil)
		err = e.Validate()
		require.Equal(t, legalName.MatchString(name) && len(name) <= 180, err == nil, "%q: %v", name, err)
		if p.Validate() == nil && err == nil {
			require.Equal(t, selects(pattern, name), p.Match(name), "%q against %q", pattern, name)
			require.True(t, eventbus.Pattern(name).Match(name) && eventbus.Pattern("#").Match(name), "%q", name)
		}
		p.Match(name) // whatever they are, it ends and does not panic
	})
}
