package dlq

import (
	"slices"
	"time"

	"github.com/seed-28af575d/eventbus"
)

// Filter selects letters; every field that is set must match.
type Filter struct {
	IDs                                  []string
	Group, Subscriber                    string
	Type                                 eventbus.Pattern
	AggregateType, AggregateID, TenantID string
	Reason                               Reason
	After, Before                        time.Time // LastFailure in [After, Before)
}

// Match reports whether the filter selects the letter.
func (f Filter) Match(l Letter) bool {
	return (len(f.IDs) == 0 || slices.Contains(f.IDs, l.ID)) &&
		is(f.Group, l.Group) && is(f.Subscriber, l.Subscriber) &&
		(f.Type == "" || f.Type.Match(l.Type)) &&
		is(f.AggregateType, l.AggregateType) && is(f.AggregateID, l.AggregateID) && is(f.TenantID, l.TenantID) &&
		is(string(f.Reason), string(l.Reason)) &&
		(f.After.IsZero() || !l.LastFailure.Before(f.After)) &&
		(f.Before.IsZero() || l.LastFailure.Before(f.Before))
}

func is(want, got string) bool { return want == "" || want == got }
