// Package bench measures this library beside what it is built on and beside its peers. README.md says
// how to run it and how to read it.
package bench
