package rabbitbus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"
	"unique"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/seed-28af575d/eventbus/dlq"
)

// letterEntry is what is kept in memory of a letter: enough to find it and to select it by
// everything but its text.
type letterEntry struct {
	id                     string
	eventType, aggType     unique.Handle[string]
	tenant, reason         unique.Handle[string]
	aggregateID            string
	failedSecs, failedNano int64
	stored                 int64
	born                   letterPlace // where it was stored first: its place among the others
	place                  letterPlace // where it stands
	size                   int
	gone                   bool
}

// newLetterEntry reads of the record of a letter what the entry needs.
func newLetterEntry(place letterPlace, d *amqp.Delivery) (*letterEntry, error) {
	line, _, found := bytes.Cut(d.Body, []byte{'\n'})
	if !found {
		return nil, errLetterLine
	}
	var h struct {
		ID, Type, Reason string
		AggregateType    string            `json:"aggregate_type"`
		AggregateID      string            `json:"aggregate_id"`
		TenantID         string            `json:"tenant_id"`
		LastFailure      time.Time         `json:"last_failure"`
		Base64           map[string][]byte `json:"base64"`
	}
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, fmt.Errorf("%w: %w", errLetterLine, err)
	}
	for at, text := range map[string]*string{"/aggregate_type": &h.AggregateType, "/aggregate_id": &h.AggregateID, "/tenant_id": &h.TenantID} {
		if raw, ok := h.Base64[at]; ok {
			*text = string(raw)
		}
	}
	e := &letterEntry{
		id: h.ID, eventType: unique.Make(h.Type), aggType: unique.Make(h.AggregateType), tenant: unique.Make(h.TenantID),
		reason: unique.Make(h.Reason), aggregateID: h.AggregateID, born: place, place: place, size: len(d.Body),
		failedSecs: h.LastFailure.Unix(), failedNano: int64(h.LastFailure.Nanosecond()),
	}
	e.stored, _ = d.Headers[headerStored].(int64)
	if born, ok := d.Headers[headerBorn].(string); ok {
		var err error
		if e.born, err = parseLetterPlace(born); err != nil {
			return nil, fmt.Errorf("its place %q is none: %w", born, err)
		}
	}
	return e, nil
}

// letter is the letter as far as the entry knows it.
func (e *letterEntry) letter(group string) dlq.Letter {
	service, subscriber := splitGroup(group)
	return dlq.Letter{
		ID: e.id, Group: service, Subscriber: subscriber, Type: e.eventType.Value(), AggregateType: e.aggType.Value(),
		AggregateID: e.aggregateID, TenantID: e.tenant.Value(), Reason: dlq.Reason(e.reason.Value()),
		LastFailure: time.Unix(e.failedSecs, e.failedNano).UTC(),
	}
}
