// Package simulation runs the engine against a broker that misbehaves: in virtual
// time, thousands of times, each time differently. It holds tests only and sees the
// engine as a backend does, through its seam.
//
// A seed decides everything that goes in: settings, events, what each handler does
// with each of them, how often each kind of fault happens, and when processes start,
// end and die. How goroutines interleave it does not decide, so a failure that depends
// on that may need the seed to be run a few times.
package simulation
