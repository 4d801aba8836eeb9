package dlq

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/seed-28af575d/eventbus"
)

const (
	// A caller settles its letter within the lease, or two could replay it.
	lease      = 30 * time.Second
	sendTime   = 20 * time.Second // of the lease, for sending
	settleTime = 5 * time.Second  // of the lease, for removing or releasing
	maxErrors  = 10
)

// ReplayOptions say how to replay.
type ReplayOptions struct {
	// DryRun only counts: nothing is taken, sent or removed.
	DryRun bool
	// Limit is how many letters at most are replayed, the oldest. Those at the bound
	// of replays are passed over and do not count. Zero means all.
	Limit int
	// Force replays letters beyond the bound of replays too.
	Force bool
	// MaxReplays is the bound: a letter that was replayed so often is not replayed
	// again. Zero means the queue's, which is 5 unless the bus says otherwise.
	MaxReplays int
	// Progress is called by Replay after each letter, in the goroutine of Replay's
	// caller, with the result so far. Zero means that nobody is told.
	Progress func(ReplayResult)
}

func (o ReplayOptions) validate() error {
	var errs []error
	for _, x := range []struct {
		field string
		value int
	}{{"limit", o.Limit}, {"max_replays", o.MaxReplays}} {
		if x.value < 0 {
			errs = append(errs, &eventbus.ValidationError{Field: x.field, Rule: "must not be negative", Value: strconv.Itoa(x.value)})
		}
	}
	return errors.Join(errs...)
}

// ReplayResult counts letters. Matched and Bounded are known from the beginning.
// After a run to the end that was no dry run, Matched is the sum of the others.
type ReplayResult struct {
	Matched  int     // selected
	Replayed int     // sent, confirmed and removed
	Taken    int     // left, as another caller is replaying them
	Bounded  int     // left, as they were replayed too often
	Gone     int     // removed by someone else since they were selected
	Failed   int     // left, for the reasons in Errors
	Errors   []error // the first 10
}

// ReplayOne sends the letter to its group again and removes it once that is
// confirmed. It returns [ErrNotFound], [ErrTaken] or [ErrReplayBound] when it does
// nothing; after any other error the letter is still there. Of the options, DryRun
// makes it stop after the checks of presence and bound; Limit and Progress have no
// meaning.
func (q *Queue) ReplayOne(ctx context.Context, id string, o ReplayOptions) error {
	if err := q.replayOne(ctx, id, o); err != nil {
		return failedOne("replay", id, err)
	}
	return nil
}

func (q *Queue) replayOne(ctx context.Context, id string, o ReplayOptions) error {
	if err := o.validate(); err != nil {
		return err
	}
	l, err := q.find(ctx, id)
	if err != nil {
		return err
	}
	if q.bounded(&l, o) {
		return fmt.Errorf("%w: %d times", ErrReplayBound, l.Replays)
	}
	if o.DryRun {
		return nil
	}
	return q.deliver(ctx, id)
}

// Replay replays the letters that match, oldest first and one after the other. The
// selection is made at the beginning: letters that are buried later, those that
// fail again included, are not in it. The zero Filter is refused; [All] is not.
//
// Letters that cannot be replayed stay, are counted, and do not end the run nor
// make an error of it. The error is that of a run that ended early, with the
// result so far: ctx's when ctx ended, [eventbus.ErrClosed] of a closed bus. The
// letters that were not reached stay, and so does the one that was being sent.
func (q *Queue) Replay(ctx context.Context, f Filter, o ReplayOptions) (ReplayResult, error) {
	ids, r, err := q.choose(ctx, f, o)
	if err != nil {
		return ReplayResult{}, failed("replay", err)
	}
	if o.DryRun {
		return r, nil
	}
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return r, r.stopped(err)
		}
		err := q.deliver(ctx, id)
		if ended := ctx.Err(); ended != nil && errors.Is(err, ended) {
			return r, r.stopped(err)
		}
		r.count(id, err)
		if o.Progress != nil {
			shared := r
			shared.Errors = slices.Clip(r.Errors)
			o.Progress(shared)
		}
		if errors.Is(err, eventbus.ErrClosed) {
			return r, r.stopped(err)
		}
	}
	return r, nil
}

// choose returns the IDs of the letters to replay.
func (q *Queue) choose(ctx context.Context, f Filter, o ReplayOptions) (ids []string, r ReplayResult, err error) {
	if err := errors.Join(o.validate(), f.said("replay")); err != nil {
		return nil, r, err
	}
	for letters, err := range q.pages(ctx, f) {
		if err != nil {
			return nil, r, err
		}
		for i := range letters {
			r.Matched++
			if q.bounded(&letters[i], o) {
				r.Bounded++
				continue
			}
			if ids = append(ids, letters[i].ID); len(ids) == o.Limit {
				return ids, r, nil
			}
		}
	}
	return ids, r, nil
}

func (q *Queue) bounded(l *Letter, o ReplayOptions) bool {
	most := o.MaxReplays
	if most == 0 {
		most = q.maxReplays
	}
	return l.Replays >= most && !o.Force
}

// deliver takes, sends and removes one letter; what fails before the removal
// leaves it as it was.
func (q *Queue) deliver(ctx context.Context, id string) error {
	until := q.now().Add(lease)
	l, err := q.store.Take(ctx, id, lease)
	if err != nil {
		return err
	}
	sending, cancel := context.WithTimeout(ctx, sendTime)
	err = q.send(sending, l)
	cancel()
	// What was begun is settled, also when the caller has given up.
	settling, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if err != nil {
		return q.release(settling, id, until, err)
	}
	if _, err := q.store.Remove(settling, id); err != nil {
		return fmt.Errorf("sent, but not removed: it may be replayed twice, the second time with the same letter ID: %w", err)
	}
	return nil
}

// release gives back the letter that was not sent, unless its lease has run out:
// it may be another caller's by then.
func (q *Queue) release(ctx context.Context, id string, until time.Time, cause error) error {
	if !q.now().Before(until) {
		return cause
	}
	if err := q.store.Release(ctx, id); err != nil {
		return fmt.Errorf("%w (and it stays taken for up to %v: %w)", cause, lease, err)
	}
	return cause
}

func (r *ReplayResult) count(id string, err error) {
	switch {
	case err == nil:
		r.Replayed++
	case errors.Is(err, ErrTaken):
		r.Taken++
	case errors.Is(err, ErrNotFound):
		r.Gone++
	default:
		r.Failed++
		if len(r.Errors) < maxErrors {
			r.Errors = append(r.Errors, failedOne("replay", id, err))
		}
	}
}

func (r ReplayResult) stopped(err error) error {
	return fmt.Errorf("eventbus: dead letters: replay: stopped with %d of %d letters replayed: %w", r.Replayed, r.Matched, err)
}
