package letterline

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unique"

	"github.com/seed-28af575d/eventbus/dlq"
)

// Head is what an index keeps in memory of a letter: enough to select it by everything but its text.
type Head struct {
	ID                     string
	eventType, aggType     unique.Handle[string]
	tenant, reason         unique.Handle[string]
	aggregateID            string
	failedSecs, failedNano int64
}

// HeadOf reads of what Encode has written what the head needs.
func HeadOf(record []byte) (Head, error) {
	line, _, found := bytes.Cut(record, []byte{'\n'})
	if !found {
		return Head{}, ErrRecord
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
		return Head{}, fmt.Errorf("%w: %w", ErrRecord, err)
	}
	for at, text := range map[string]*string{"/aggregate_type": &h.AggregateType, "/aggregate_id": &h.AggregateID, "/tenant_id": &h.TenantID} {
		if raw, ok := h.Base64[at]; ok {
			*text = string(raw)
		}
	}
	return Head{
		ID: h.ID, eventType: unique.Make(h.Type), aggType: unique.Make(h.AggregateType), tenant: unique.Make(h.TenantID),
		reason: unique.Make(h.Reason), aggregateID: h.AggregateID,
		failedSecs: h.LastFailure.Unix(), failedNano: int64(h.LastFailure.Nanosecond()),
	}, nil
}

// Letter is the letter, of the group `service.subscriber`, as far as the head knows it.
func (h *Head) Letter(group string) dlq.Letter {
	service, subscriber, _ := strings.Cut(group, ".")
	return dlq.Letter{
		ID: h.ID, Group: service, Subscriber: subscriber, Type: h.eventType.Value(), AggregateType: h.aggType.Value(),
		AggregateID: h.aggregateID, TenantID: h.tenant.Value(), Reason: dlq.Reason(h.reason.Value()),
		LastFailure: time.Unix(h.failedSecs, h.failedNano).UTC(),
	}
}
