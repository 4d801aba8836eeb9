package eventbus

import (
	"errors"
	"fmt"
	"math"
	"time"
)

// RetryPolicy says how often and when a failed attempt is repeated. The wait
// after attempt n is Min·Multiplier^(n-1), at most Max, changed at random by up
// to the fraction Jitter in both directions.
type RetryPolicy struct {
	Attempts   int           // handler calls in all; 1 never retries. Zero means 5
	Min        time.Duration // wait after the first attempt. Zero means 100 ms
	Max        time.Duration // longest wait. Zero means 30 s, or Min where that is longer
	Multiplier float64       // growth of the wait, at least 1. Zero means 2
	Jitter     float64       // from 0 to 1; negative means none. Zero means 0.2
}

// WithDefaults returns the policy with every zero field replaced by its meaning.
func (p RetryPolicy) WithDefaults() RetryPolicy {
	if p.Attempts == 0 {
		p.Attempts = 5
	}
	if p.Min == 0 {
		p.Min = 100 * time.Millisecond
	}
	if p.Max == 0 {
		p.Max = max(30*time.Second, p.Min)
	}
	if p.Multiplier == 0 {
		p.Multiplier = 2
	}
	if p.Jitter == 0 {
		p.Jitter = 0.2
	}
	return p
}

// Delay returns the wait after the attempt, from 1, for a random number r in
// [0,1). A policy with defaults is expected.
func (p RetryPolicy) Delay(attempt int, r float64) time.Duration {
	d := float64(p.Min) * math.Pow(p.Multiplier, float64(max(attempt, 1)-1))
	d = min(d, float64(p.Max))
	return time.Duration(min(d*(1+max(p.Jitter, 0)*(2*r-1)), math.MaxInt64/2))
}

// Longest returns the longest time that all waits can take together.
func (p RetryPolicy) Longest() time.Duration {
	p = p.WithDefaults()
	var sum float64
	for n := 1; n < p.Attempts; n++ {
		d := float64(p.Min) * math.Pow(p.Multiplier, float64(n-1))
		if d >= float64(p.Max) {
			sum += float64(p.Max) * float64(p.Attempts-n)
			break
		}
		sum += d
	}
	sum *= 1 + max(p.Jitter, 0)
	if sum > math.MaxInt64/2 {
		return math.MaxInt64 / 2
	}
	return time.Duration(sum)
}

func (p RetryPolicy) validate(field string) []error {
	var errs []error
	bad := func(name, rule string, got any) {
		errs = append(errs, invalid(field+"."+name, rule, fmt.Sprint(got)))
	}
	if p.Attempts < 0 || p.Attempts > 1_000_000 {
		bad("attempts", "must be from 1 to 1,000,000, or 0 for the default", p.Attempts)
	}
	if p.Min < 0 {
		bad("min", "must not be negative", p.Min)
	}
	if p.Max < 0 {
		bad("max", "must not be negative", p.Max)
	}
	if p.Min > 0 && p.Max > 0 && p.Max < p.Min {
		bad("max", fmt.Sprintf("must be at least %s.min, which is %v", field, p.Min), p.Max)
	}
	if p.Multiplier != 0 && !(p.Multiplier >= 1 && p.Multiplier <= 1000) {
		bad("multiplier", "must be from 1 to 1000", p.Multiplier)
	}
	if math.IsNaN(p.Jitter) || p.Jitter > 1 {
		bad("jitter", "must be at most 1", p.Jitter)
	}
	return errs
}

// PermanentError marks a failure that no retry will mend. See [Permanent].
type PermanentError struct{ Err error }

func (e *PermanentError) Error() string { return "permanent: " + e.Err.Error() }

// Unwrap returns the failure.
func (e *PermanentError) Unwrap() error { return e.Err }

// RetryAfterError sets the wait before the next attempt. See [RetryAfter].
type RetryAfterError struct {
	Err   error
	Delay time.Duration
}

func (e *RetryAfterError) Error() string { return fmt.Sprintf("retry after %v: %v", e.Delay, e.Err) }

// Unwrap returns the failure.
func (e *RetryAfterError) Unwrap() error { return e.Err }

// SuspendError pauses the subscriber. See [Suspend].
type SuspendError struct {
	Err   error
	Delay time.Duration
}

func (e *SuspendError) Error() string { return fmt.Sprintf("suspended for %v: %v", e.Delay, e.Err) }

// Unwrap returns the failure.
func (e *SuspendError) Unwrap() error { return e.Err }

// Permanent wraps a handler's error so that the event is buried at once.
// Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &PermanentError{Err: err}
}

// RetryAfter wraps a handler's error so that the next attempt, if the policy has
// one left, comes after d. A negative d means at once. For an ordered subscriber
// d is cut to what is left of Options.Hold. RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &RetryAfterError{Err: err, Delay: max(d, 0)}
}

// Suspend wraps a handler's error so that the subscriber in this process starts
// no handler for d, and no attempt is counted: something that it depends on is
// down. d is cut to Options.Hold. Suspend(nil, d) is nil.
func Suspend(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return &SuspendError{Err: err, Delay: max(d, 0)}
}

// IsPermanent reports whether err was marked by [Permanent].
func IsPermanent(err error) bool {
	var p *PermanentError
	return errors.As(err, &p)
}
