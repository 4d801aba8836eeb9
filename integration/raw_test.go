package integration_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/journal"
	"github.com/seed-28af575d/eventbus/integration/oracle"
	"github.com/seed-28af575d/eventbus/integration/process"
)

// The tools together, without a bus: a program that publishes to a Redis stream, and one
// that drains it, which is killed, as is the broker.

const (
	stream = "events"
	group  = "shop.mailer"
	batch  = 16
)

// TestKilledProcessesAndBrokersLoseNothing: of a program that handles before it acks.
func TestKilledProcessesAndBrokersLoseNothing(t *testing.T) {
	report := rawRun(t, "careful")
	require.NoError(t, report.Err())
	require.Equal(t, rawEvents, report.Published.OK+report.Published.Unknown)
	require.Positive(t, report.Subscribers[0].Repeats+report.Subscribers[0].CutOff, "the kills hit something: %s", report)
}

// TestTheOracleCatchesAProgramThatAcksBeforeItHandles is the negative control.
func TestTheOracleCatchesAProgramThatAcksBeforeItHandles(t *testing.T) {
	var broken *oracle.BrokenError
	require.ErrorAs(t, rawRun(t, "careless").Err(), &broken)
	require.Equal(t, oracle.NothingLost, broken.Report.Findings[0].Invariant, broken)
}

const (
	rawEvents     = 3000
	rawAggregates = 50
	kills         = 3

	// What a drain does in the middle of its first batch.
	goesOn, stays = "goes on", "stays there"
)

// rawRun publishes while the drain is killed three times and the broker once, and judges.
func rawRun(t *testing.T, manner string) oracle.Report {
	b := broker.Start(t, broker.Redis, broker.Options{})
	c := redis.NewClient(&redis.Options{Addr: b.Addr, MaxRetries: -1})
	t.Cleanup(func() { require.NoError(t, c.Close()) })
	require.NoError(t, c.XGroupCreateMkStream(t.Context(), stream, group, "0").Err())

	dir := t.TempDir()
	paths := []string{filepath.Join(dir, "publisher")}
	start := func(then string) *process.Worker {
		paths = append(paths, filepath.Join(dir, "drain-"+strconv.Itoa(len(paths))))
		w := process.Start(t, process.Spec{Role: "drain", Args: process.Args{
			"addr": b.Addr, "file": paths[len(paths)-1], "manner": manner, "then": then,
		}})
		w.Ready() // in the middle of a batch
		return w
	}

	published := make(chan error, 1)
	go func(path string) { published <- publishRaw(t.Context(), c, path) }(paths[0])
	start(stays).Kill()
	for range kills - 1 { // which may be between two batches by then
		start(goesOn).Kill()
	}
	b.Kill()
	b.Start()
	last := start(goesOn)
	require.NoError(t, <-published)
	require.Eventually(t, func() bool {
		groups, err := c.XInfoGroups(t.Context(), stream).Result()
		return err == nil && groups[0].Pending == 0 && groups[0].Lag == 0
	}, time.Minute, 20*time.Millisecond)
	require.ErrorContains(t, last.Stop(), process.ErrStopped.Error())

	log, err := journal.Read(paths...)
	require.NoError(t, err)
	return oracle.Check(oracle.Evidence{Log: log, Subscribers: []oracle.Subscriber{
		{Name: group, Events: []string{"#"}, Repeats: batch * (kills + 1)},
	}})
}

// publishRaw appends the events one by one. A broker that is away is waited for, and an
// event whose fate is not known is not sent again.
func publishRaw(ctx context.Context, c *redis.Client, path string) error {
	j, err := journal.Open(path, "publisher")
	if err != nil {
		return err
	}
	for i := range rawEvents {
		r := journal.Record{
			EventID: "event-" + strconv.Itoa(i), EventType: "order.created", AggregateType: "order",
			AggregateID: strconv.Itoa(i % rawAggregates), Seq: int64(i/rawAggregates + 1), Sum: journal.Sum([]byte(strconv.Itoa(i))),
		}
		if err := appendRaw(ctx, c, j, r); err != nil {
			return err
		}
	}
	return j.Close()
}

func appendRaw(ctx context.Context, c *redis.Client, j *journal.Journal, r journal.Record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	r.What = journal.Attempted
	if err := j.Write(r); err != nil {
		return err
	}
	r.What = journal.Published
	if err := c.XAdd(ctx, &redis.XAddArgs{Stream: stream, Values: []any{"record", text}}).Err(); err != nil {
		r.What, r.Err = journal.Unknown, err.Error()
	}
	for ctx.Err() == nil && c.Ping(ctx).Err() != nil { // it is away
	}
	return errors.Join(j.Write(r), ctx.Err())
}

// drain is a consumer of the group under one name, so that the next process of the role
// begins with what the last has left.
func drain(ctx context.Context, args process.Args) (err error) {
	j, err := journal.Open(args["file"], "drain")
	if err != nil {
		return err
	}
	c := redis.NewClient(&redis.Options{Addr: args["addr"]})
	defer func() { err = errors.Join(err, c.Close(), j.Close()) }()
	for from := "0"; ctx.Err() == nil; {
		entries, err := read(ctx, c, from)
		if err != nil {
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		}
		if len(entries) == 0 {
			from = ">" // nothing left of the one before
		}
		if err := handleRaw(ctx, c, j, entries, args); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

func read(ctx context.Context, c *redis.Client, from string) ([]redis.XMessage, error) {
	streams, err := c.XReadGroup(ctx, &redis.XReadGroupArgs{
		Group: group, Consumer: "drain", Streams: []string{stream, from}, Count: batch, Block: 100 * time.Millisecond,
	}).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	if err != nil || len(streams) == 0 {
		return nil, err
	}
	return streams[0].Messages, nil
}

func handleRaw(ctx context.Context, c *redis.Client, j *journal.Journal, entries []redis.XMessage, args process.Args) error {
	careless := args["manner"] == "careless"
	for i, entry := range entries {
		if careless && i == 0 {
			if err := ack(ctx, c, entries...); err != nil {
				return err
			}
		}
		var r journal.Record
		if err := json.Unmarshal([]byte(entry.Values["record"].(string)), &r); err != nil {
			return err
		}
		r.What, r.Subscriber, r.Attempt, r.Seq = journal.Begun, group, 1, 0
		if err := j.Write(r); err != nil {
			return err
		}
		if i == batch/2 {
			process.Ready(ctx)
			if args["then"] == stays {
				<-ctx.Done()
				return context.Cause(ctx)
			}
		}
		r.What, r.Began, r.Time = journal.Handled, time.Now().UnixNano(), 0
		if err := j.Write(r); err != nil {
			return err
		}
	}
	if careless {
		return nil
	}
	return ack(ctx, c, entries...)
}

func ack(ctx context.Context, c *redis.Client, entries ...redis.XMessage) error {
	ids := make([]string, len(entries))
	for i, entry := range entries {
		ids[i] = entry.ID
	}
	if len(ids) == 0 {
		return nil
	}
	return c.XAck(ctx, stream, group, ids...).Err()
}
