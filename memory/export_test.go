package memory

import (
	"context"
	"errors"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

var errCrashed = refused(errors.New("the instance has crashed"))

// OpenCrashable is Open with a way to end the instance without its bus knowing.
func (b *Broker) OpenCrashable(o eventbus.Options) (bus eventbus.EventBus, crash func(), err error) {
	in := newInstance(b)
	bus, err = b.open(in, o)
	return bus, in.crash, err
}

// crash is the end of the process, as the broker sees it: the sources are gone,
// what they had not acked goes back, and nothing can be sent or joined.
func (in *instance) crash() { in.end(errCrashed) }

// Inject stores what a foreign producer sends, as it is. It waits for no room.
func (b *Broker) Inject(topic string, header []wire.Field, body []byte) error {
	m := engine.Message{To: engine.Address{Topic: topic}, Header: header, Body: body, Beyond: true}
	for _, f := range header {
		if f.Name == "ce_type" {
			m.Type = f.Value
		}
	}
	return errors.Join(newInstance(b).Send(context.Background(), []engine.Message{m})...)
}
