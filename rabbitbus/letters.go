package rabbitbus

import (
	"sync"

	"github.com/seed-28af575d/eventbus/dlq"
)

// letterStore is a place holder: it holds dead letters in the process alone, those of one prefix
// together. The store on streams takes its place, and keeps the signature.
func letterStore(_ channels, o Options) dlq.Store {
	s, _ := placeHolders.LoadOrStore(o.Prefix, dlq.NewMemoryStore(dlq.MemoryOptions{}))
	return s.(dlq.Store) //nolint:errcheck,forcetypeassert // nothing else is in it
}

var placeHolders sync.Map // of dlq.Store, by prefix
