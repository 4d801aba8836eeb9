package integration_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/process"
)

func TestMain(m *testing.M) {
	process.Work(process.Roles{"drain": drain, "serve": serve, "replay": replay, "soak": soak})
	goleak.VerifyTestMain(broker.Main(m),
		// go-redis looks after a server that was away once a second, and notices a second late that its client was closed.
		goleak.IgnoreAnyFunction("github.com/redis/go-redis/v9/internal/pool.(*ConnPool).tryDial"))
}
