package broker_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/process"
)

func TestMain(m *testing.M) {
	process.Work(process.Roles{"forget": forget, "take ports": takePorts})
	goleak.VerifyTestMain(broker.Main(m))
}
