package dlq

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

// at is a queue on the store whose clock stands at the second in which letter n failed.
func at(s Store, n int) *Queue {
	c := Config{Store: s, Groups: func() []string { return []string{"shop"} }, Send: func(context.Context, Letter) error { return nil }}
	c.Now = func() time.Time { return time.Unix(int64(n), 0) }
	return made(c)
}

func TestTrimKeepsWhatTheBoundsAllow(t *testing.T) {
	for name, c := range map[string]struct {
		filter  Filter
		bounds  Bounds
		dropped int
		first   string // that is left
	}{
		"age":                    {All, Bounds{Age: 200 * time.Second}, 300, "000300"},
		"age of all":             {All, Bounds{Age: time.Hour}, 0, "000000"},
		"length":                 {All, Bounds{Length: 120}, 380, "000380"},
		"length of all":          {All, Bounds{Length: 500}, 0, "000000"},
		"age, then length":       {All, Bounds{Age: 200 * time.Second, Length: 10}, 490, "000490"},
		"age does more":          {All, Bounds{Age: 10 * time.Second, Length: 200}, 490, "000490"},
		"of one aggregate":       {Filter{AggregateID: "o-0"}, Bounds{Length: 49}, 1, "000001"},
		"age, and before":        {Filter{Before: time.Unix(5, 0)}, Bounds{Age: time.Second}, 5, "000005"},
		"age, and after":         {Filter{After: time.Unix(400, 0)}, Bounds{Age: 200 * time.Second}, 0, "000000"},
		"age, and a short while": {Filter{Before: time.Unix(2, 0), After: time.Unix(1, 0)}, Bounds{Age: time.Second}, 1, "000000"},
	} {
		t.Run(name, func(t *testing.T) {
			s := filled(t, 500)
			require.NoError(t, s.Put(t.Context(), foreign()))
			q := at(s, 500)
			var told []string
			c.bounds.Report = func(l Letter) error { told = append(told, l.ID); return nil }
			n, err := q.Trim(t.Context(), c.filter, c.bounds)
			require.NoError(t, err)
			require.Equal(t, c.dropped, n)
			left := collect(t, q, Filter{})
			require.Len(t, left, 500-c.dropped)
			require.Equal(t, c.first, left[0])
			require.Len(t, told, c.dropped)
			for _, id := range told {
				require.NotContains(t, left, id)
			}
			total, err := s.Count(t.Context(), Filter{})
			require.NoError(t, err)
			require.Equal(t, 501-c.dropped, total, "another service's letter stays")
		})
	}
}

func TestTrimStopsAtWhatIsNotToBeDropped(t *testing.T) {
	s := filled(t, 300)
	full := errors.New("the archive is full")
	seen := 0
	n, err := at(s, 300).Trim(t.Context(), All, Bounds{Length: 10, Report: func(l Letter) error {
		if seen++; seen > 142 {
			return full
		}
		return nil
	}})
	require.ErrorIs(t, err, full)
	require.ErrorContains(t, err, "eventbus: dead letters: trim: ")
	require.Equal(t, 142, n)
	require.Equal(t, "000142", collect(t, at(s, 300), Filter{})[0])
}

func TestTrimRefusesWhatBoundsNothing(t *testing.T) {
	q := at(filled(t, 3), 3)
	for want, c := range map[string]struct {
		filter Filter
		bounds Bounds
	}{
		"dlq.All": {Filter{}, Bounds{Length: 1}},
		"bounds":  {All, Bounds{}},
		"length":  {All, Bounds{Length: -1}},
		"age":     {All, Bounds{Age: -1}},
		"type":    {Filter{Type: ".."}, Bounds{Length: 1}},
		"a time":  {Filter{Before: time.Unix(8, 0)}, Bounds{Length: 1}},
		"after":   {Filter{After: time.Unix(9, 0), Before: time.Unix(8, 0)}, Bounds{Age: 1}},
	} {
		n, err := q.Trim(t.Context(), c.filter, c.bounds)
		require.ErrorIs(t, err, eventbus.ErrInvalid, want)
		require.ErrorContains(t, err, want)
		require.Zero(t, n)
	}
	require.Len(t, collect(t, q, Filter{}), 3)
}

// TestTrimsAtTheSameTimeDropNoMoreThanOne: each page of one may be deleted by another between
// any two of its steps.
func TestTrimsAtTheSameTimeDropNoMoreThanOne(t *testing.T) {
	for range 50 {
		s := filled(t, 450)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				_, err := at(s, 450).Trim(t.Context(), All, Bounds{Length: 130})
				assert.NoError(t, err)
			})
		}
		all.Wait()
		left := collect(t, at(s, 450), Filter{})
		require.Len(t, left, 130)
		require.Equal(t, "000320", left[0])
	}
}

// slow deletes half of what it is told to, then lets something happen, then deletes the rest.
type slow struct {
	Store
	meanwhile func()
}

func (s *slow) Remove(ctx context.Context, ids ...string) (int, error) {
	n, err := s.Store.Remove(ctx, ids[:len(ids)/2]...)
	s.meanwhile()
	more, failed := s.Store.Remove(ctx, ids[len(ids)/2:]...)
	return n + more, errors.Join(err, failed)
}

func TestTrimPassesOverNothingOlder(t *testing.T) {
	for name, meanwhile := range map[string]func(s Store){
		"letters are buried": func(s Store) {
			n, err := Count(t.Context(), s, Filter{})
			require.NoError(t, err)
			for i := range 5 {
				require.NoError(t, s.Put(t.Context(), letter(10_000-n+i)))
			}
		},
		"another one trims": func(s Store) {
			_, err := at(s, 450).Trim(t.Context(), All, Bounds{Length: 130})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := filled(t, 430)
			_, err := at(&slow{s, func() { meanwhile(s) }}, 450).Trim(t.Context(), All, Bounds{Length: 130})
			require.NoError(t, err)
			left := collect(t, at(s, 450), Filter{})
			require.GreaterOrEqual(t, len(left), 130)
			first, err := strconv.Atoi(left[0])
			require.NoError(t, err)
			for i, id := range left {
				if first+i < 430 {
					require.Equal(t, fmt.Sprintf("%06d", first+i), id, "of the old ones the oldest are gone, and no other")
				}
			}
		})
	}
}

// counted lets something happen before the letters are counted, which takes pages too.
type counted struct {
	Store
	pages  int
	before func()
}

func (s *counted) Page(ctx context.Context, f Filter, after string, limit int) (Page, error) {
	if s.pages++; s.pages == 2 {
		s.before()
	}
	return s.Store.Page(ctx, f, after, limit)
}

// Another one has deleted half of what both have looked at, and will delete the other half.
func TestTrimLeavesToAnotherWhatItDeletes(t *testing.T) {
	s := filled(t, 430)
	first := collect(t, at(s, 430), Filter{})[:100]
	remove := func(ids []string) {
		_, err := s.Remove(t.Context(), ids...)
		require.NoError(t, err)
	}
	n, err := at(&counted{Store: s, before: func() { remove(first[:50]) }}, 430).Trim(t.Context(), All, Bounds{Length: 330})
	require.NoError(t, err)
	require.Zero(t, n)
	remove(first[50:])
	require.Len(t, collect(t, at(s, 430), Filter{}), 330)
}

func TestTrimWrapsErrorsOfTheStore(t *testing.T) {
	for call, want := range map[string]int{"page": 0, "remove": 100} { // counting asks for pages too
		s := &broken{Store: filled(t, 450), call: call, good: 1}
		n, err := at(s, 450).Trim(t.Context(), All, Bounds{Length: 10})
		require.ErrorIs(t, err, errStore)
		require.Equal(t, want, n)
	}
}
