package cluster_test

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(broker.Main(m)) }

// long is for tests that take a cluster.
func long(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("a long run: it starts a cluster")
	}
}

// took logs how long something took, and begins anew.
func took(t *testing.T) func(what string) {
	began := time.Now()
	return func(what string) {
		t.Helper()
		t.Logf("%5.1f s: %s", time.Since(began).Seconds(), what)
		began = time.Now()
	}
}
