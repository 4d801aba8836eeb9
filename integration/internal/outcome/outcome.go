// Package outcome runs a test within a test, and tells what it was told: how a helper
// that fails tests is itself tested.
package outcome

import (
	"fmt"
	"strings"
	"testing"
)

// tb is a testing.TB that keeps what a test is told, and fails no other.
type tb struct {
	testing.TB
	said     []string
	cleanups []func()
}

func (o *tb) Helper()           {}
func (o *tb) Failed() bool      { return len(o.said) > 0 }
func (o *tb) Cleanup(f func())  { o.cleanups = append(o.cleanups, f) }
func (o *tb) Fatal(args ...any) { o.Fatalf("%s", fmt.Sprint(args...)) }
func (o *tb) Error(args ...any) { o.said = append(o.said, fmt.Sprint(args...)) }
func (o *tb) Log(args ...any)   { o.Error(args...) }
func (o *tb) Logf(format string, args ...any) {
	o.said = append(o.said, fmt.Sprintf(format, args...))
}
func (o *tb) Errorf(format string, args ...any) { o.Logf(format, args...) }
func (o *tb) Fatalf(format string, args ...any) {
	o.Logf(format, args...)
	panic(o)
}

// Of runs the test in this goroutine until its end or its first fatal failure, then its
// cleanups, and returns what it was told.
func Of(t *testing.T, test func(testing.TB)) string {
	t.Helper()
	o := &tb{TB: t}
	func() {
		defer func() {
			if r := recover(); r != nil && r != o {
				panic(r)
			}
		}()
		test(o)
	}()
	for i := len(o.cleanups) - 1; i >= 0; i-- {
		o.cleanups[i]()
	}
	return strings.Join(o.said, "\n")
}
