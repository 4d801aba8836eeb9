package engine

import (
	"context"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/scope"
)

// invoke calls a handler with an event that it keeps nothing of. An event is large:
// copying it into one call after the other takes longer than all else that a quick
// handler costs.
type invoke func(ctx context.Context, e *eventbus.DomainEvent) error

func invoker(h eventbus.Handler) invoke {
	switch h := h.(type) {
	case eventbus.HandlerFunc:
		return func(ctx context.Context, e *eventbus.DomainEvent) error { return h(ctx, *e) }
	case sharing:
		return func(ctx context.Context, e *eventbus.DomainEvent) error {
			return h.HandleShared(ctx, e, scope.Engine{})
		}
	}
	return func(ctx context.Context, e *eventbus.DomainEvent) error { return h.Handle(ctx, *e) }
}

// sharing is what handlers are that [eventbus.On] makes.
type sharing interface {
	HandleShared(ctx context.Context, e *eventbus.DomainEvent, _ scope.Engine) error
}
