package kafkabus

import (
	"context"
	"fmt"
	"sync"

	"github.com/segmentio/kafka-go/protocol/produce"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// forsaken are requests to store whose callers have not waited for the answer, by partition. They may be stored yet:
// nothing more is sent to the partition until they are answered or given up.
type forsaken struct {
	mu sync.Mutex
	at map[place]<-chan struct{}
}

// settle waits for what was sent to these partitions before.
func (f *forsaken) settle(ctx context.Context, portions []*portion) error {
	for _, p := range portions {
		at := place{p.topic, p.partition}
		f.mu.Lock()
		done := f.at[at]
		f.mu.Unlock()
		if done == nil {
			continue
		}
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("%w: it is not known yet what became of the events sent before to %s/%d: %w", engine.ErrNotStored, at.topic, at.partition, ctx.Err())
		}
		f.mu.Lock()
		if f.at[at] == done {
			delete(f.at, at)
		}
		f.mu.Unlock()
	}
	return nil
}

// add notes that done says when those of these partitions are settled.
func (f *forsaken) add(portions []*portion, done <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.at == nil {
		f.at = map[place]<-chan struct{}{}
	}
	for _, p := range portions {
		f.at[place{p.topic, p.partition}] = done
	}
}

// store has the leader of the portions store them, and returns when it has answered or the context has ended. kafka-go
// cannot take back a request, and sends it even when its caller has gone.
func (c *client) store(ctx context.Context, portions []*portion, request *rawproduce.Request) (*produce.Response, error) {
	if err := c.forsaken.settle(ctx, portions); err != nil {
		return nil, err
	}
	var answer *produce.Response
	var failure error
	done := make(chan struct{})
	go func() {
		defer close(done)
		ctx, cancel := bounded(context.WithoutCancel(ctx))
		defer cancel()
		response, err := c.RoundTrip(ctx, c.addr, request)
		answer, _ = response.(*produce.Response)
		if failure = err; err == nil && answer == nil {
			failure = fmt.Errorf("%w: unexpected answer %T", errUntold, response)
		}
	}()
	select {
	case <-done:
		return answer, failure
	case <-ctx.Done():
		c.forsaken.add(portions, done)
		return nil, context.Cause(ctx)
	}
}
