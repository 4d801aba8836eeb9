// Package process gives a test a second process: the test binary executes itself
// again, and runs a role instead of the tests. Such a worker can be killed with
// SIGKILL in the middle of its work, stopped, suspended and continued, and never
// outlives the test binary, however that ends.
//
//	func TestMain(m *testing.M) {
//		process.Work(process.Roles{"consume": consume}) // does not return in a worker
//		goleak.VerifyTestMain(m)
//	}
//
//	func TestKilled(t *testing.T) {
//		w := process.Start(t, process.Spec{Role: "consume", Args: process.Args{"addr": addr}})
//		w.Ready()
//		w.Kill()
//	}
//
// It needs the signals and the descriptors of a Unix system.
package process
