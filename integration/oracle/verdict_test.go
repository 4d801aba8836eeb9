package oracle_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/oracle"
)

type verdict struct {
	steps string
	sub   oracle.Subscriber
	want  string
}

func judge(t *testing.T, cases map[string]verdict) {
	t.Helper()
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			r := oracle.Check(play(t, c.steps, c.sub).Evidence)
			require.Equal(t, c.want, broken(r), "%s", r)
			require.Equal(t, c.want == "", r.Err() == nil)
		})
	}
}

func TestNothingLost(t *testing.T) {
	judge(t, map[string]verdict{
		"handled":                          {"a1 ok, a1 begun, a1 handled", oracle.Subscriber{}, ""},
		"buried":                           {"a1 ok, a1 begun, a1 failed, a1 letter", oracle.Subscriber{}, ""},
		"buried unseen":                    {"a1 ok, a1 letter", oracle.Subscriber{}, ""},
		"never seen":                       {"a1 ok", oracle.Subscriber{}, "I1"},
		"begun only":                       {"a1 ok, a1 begun", oracle.Subscriber{}, "I1"},
		"failed only":                      {"a1 ok, a1 begun, a1 failed", oracle.Subscriber{}, "I1"},
		"unknown and not there":            {"a1 unknown", oracle.Subscriber{}, ""},
		"untold and not there":             {"a1 untold", oracle.Subscriber{}, ""},
		"unknown and there":                {"a1 unknown, a1 begun, a1 handled", oracle.Subscriber{}, ""},
		"refused":                          {"a1 refused", oracle.Subscriber{}, ""},
		"unknown, then ok":                 {"a1 unknown, a1 ok", oracle.Subscriber{}, "I1"},
		"ok, then unknown":                 {"a1 ok, a1 unknown", oracle.Subscriber{}, "I1"},
		"refused, then ok":                 {"a1 refused, a1 ok", oracle.Subscriber{}, "I1"},
		"not asked for":                    {"a1 ok", oracle.Subscriber{Events: []string{"invoice.*", "order.paid"}}, ""},
		"not needed":                       {"a1 ok", oracle.Subscriber{Needs: func(r journal.Record) bool { return r.Seq > 1 }}, ""},
		"needed":                           {"a1 ok", oracle.Subscriber{Needs: func(r journal.Record) bool { return r.Seq == 1 }}, "I1"},
		"two letters":                      {"a1 ok, a1 letter, a1 letter/1", oracle.Subscriber{}, "I1"},
		"two letters of two copies":        {"a1 unknown, a1 ok, a1 letter, a1 letter", oracle.Subscriber{}, ""},
		"two letters, one copy refused":    {"a1 refused, a1 ok, a1 letter, a1 letter", oracle.Subscriber{}, "I1"},
		"a letter that cannot be read":     {"a1 ok, a1 handled", oracle.Subscriber{Foreign: 1}, "I1"},
		"the publisher's first try untold": {"a1 untold, a1 refused", oracle.Subscriber{}, ""},
	})
}

func TestOrder(t *testing.T) {
	each := oracle.Subscriber{Order: oracle.EachProcess}
	judge(t, map[string]verdict{
		"in order":                      {"a1 ok, a2 ok, a1 begun, a1 handled, a2 begun, a2 handled", oracle.Subscriber{}, ""},
		"swapped":                       {"a1 ok, a2 ok, a2 begun, a2 handled, a1 begun, a1 handled", oracle.Subscriber{}, "I2"},
		"swapped, no order":             {"a1 ok, a2 ok, a2 begun, a2 handled, a1 begun, a1 handled", oracle.Subscriber{Order: oracle.None}, ""},
		"at once":                       {"a1 ok, a2 ok, a1 begun, a2 begun@w2, a1 handled, a2 handled@w2", oracle.Subscriber{}, "I2"},
		"another aggregate at once":     {"a1 ok, b2 ok, b2 begun, a1 begun, b2 handled, a1 handled", oracle.Subscriber{}, ""},
		"no aggregate":                  {"-1 ok, -2 ok, -2 begun, -2 handled, -1 begun, -1 handled", oracle.Subscriber{}, ""},
		"behind one further away":       {"a1 ok, a2 ok, a3 ok, a2 begun, a2 handled, a3 begun, a3 handled, a1 begun, a1 handled", oracle.Subscriber{}, "I2"},
		"retried":                       {"a1 ok, a2 ok, a1 begun, a1 failed, a1 begun, a1 handled, a2 begun, a2 handled", oracle.Subscriber{}, ""},
		"past one that is retried":      {"a1 ok, a2 ok, a1 begun, a1 failed, a2 begun, a2 handled, a1 begun, a1 handled", oracle.Subscriber{}, "I2"},
		"behind a letter":               {"a1 ok, a2 ok, a1 begun, a1 failed, a1 letter, a2 begun, a2 handled", oracle.Subscriber{}, ""},
		"before the letter":             {"a1 ok, a2 ok, a1 begun, a1 failed, a2 begun, a2 handled, a1 letter", oracle.Subscriber{}, "I2"},
		"a replay comes late":           {"a1 ok, a2 ok, a1 begun, a1 failed, a2 begun, a2 handled, a1 begun/1, a1 handled/1", oracle.Subscriber{}, ""},
		"a replay that failed again":    {"a1 ok, a2 ok, a1 begun, a1 failed, a2 begun, a2 handled, a1 begun/1, a1 failed/1, a1 letter/1", oracle.Subscriber{}, ""},
		"a replay, and past a retry":    {"a1 ok, a2 ok, a2 begun, a2 handled, a1 begun, a1 failed, a1 begun/1, a1 handled/1", oracle.Subscriber{}, "I2"},
		"an old one again":              {"a1 ok, a2 ok, a1 begun, a1 handled, a2 begun, a2 handled, a1 begun, a1 handled", oracle.Subscriber{Repeats: 1}, ""},
		"a stuck one ends late":         {"a1 ok, a2 ok, a1 begun, a1 letter, a2 begun, a2 handled, a1 handled", oracle.Subscriber{Repeats: 1}, ""},
		"an unknown one is missing":     {"a1 unknown, a2 ok, a2 begun, a2 handled", oracle.Subscriber{}, ""},
		"an unknown one out of order":   {"a1 unknown, a2 ok, a2 begun, a2 handled, a1 begun, a1 handled", oracle.Subscriber{}, "I2"},
		"published again at once":       {"a1 unknown, a1 ok, a2 ok, a2 begun, a2 handled, a1 begun, a1 handled", oracle.Subscriber{}, "I2"},
		"published again after another": {"a1 unknown, a2 ok, a1 ok, a2 begun, a2 handled, a1 begun, a1 handled", oracle.Subscriber{}, ""},
		"two processes, everywhere":     {"a1 ok, a2 ok, a2 begun@w2, a2 handled@w2, a1 begun, a1 handled", oracle.Subscriber{}, "I2"},
		"two processes, each":           {"a1 ok, a2 ok, a2 begun@w2, a2 handled@w2, a1 begun, a1 handled", each, ""},
		"one of two processes":          {"b1 ok, a1 ok, a2 ok, b1 begun@w2, b1 handled@w2, a2 begun, a2 handled, a1 begun, a1 handled", each, "I2"},
		"given back by another":         {"b1 ok, a1 ok, a2 ok, b1 begun@w2, b1 handled@w2, a2 begun, a2 handled, cut, a1 begun, a1 handled", each, ""},
		"a cut before it all":           {"cut, b1 ok, a1 ok, a2 ok, b1 begun@w2, b1 handled@w2, a2 begun, a2 handled, a1 begun, a1 handled", each, "I2"},
		"a cut, and nobody else":        {"a1 ok, a2 ok, a2 begun, a2 handled, cut, a1 begun, a1 handled", each, "I2"},
		"a cut is no excuse everywhere": {"b1 ok, a1 ok, a2 ok, b1 begun@w2, b1 handled@w2, a2 begun, a2 handled, cut, a1 begun, a1 handled", oracle.Subscriber{}, "I2"},
		"before its letter, each":       {"a1 ok, a2 ok, a1 begun, a1 failed, a2 begun, a2 handled, a1 letter", each, "I2"},
	})
}

// One that comes late is held against every later one, not against the next alone.
func TestALateEventIsHeldAgainstAllThatPassedIt(t *testing.T) {
	r := oracle.Check(play(t, "a1 ok, a2 ok, a3 ok, a2 begun, a2 handled, a3 begun, a3 handled, a1 begun, a1 handled", oracle.Subscriber{}).Evidence)
	require.Len(t, r.Findings, 1)
	require.Equal(t, 2, r.Findings[0].Count)
	require.Len(t, r.Findings[0].Examples, 1)
	require.Contains(t, r.String(), "and 1 more of this aggregate")
}

func TestRepeats(t *testing.T) {
	twice := "a1 ok, a1 begun, a1 handled, a1 begun, a1 handled"
	judge(t, map[string]verdict{
		"none allowed":                  {twice, oracle.Subscriber{}, "I3"},
		"one allowed":                   {twice, oracle.Subscriber{Repeats: 1}, ""},
		"three, two allowed":            {twice + ", a1 handled, a1 handled", oracle.Subscriber{Repeats: 2}, "I3"},
		"of several events":             {twice + ", b1 ok, b1 handled, b1 handled", oracle.Subscriber{Repeats: 1}, "I3"},
		"a failure is none":             {"a1 ok, a1 failed, a1 failed, a1 handled", oracle.Subscriber{}, ""},
		"handled and buried":            {"a1 ok, a1 handled, a1 failed, a1 letter", oracle.Subscriber{}, "I3"},
		"handled and buried, allowed":   {"a1 ok, a1 handled, a1 failed, a1 letter", oracle.Subscriber{Repeats: 1}, ""},
		"published twice":               {"a1 unknown, a1 ok, a1 handled, a1 handled", oracle.Subscriber{}, ""},
		"published twice, thrice there": {"a1 unknown, a1 ok, a1 handled, a1 handled, a1 handled", oracle.Subscriber{}, "I3"},
		"refused copies are none":       {"a1 refused, a1 ok, a1 handled, a1 handled", oracle.Subscriber{}, "I3"},
	})
}

func TestNothingInvented(t *testing.T) {
	judge(t, map[string]verdict{
		"handled":               {"a1 ok, a1 handled, b1 handled", oracle.Subscriber{}, "I4"},
		"begun":                 {"a1 ok, a1 handled, b1 begun", oracle.Subscriber{}, "I4"},
		"failed":                {"a1 ok, a1 handled, b1 failed", oracle.Subscriber{}, "I4"},
		"buried":                {"a1 ok, a1 handled, b1 letter", oracle.Subscriber{}, "I4"},
		"refused, and there":    {"a1 refused, a1 begun", oracle.Subscriber{}, "I4"},
		"refused, and buried":   {"a1 refused, a1 letter", oracle.Subscriber{}, "I4"},
		"not asked for":         {"a1 ok, a1 handled", oracle.Subscriber{Events: []string{"order.paid"}}, "I4"},
		"not asked for, begun":  {"a1 ok, a1 begun, a1 failed", oracle.Subscriber{Events: []string{"order.paid"}}, ""},
		"an unreadable one":     {"a1 ok, a1 handled", oracle.Subscriber{Foreign: 0}, ""},
		"untold, then refused":  {"a1 untold, a1 refused, a1 handled", oracle.Subscriber{}, ""},
		"unknown, then refused": {"a1 unknown, a1 refused, a1 handled", oracle.Subscriber{}, ""},
	})
}
