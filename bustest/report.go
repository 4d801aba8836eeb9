package bustest

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/seed-28af575d/eventbus"
)

// The verdicts on a case. That of one that is not offered says what is lacking.
const (
	proven     = "proven"
	broken     = "BROKEN"
	notOffered = "not offered"
)

// verdicts are what a run has found out, by case.
type verdicts struct {
	capabilities eventbus.Capabilities
	all          []test

	mu    sync.Mutex
	found map[string]string
}

func newVerdicts(b Backend, all []test) *verdicts {
	return &verdicts{capabilities: b.Capabilities, all: all, found: map[string]string{}}
}

// verdictOn is that on a case which has run as t.
func verdictOn(t testing.TB) string {
	if t.Failed() {
		return broken
	}
	return proven
}

func (v *verdicts) set(name, verdict string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.found[name] = verdict
}

// String returns the table. Cases that were not selected are only counted.
func (v *verdicts) String() string {
	v.mu.Lock()
	defer v.mu.Unlock()
	rows := [][3]string{{"CASE", "VERDICT", "PROMISE"}}
	count := map[string]int{}
	for _, c := range v.all {
		if verdict, ok := v.found[c.name]; ok {
			rows = append(rows, [3]string{c.name, verdict, c.promise})
			kind, _, _ := strings.Cut(verdict, ":")
			count[kind]++
		}
	}
	for _, p := range later {
		rows = append(rows, [3]string{p.name, p.why, p.promise})
	}
	return fmt.Sprintf("what is proven of this backend, which declares %+v:\n%s"+
		"%d proven, %d broken, %d not offered, %d not yet asked for, %d not selected",
		v.capabilities, table(rows), count[proven], count[broken], count[notOffered], len(later), len(v.all)-len(v.found))
}

// table aligns the first two columns.
func table(rows [][3]string) string {
	var name, verdict int
	for _, r := range rows {
		name, verdict = max(name, len(r[0])), max(verdict, len(r[1]))
	}
	var b strings.Builder
	for _, r := range rows {
		fmt.Fprintf(&b, "%-*s  %-*s  %s\n", name, r[0], verdict, r[1], r[2])
	}
	return b.String()
}

func join(parts []part) string {
	words := make([]string, len(parts))
	for i, p := range parts {
		words[i] = string(p)
	}
	return strings.Join(words, ", ")
}
