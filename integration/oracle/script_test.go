package oracle_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/oracle"
)

// script writes evidence from a line like "a1 ok, a1 begun@w2, a1 handled@w2": events are
// an aggregate and a place, each step comes a millisecond after the one before. "ok",
// "unknown" and "refused" are a publish with its outcome, "untold" is one without;
// "/1" behind a step is a delivery that was replayed once. "cut" stands alone.
type script struct {
	t     *testing.T
	now   time.Time
	began map[string]int64
	oracle.Evidence
}

func play(t *testing.T, steps string, s oracle.Subscriber) *script {
	t.Helper()
	s.Name = "shop.mailer"
	if s.Events == nil {
		s.Events = []string{"#"}
	}
	x := &script{t: t, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), began: map[string]int64{}}
	x.Subscribers = []oracle.Subscriber{s}
	for step := range strings.SplitSeq(steps, ",") {
		x.now = x.now.Add(time.Millisecond)
		x.step(strings.Fields(step))
	}
	return x
}

func (x *script) step(words []string) {
	if len(words) == 1 {
		require.Equal(x.t, "cut", words[0])
		x.Cuts = append(x.Cuts, x.now)
		return
	}
	what, worker, _ := strings.Cut(words[1], "@")
	what, replayed, _ := strings.Cut(what, "/")
	replays, _ := strconv.Atoi(replayed)
	r := x.record(words[0])
	r.Replays = replays
	switch what {
	case "ok", "unknown", "refused", "untold":
		x.publish(r, what)
	case "published":
		r.What = journal.Published
		x.Log.Records = append(x.Log.Records, r)
	case "letter":
		x.Letters = append(x.Letters, x.letter(r))
	default:
		if worker != "" {
			r.Worker = worker
		}
		x.handle(r, journal.What(what))
	}
}

func (x *script) record(id string) journal.Record {
	r := journal.Record{
		EventID: id, EventType: "order.created", AggregateType: "order", AggregateID: strings.Trim(id, "-0123456789"),
		Sum: journal.Sum([]byte(id)), ContentType: "application/json", Worker: "w1", PID: 7, Time: x.now.UnixNano(),
	}
	r.Seq, _ = strconv.ParseInt(strings.TrimLeft(id, "abcdefghij-"), 10, 64)
	return r
}

func (x *script) publish(r journal.Record, outcome string) {
	r.Worker, r.What = "p1", journal.Attempted
	x.Log.Records = append(x.Log.Records, r)
	r.Time += int64(time.Microsecond)
	switch outcome {
	case "ok":
		r.What = journal.Published
	case "untold":
		return
	default:
		r.What = journal.What(outcome)
	}
	x.Log.Records = append(x.Log.Records, r)
}

func (x *script) handle(r journal.Record, what journal.What) {
	r.What, r.Subscriber, r.Attempt, r.Seq = what, "shop.mailer", 1, 0
	key := r.EventID + r.Worker
	if what == journal.Begun {
		x.began[key] = r.Time
	} else {
		r.Began = x.began[key]
	}
	x.Log.Records = append(x.Log.Records, r)
}

func (x *script) letter(r journal.Record) dlq.Letter {
	return dlq.Letter{
		ID: "letter-" + strconv.Itoa(len(x.Letters)), Group: "shop", Subscriber: "mailer", EventID: r.EventID, Type: r.EventType,
		AggregateType: r.AggregateType, AggregateID: r.AggregateID, Body: []byte(r.EventID),
		Reason: dlq.HandlerError, Attempts: 1, Replays: r.Replays, BuriedAt: x.now, Errors: []string{"no way"},
	}
}

// broken returns the invariants that the report says are broken, in its order.
func broken(r oracle.Report) string {
	var out []string
	for _, f := range r.Findings {
		out = append(out, string(f.Invariant))
	}
	return strings.Join(slices.Compact(out), " ")
}
