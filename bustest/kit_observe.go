package bustest

import "github.com/seed-28af575d/eventbus"

// witness notes what an observer is told.
type witness struct {
	published *trail[eventbus.Published]
	handled   *trail[eventbus.Handled]
	retried   *trail[eventbus.Retried]
	buried    *trail[eventbus.Buried]
	skipped   *trail[eventbus.Skipped]
	restored  *trail[eventbus.Reconnected]
}

func (k *kit) witness() *witness {
	return &witness{
		published: newTrail[eventbus.Published](k, "publications observed"),
		handled:   newTrail[eventbus.Handled](k, "attempts observed"),
		retried:   newTrail[eventbus.Retried](k, "retries observed"),
		buried:    newTrail[eventbus.Buried](k, "burials observed"),
		skipped:   newTrail[eventbus.Skipped](k, "skipped events observed"),
		restored:  newTrail[eventbus.Reconnected](k, "reconnections observed"),
	}
}

// observer is the witness as an option.
func (w *witness) observer() eventbus.Observer {
	return eventbus.Observer{
		Published:   w.published.add,
		Handled:     w.handled.add,
		Retried:     w.retried.add,
		Buried:      w.buried.add,
		Skipped:     w.skipped.add,
		Reconnected: w.restored.add,
	}
}
