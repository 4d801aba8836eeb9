package integration_test

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

// TestLettersOnRealBrokers runs what stands beside the stores of letters, which reaches into them,
// on real brokers: alone it is skipped, or runs on a fake.
func TestLettersOnRealBrokers(t *testing.T) {
	for _, x := range []struct {
		kind          broker.Kind
		variable, dir string
	}{
		{broker.Redis, "EVENTBUS_TEST_REDIS", "./redisbus"},
		{broker.RabbitMQ, "EVENTBUS_TEST_RABBITMQ", "./rabbitbus"},
		{broker.Kafka, "EVENTBUS_TEST_KAFKA", "./kafkabus"},
	} {
		t.Run(x.dir, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
			defer cancel()
			b := broker.Start(t, x.kind, broker.Options{}) // its own: it is short of memory now and then
			args := []string{"test", "-count=1", x.dir}
			if testing.Short() {
				args = append(args, "-short")
			}
			run := exec.CommandContext(ctx, "go", args...)
			run.Dir, run.Env = "..", append(os.Environ(), x.variable+"="+b.URL)
			out, err := run.CombinedOutput()
			require.NoError(t, err, "%s", out)
		})
	}
}
