// Package dlq holds the dead letters of subscribers: what was given up, why, and
// what is needed to hand it over again. It is the same on every backend.
//
//	q, ok := dlq.Of(bus) // unwraps wrappers
//
//	for l, err := range q.List(ctx, dlq.Filter{Subscriber: "biller", Type: "order.*"}) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(l.ID, l.Type, l.Reason, l.Errors)
//	}
//
//	mail := dlq.Filter{Subscriber: "mailer", Reason: dlq.Timeout}
//	res, err := q.Replay(ctx, mail, dlq.ReplayOptions{DryRun: true}) // res.Matched letters, nothing changes
//	res, err = q.Replay(ctx, mail, dlq.ReplayOptions{Limit: 100})
//	n, err := q.Trim(ctx, dlq.All, dlq.Bounds{Age: 30 * 24 * time.Hour, Length: 10_000, Report: archive})
//
// # Promises
//
// Looking changes nothing: neither the letters, nor their order, nor any counter
// of deliveries.
//
// A letter is replayed by exactly one caller at a time, to its own subscriber and
// no other, and leaves the dead letters only once the backend has confirmed the
// message. A crash or a cancellation at any point loses nothing; at worst the
// letter is replayed twice, and both messages carry its ID, so that the second
// can be told.
//
// A run over many letters ends: it handles those that were there when it began,
// oldest first. What fails again during the run is a new letter, with one more
// replay to its count, and waits for the next one.
//
// A [Queue] never looks beyond the groups of its own bus.
package dlq
