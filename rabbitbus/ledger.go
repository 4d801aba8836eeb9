package rabbitbus

import (
	"context"
	"encoding/json"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus/internal/engine"
)

// ledger keeps what is held or suspect in one stream a group. What is older than a week goes,
// segment by segment.
type ledger struct{ *transport }

var _ engine.Ledger = ledger{}

// entry is a delivery in the ledger. One without anything is forgotten.
type entry struct {
	Attempts int       `json:"attempts,omitempty"`
	Crashes  int       `json:"crashes,omitempty"`
	First    time.Time `json:"first,omitzero"`
	Suspect  bool      `json:"suspect,omitempty"`
}

// ledgerRecord is what one Save has written.
type ledgerRecord struct {
	Entries map[string]entry `json:"entries,omitempty"` // by origin
	Anew    bool             `json:"anew,omitempty"`    // forgets all that was before
}

func (l ledger) journal(group string) journal {
	return journal{l.transport, declaration{l.names.tries(group), amqp.Table{
		amqp.QueueTypeArg: amqp.QueueTypeStream, amqp.StreamMaxAgeArg: "7D",
		amqp.StreamMaxLenBytesArg: int64(16 << 20), amqp.StreamMaxSegmentSizeBytesArg: int64(1 << 20),
	}}}
}

// Load returns what is known of the group. A record that cannot be read is none.
func (l ledger) Load(ctx context.Context, group string) (map[string]engine.Tries, error) {
	known := map[string]engine.Tries{}
	err := l.journal(group).read(ctx, func(record []byte) {
		var r ledgerRecord
		if json.Unmarshal(record, &r) != nil {
			return
		}
		if r.Anew {
			clear(known)
		}
		for origin, e := range r.Entries {
			if known[origin] = engine.Tries(e); e == (entry{}) {
				delete(known, origin)
			}
		}
	})
	return known, err
}

// Save replaces what is known of these deliveries.
func (l ledger) Save(ctx context.Context, group string, tries map[string]engine.Tries) error {
	r := ledgerRecord{Entries: make(map[string]entry, len(tries))}
	for origin, t := range tries {
		r.Entries[origin] = entry(t)
	}
	return l.write(ctx, group, r)
}

// forget forgets all of a group, if anything is known of it.
func (l ledger) forget(ctx context.Context, group string) error {
	known, err := l.Load(ctx, group)
	if err != nil || len(known) == 0 {
		return err
	}
	return l.write(ctx, group, ledgerRecord{Anew: true})
}

func (l ledger) write(ctx context.Context, group string, r ledgerRecord) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return l.journal(group).append(ctx, text)
}
