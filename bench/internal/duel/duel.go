// Package duel compares structures on a machine that is never quiet: they run by
// turns in one process, and what is reported are medians over the turns.
package duel

import (
	"fmt"
	"slices"
	"testing"

	"github.com/seed-28af575d/eventbus/bench/internal/gauge"
)

// Contender is one structure; Round runs it once.
type Contender struct {
	Name  string
	Round func() (gauge.Sample, error)
}

// Result is what a contender did in every round.
type Result struct {
	Name    string
	Samples []gauge.Sample
}

// Run lets the contenders run by turns, each round begun by another one, for the
// benchmark's time and for at least so many rounds. One op of the benchmark is a
// round of all; what is reported is up to the caller. A failed round ends it.
func Run(b *testing.B, least int, contenders ...Contender) []Result {
	b.Helper()
	results := make([]Result, len(contenders))
	n := 0
	next := func() {
		if err := round(n, contenders, results); err != nil {
			b.Fatal(err)
		}
		n++
	}
	for b.Loop() {
		next()
	}
	for n < least {
		next()
	}
	return results
}

func round(n int, contenders []Contender, results []Result) error {
	for k := range contenders {
		i := (n + k) % len(contenders)
		s, err := contenders[i].Round()
		if err != nil {
			return fmt.Errorf("%s, round %d: %w", contenders[i].Name, n, err)
		}
		results[i].Name = contenders[i].Name
		results[i].Samples = append(results[i].Samples, s)
	}
	return nil
}

// Median is the median of a figure over the rounds.
func (r Result) Median(figure func(gauge.Sample) float64) float64 {
	values := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		values[i] = figure(s)
	}
	return median(values)
}

// Max is the largest of a figure over the rounds.
func (r Result) Max(figure func(gauge.Sample) float64) float64 {
	highest := figure(r.Samples[0])
	for _, s := range r.Samples[1:] {
		highest = max(highest, figure(s))
	}
	return highest
}

// Ratio is the median over the rounds of a figure of r divided by that of to in
// the same round: what slows the machine for seconds slows both.
func (r Result) Ratio(to Result, figure func(gauge.Sample) float64) float64 {
	return median(r.ratios(to, figure))
}

// Spread is the least and the largest of what Ratio is the median of.
func (r Result) Spread(to Result, figure func(gauge.Sample) float64) (least, largest float64) {
	values := r.ratios(to, figure)
	return slices.Min(values), slices.Max(values)
}

func (r Result) ratios(to Result, figure func(gauge.Sample) float64) []float64 {
	values := make([]float64, len(r.Samples))
	for i, s := range r.Samples {
		values[i] = figure(s) / figure(to.Samples[i])
	}
	return values
}

func median(values []float64) float64 {
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}
