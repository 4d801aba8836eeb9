// Package bench measures this library beside what it is built on. README.md says
// how to run it and how to read it.
package bench
