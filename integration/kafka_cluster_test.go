package integration_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/cluster"
	"github.com/seed-28af575d/eventbus/integration/journal"
)

// onKafkas is a load on a cluster of three, with replication 3 of which two must be in sync, and two
// processes that handle it.
func onKafkas(t *testing.T, o loadOptions) (*cluster.KafkaCluster, *load) {
	t.Helper()
	if testing.Short() {
		t.Skip("three nodes take two cores for themselves: make faults")
	}
	c := cluster.Kafka(t)
	l := newLoad(t, c.Server, o)
	l.serve()
	l.serve()
	c.AwaitReplicated()
	l.publish()
	return c, l
}

// A roll-out of the brokers, one after the other, is next to nothing for who publishes.
func TestKafkaIsRolledOut(t *testing.T) {
	c, l := onKafkas(t, loadOptions{events: 20_000})
	l.until(20)
	l.through(func() {
		began := time.Now()
		for _, n := range c.Nodes {
			next := time.After(20 * time.Second)
			l.fault(n.Stop)
			n.Start()
			c.AwaitReplicated()
			<-next
		}
		a := l.available(began)
		require.Greater(t, a.share(), 0.9)
		require.Greater(t, a.times(), 0.9)
	})
	require.NoError(t, l.judge().Err())
	l.stop()
}

// Nothing is lost, and nothing overtakes, where the broker that leads a partition is killed, five times.
func TestKafkaLeaderIsKilled(t *testing.T) {
	c, l := onKafkas(t, loadOptions{events: 10_000})
	for i := range 5 {
		l.until(15 + 15*i)
		l.through(func() {
			began := time.Now()
			leader := c.Nodes[c.Leader(loadTopic, i%loadPartitions)]
			l.fault(leader.Kill)
			l.lasts(2 * time.Second)
			leader.Start()
			c.AwaitReplicated()
			l.available(began)
		})
	}
	require.NoError(t, l.judge().Err())
	l.stop()
}

// With one broker of three, and two that must have an event, nothing is stored, and no Publish says so.
func TestKafkaHasTooFewReplicas(t *testing.T) {
	c, l := onKafkas(t, loadOptions{events: 5_000})
	l.until(40)
	l.through(func() {
		one := c.Leader(loadTopic, 0)
		two := (one + 1) % len(c.Nodes)
		l.fault(func() {
			c.Nodes[one].Kill()
			c.Nodes[two].Kill()
		})
		down := time.Now()
		for time.Since(down) < 20*time.Second {
			l.cannotPublish()
		}
		for _, r := range l.publications() {
			if r.At().After(down) {
				require.NotEqual(t, journal.Published, r.What, "%s of %s", r.EventID, r.AggregateID)
			}
		}
		broker.StartAll(c.Nodes[one], c.Nodes[two])
		c.AwaitReplicated()
	})
	require.NoError(t, l.judge().Err())
	l.stop()
}

// cannotPublish: an event for each of many partitions is refused, or its outcome unknown, in time.
func (l *load) cannotPublish() {
	l.t.Helper()
	events := make([]eventbus.DomainEvent, 4*loadPartitions)
	for i := range events {
		events[i] = eventbus.NewRaw("order.created", fmt.Sprint("probe", i), "application/octet-stream", payload(i, l.options.size))
	}
	began := time.Now()
	err := l.written.Publisher(l.bus).Publish(l.t.Context(), events...)
	require.Less(l.t, time.Since(began), loadPublishing+time.Second)
	var failed *eventbus.PublishError
	require.ErrorAs(l.t, err, &failed)
	require.Len(l.t, failed.Failed, len(events))
	for _, x := range failed.Failed {
		require.NotEqual(l.t, errors.Is(x, eventbus.ErrRefused), errors.Is(x, eventbus.ErrUnknown), "%v", x)
	}
}

// publications are what the publishers have written down so far.
func (l *load) publications() []journal.Record {
	l.t.Helper()
	var its []string
	for _, path := range l.paths {
		if strings.HasSuffix(path, "publish") {
			its = append(its, path)
		}
	}
	log, err := journal.Read(its...)
	require.NoError(l.t, err)
	return log.Records
}

// availability is how well publishers fared in a span of time.
type availability struct {
	of            time.Duration
	tried, stored int           // events
	failing       time.Duration // of all publishers, in calls that failed
	waiting       time.Duration // in those that took longer than a second, the others
	longest       time.Duration
}

// available looks at what was published since then.
func (l *load) available(from time.Time) (a availability) {
	l.t.Helper()
	attempted := map[string]time.Time{}
	a.of = time.Since(from)
	for _, r := range l.publications() {
		began, known := attempted[r.EventID]
		switch {
		case r.What == journal.Attempted && r.At().After(from):
			attempted[r.EventID] = r.At()
		case known:
			a.count(r, began)
		}
	}
	require.Positive(l.t, a.tried)
	l.t.Log(a)
	return a
}

func (a *availability) count(r journal.Record, began time.Time) {
	took := r.At().Sub(began)
	a.tried++
	a.longest = max(a.longest, took)
	switch {
	case r.What != journal.Published:
		a.failing += took / loadBatch
		return
	case took > time.Second:
		a.waiting += took / loadBatch
	}
	a.stored++
}

// share is of the events, those that were stored.
func (a availability) share() float64 { return float64(a.stored) / float64(a.tried) }

// times is for how much of the time publishers were not in a call that failed.
func (a availability) times() float64 { return 1 - a.part(a.failing) }

func (a availability) part(d time.Duration) float64 {
	return float64(d) / loadPublishers / float64(a.of)
}

func (a availability) String() string {
	return fmt.Sprintf("of %d events %.2f %% were stored; of %s publishers spent %.2f %% in calls that failed, and %.2f %% in others that took longer than a second; the longest took %s",
		a.tried, a.share()*100, a.of.Round(time.Second), a.part(a.failing)*100, a.part(a.waiting)*100, a.longest.Round(time.Millisecond))
}
