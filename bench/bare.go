package bench

import (
	"context"

	"github.com/seed-28af575d/eventbus/bench/internal/keyed"
	"github.com/seed-28af575d/eventbus/bench/internal/load"
)

// bareSide is the keyed executor under load.
type bareSide struct {
	load load.Load
	exec *keyed.Executor[int]
}

// startBare is a load.Maker.
func startBare(_ context.Context, l load.Load, handle func(int)) (load.Side, error) {
	exec := keyed.New(l.Running, l.Bound, func(t keyed.Task[int]) { handle(t.Value) })
	return &bareSide{load: l, exec: exec}, nil
}

func (s *bareSide) Publish(sp load.Span) error {
	if s.load.Batch > 1 {
		s.publishBatches(sp)
		return nil
	}
	keys := s.load.Keys
	a := sp.From % len(keys)
	for i := sp.From; i < sp.To; i += sp.Step {
		s.exec.Submit(keyed.Task[int]{Key: keys[a], Value: i})
		if a += sp.Step; a >= len(keys) {
			a -= len(keys)
		}
	}
	return nil
}

func (s *bareSide) publishBatches(sp load.Span) {
	keys := s.load.Keys
	batch := make([]keyed.Task[int], 0, s.load.Batch)
	for i := sp.From; i < sp.To; i += sp.Step {
		batch = append(batch, keyed.Task[int]{Key: keys[i%len(keys)], Value: i})
		if len(batch) == cap(batch) {
			s.exec.Submit(batch...)
			batch = batch[:0]
		}
	}
	s.exec.Submit(batch...)
}

func (s *bareSide) Stop() error {
	s.exec.Close()
	return nil
}
