package integration_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/dlq"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/fault"
	"github.com/seed-28af575d/eventbus/integration/process"
)

// The hook of these tests is the proxy: it swallows one command or the answer to it, and the process
// that waits for that is killed with SIGKILL. So the command is not done, or it is and what was to come
// after it is not.

// crashing is a load of small events, none of which can be handled. Its subscribers go through
// the proxy, and the test does not.
func crashing(t *testing.T, k broker.Kind) (*load, *broker.Broker) {
	b := broker.Start(t, k, broker.Options{})
	l := newLoad(t, b.Proxied(), loadOptions{size: 64, fatal: 1000})
	l.direct = b.Server
	return l, b
}

// soon waits for what must come about.
func (l *load) soon(what string, f func() bool) {
	l.t.Helper()
	require.Eventually(l.t, f, loadPatience, 5*time.Millisecond, what)
}

// comes waits for a swallow.
func (l *load) comes(what string, c <-chan struct{}) {
	l.t.Helper()
	select {
	case <-c:
	case <-time.After(loadPatience):
		require.Fail(l.t, "it does not come about", what)
	}
}

// TestKilledBetweenLetterAndAck: an event has one letter, however often the process that
// is about to write it dies before that, or that has written it before its ack.
func TestKilledBetweenLetterAndAck(t *testing.T) { onEach(t, killedBetweenLetterAndAck) }

func killedBetweenLetterAndAck(t *testing.T, k broker.Kind) {
	l, b := crashing(t, k)
	to := l.connect()
	batches := 0
	publish := func() (id string) {
		events := append(l.publishBatch(to, 0, batches), l.publishBatch(to, 0, batches+1)...)
		batches += 2
		return events[rand.IntN(len(events))].ID
	}
	written := func(id string) <-chan struct{} { return b.Proxy().SwallowReply(id, fault.ThenSilence) }
	victim := l.serve()
	publish()
	l.soon("the server knows the script then", func() bool { return len(l.letters()) == batches*loadBatch })
	for range scaledTimes(20) / 2 {
		victim.Suspend()
		id := publish()
		before := b.Proxy().SwallowRequest(id)
		victim.Continue()
		l.comes("a letter is written", before)
		<-time.After(100 * time.Millisecond) // an ack that is not to be there yet would have come
		l.fault(victim.Kill)
		first := written(id)
		victim = l.serve()
		l.comes("it is written although the first was lost", first)
		l.fault(victim.Kill)
		again := b.Proxy().SwallowReply(finding(k, id), fault.ThenSilence) // the next one comes to the same event, and its letter
		victim = l.serve()
		l.comes("it is found", again)
		l.fault(victim.Kill)
		victim = l.serve()
	}
	for range scaledTimes(14) {
		publish()
	}
	require.NoError(t, l.judge().Err())
	require.Len(t, l.letters(), batches*loadBatch)
	l.stop()
}

// finding is what the process says to the server when it buries an event that has a letter.
func finding(k broker.Kind, id string) string {
	if k == broker.Kafka {
		return kafkaFetchesLetters // and writes no other one
	}
	return id
}

// TestKilledInMidReplay: a letter whose event was sent again and which was not removed is there
// still, and a second replay sends it again only where the server cannot tell that it was sent.
func TestKilledInMidReplay(t *testing.T) { onEach(t, killedInMidReplay) }

func killedInMidReplay(t *testing.T, k broker.Kind) {
	l, b := crashing(t, k)
	failing := l.serve()
	to := l.connect()
	for i := range scaledTimes(20) {
		l.publishBatch(to, 0, i)
	}
	l.soon("all are buried", func() bool { return len(l.letters()) == scaledTimes(20)*loadBatch })
	require.NoError(t, failing.Stop())
	l.options.fatal = 0
	l.serve()
	for range scaledTimes(5) {
		letters := l.letters()
		victim := letters[len(letters)/4+rand.IntN(len(letters)/2)]
		sent := b.Proxy().SwallowReply(sending(k, victim.ID), fault.ThenSilence)
		w := process.Start(t, process.Spec{Role: "replay", Args: busArgs(b.Proxied(), l.options.lease)})
		<-sent
		w.Kill()
		require.Contains(t, ids(l.letters()), victim.ID)
		l.expireLease(b, victim.ID)
	}
	q, _ := dlq.Of(l.bus)
	l.soon("the rest is replayed", func() bool {
		res, err := q.Replay(t.Context(), dlq.All, dlq.ReplayOptions{})
		require.NoError(t, err)
		require.Zero(t, res.Failed, res.Errors)
		return res.Matched == res.Replayed
	})
	l.inFlight = -loadWindow // nothing is handled twice
	if k != broker.Redis {
		l.inFlight += scaledTimes(5) // but that
	}
	require.NoError(t, l.judge().Err())
	require.Empty(t, l.letters())
	l.stop()
}

// sending is what the process says to the server when it sends the event of a letter again.
func sending(k broker.Kind, id string) string {
	switch k {
	case broker.Redis:
		return "letter/" + id
	case broker.Kafka:
		return id + "/" // the letter and which life of it that is; a claim says the letter alone
	}
	return id
}

// expireLease lets the time of a replay that was cut off be over. In the long form it passes
// by itself.
func (l *load) expireLease(b *broker.Broker, id string) {
	l.t.Helper()
	if !testing.Short() {
		return
	}
	switch b.Kind {
	case broker.Redis:
		require.Equal(l.t, "1\n", b.Exec("redis-cli", "DEL", "{"+loadPrefix+":dlq}:lease:"+id))
		return
	case broker.Kafka:
		newKafkaProducer(l.t, b.Server).unclaim(id)
		return
	}
	leases := 0
	for _, queue := range strings.Fields(b.Exec("rabbitmqctl", "-q", "list_queues", "name")) {
		if strings.Contains(queue, ".letters.lease.") {
			b.Exec("rabbitmqctl", "delete_queue", queue)
			leases++
		}
	}
	require.Equal(l.t, 1, leases)
}

func ids(letters []dlq.Letter) (ids []string) {
	for i := range letters {
		ids = append(ids, letters[i].ID)
	}
	return ids
}

// replay is the process that replays everything.
func replay(ctx context.Context, args process.Args) error {
	bus, closeClient, err := openArgs(args, eventbus.Options{})
	if err != nil {
		return err
	}
	q, _ := dlq.Of(bus)
	_, err = q.Replay(ctx, dlq.All, dlq.ReplayOptions{})
	return errors.Join(err, bus.Shutdown(ctx), closeClient())
}
