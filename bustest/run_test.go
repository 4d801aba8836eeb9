package bustest

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-28af575d/eventbus"
)

func TestEveryCaseHasANameOfItsOwnAndAPromise(t *testing.T) {
	form := regexp.MustCompile(`^[A-Z][A-Za-z]+/[A-Z][A-Za-z0-9]+$`)
	seen := map[string]bool{}
	check := func(name, promise string) {
		if !form.MatchString(name) || seen[name] {
			t.Errorf("the name %q is not Theme/Case, or is another case's too", name)
		}
		if !strings.HasSuffix(promise, ".") {
			t.Errorf("the promise of %s is no sentence: %q", name, promise)
		}
		seen[name] = true
	}
	for _, c := range cases() {
		check(c.name, c.promise)
		if c.run == nil {
			t.Errorf("%s proves nothing", c.name)
		}
	}
	for _, p := range later {
		check(p.name, p.promise)
		if p.why == "" {
			t.Errorf("%s is left out without a reason", p.name)
		}
	}
}

func TestTheReportLeavesNothingOut(t *testing.T) {
	all := []test{{name: "A/One", promise: "First."}, {name: "A/Two", promise: "Second."}, {name: "A/Three", promise: "Third."}, {name: "A/Four", promise: "Fourth."}}
	v := newVerdicts(Backend{Capabilities: eventbus.Capabilities{Durable: true}}, all)
	v.set("A/One", proven)
	v.set("A/Two", broken)
	v.set("A/Three", notOffered+": "+join([]part{canCrash, canInject}))
	got := v.String()
	for _, want := range []string{
		"Durable:true", "A/One ", "proven ", "First.\n", "BROKEN ", "Second.\n", "not offered: Space.Crash, Space.Inject", "Third.\n",
		fmt.Sprintf("1 proven, 1 broken, 1 not offered, %d not yet asked for, 1 not selected", len(later)),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q:\n%s", want, got)
		}
	}
	for _, p := range later {
		if !strings.Contains(got, p.why) || !strings.Contains(got, p.promise) {
			t.Errorf("the report lacks %s:\n%s", p.name, got)
		}
	}
}

func TestWhatIsLackingIsSkipped(t *testing.T) {
	has := offer{canCrash: true, retains: false}
	if got := has.lacking([]part{canCrash, retains, hasAdmin}); join(got) != "Capabilities.Retains, eventbus.Admin" {
		t.Errorf("lacking: %v", got)
	}
	if got := has.lacking(nil); len(got) > 0 {
		t.Errorf("lacking: %v", got)
	}
}

// heard is a test that only listens.
type heard struct {
	testing.TB
	said []string
}

func (*heard) Helper()             {}
func (h *heard) Error(args ...any) { h.said = append(h.said, fmt.Sprint(args...)) }

func TestAFailureNamesThePromise(t *testing.T) {
	h := &heard{TB: t}
	k := &kit{TB: h, test: test{promise: "Nothing is lost."}}
	equal(k, "events", []string{"a-1"}, []string{"a-1"})
	k.is("publish", nil, nil)
	if len(h.said) > 0 {
		t.Errorf("said without a reason: %q", h.said)
	}
	equal(k, "events", []string{"a-1"}, []string{"a-1", "a-2"})
	k.is("publish", nil, eventbus.ErrClosed)
	inOrder(k, []string{"a-2", "a-1"}, story("a", 2))
	if len(h.said) != 3 {
		t.Fatalf("said %q", h.said)
	}
	for _, said := range h.said {
		if !strings.HasSuffix(said, "\nbroken promise: Nothing is lost.") {
			t.Errorf("said %q", said)
		}
	}
}
