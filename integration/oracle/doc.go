// Package oracle judges a run of the event bus by its evidence: the journals of
// publishers and handlers, the dead letters, and what is left over in the process. It
// knows nothing of backends and faults but what it is told.
//
//	base, err := oracle.TakeBaseline(ctx, oracle.Watch{})  // before the bus is made
//	…                                                      // run, with a journal.Journal; wait until all is quiet; Shutdown
//	log, err := journal.Read(paths...)
//	left, err := base.Left(ctx)
//	report := oracle.Check(oracle.Evidence{
//		Log: log, Letters: letters, Left: &left,
//		Subscribers: []oracle.Subscriber{{Name: "shop.mailer", Events: []string{"order.*"}, Repeats: 16}},
//	})
//	err = report.Err()
//
// # What is checked
//
//   - I1, nothing accepted is lost: each event of which Publish returned nil is handled
//     by every subscriber that asks for it, or has one letter there. Two letters of one
//     event are a fault.
//   - I2, order: the first successful handling of an event begins after every earlier event
//     of its aggregate was handled or buried. A replayed event has settled with the last
//     attempt before its letter; what was never published for certain may be missing, and
//     is held to the order where it is there. Earlier is what the journal's Seq says; an
//     event that its publisher tried again, after others of the aggregate, has no place.
//   - I3, repeats: successful handlings of an event beyond the first, and its letter where it
//     was handled too, are at most Subscriber.Repeats in all. An event that was published
//     several times, since the outcome was unknown, may be there as often.
//   - I4, nothing invented: what is handled or buried was published, with the same type,
//     aggregate and payload, is asked for, and was not refused.
//   - I6, clean: goroutines, open files and connections are back to where they were.
//
// I5 and I7, counters and times, are for the test that knows them. Where the evidence
// itself is wrong, as two events with one place, the report says so, and that fails too:
// what was not looked at is not proven.
package oracle
