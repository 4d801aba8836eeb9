package demo

import (
	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/memory"
)

// OpenMemory makes a bus in the memory of this process.
func OpenMemory(o eventbus.Options) (eventbus.EventBus, error) {
	return memory.New(memory.Options{Options: o})
}
