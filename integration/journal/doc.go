// Package journal is the file in which publishers and handlers write down what they
// do, in many goroutines and processes at once, so that it survives a process that is
// killed. Package oracle judges by it.
//
//	j, err := journal.Open(path, "worker-1")
//	bus, err := memory.New(memory.Options{Options: eventbus.Options{Middleware: []eventbus.Middleware{j.Middleware}}})
//	err = j.Publisher(bus).Publish(ctx, events...)
//	err = j.Close()
//	log, err := journal.Read(path)
//
// # Promises
//
//   - One record is one line of JSON and one write(2) to a file opened with O_APPEND:
//     records of several processes stand in one file whole, one behind another. What was
//     written survives a kill -9 of its process, and not a power failure.
//   - That a publish is attempted is written before it is made, its outcome after. That an
//     attempt begins is written before the handler runs, and how it ended before the bus
//     is told: an event is never acked whose handling is not in the journal.
//   - A record that cannot be written fails what it tells of: Publish and the handler
//     return the error. The journal then writes nothing more, and Close returns the error
//     again. What Close has returned nil for is complete.
//   - [Read] tolerates and counts one torn line at the end of each file: the process was
//     killed while it wrote. A torn line with others behind it is an error, so a process that
//     is to be killed has a file of its own.
//   - Events are told apart by their ID alone: a load makes no ID twice.
//   - Times are those of the machine's clock: all processes run on one machine.
package journal
