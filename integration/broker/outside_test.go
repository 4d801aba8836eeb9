package broker_test

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
)

// variables are those that name a server which runs already.
var variables = map[broker.Kind]string{
	broker.Redis: "EVENTBUS_TEST_REDIS", broker.RabbitMQ: "EVENTBUS_TEST_RABBITMQ", broker.Kafka: "EVENTBUS_TEST_KAFKA",
}

// elsewhere runs a test of this binary where no Docker engine is, with these variables.
func elsewhere(t *testing.T, test string, env ...string) (string, error) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), self, "-test.timeout=60s", "-test.v", "-test.run="+test)
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "EVENTBUS_TEST_") {
			cmd.Env = append(cmd.Env, e)
		}
	}
	cmd.Env = append(append(cmd.Env, "DOCKER_HOST=unix:///nowhere/docker.sock"), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

const sharing = "^TestABrokerIsSharedAndEachTestCleansUpItsPart$/"

func TestAServerThatRunsAlreadyReplacesTheSharedContainer(t *testing.T) {
	each(t, func(t *testing.T, k broker.Kind) {
		t.Parallel()
		b := broker.Start(t, k, broker.Options{})
		stays := open(t, b.Server, "of-somebody-else")
		require.NoError(t, stays.put(t.Context(), "value"))
		out, err := elsewhere(t, sharing+k.String(), variables[k]+"="+b.Addr, "EVENTBUS_TEST_RABBITMQ_API="+b.API)
		require.NoError(t, err, out)
		require.Contains(t, out, "--- PASS: TestABrokerIsSharedAndEachTestCleansUpItsPart/"+k.String())
		require.Empty(t, broker.Names(t, broker.Space{Server: b.Server, Prefix: "eventbus-test-"}))
		holds(t, stays, 1)
	})
}

func TestWithoutAnEngineAndAnAddressTheTestFails(t *testing.T) {
	out, err := elsewhere(t, sharing+"Redis")
	require.Error(t, err)
	require.Contains(t, out, "no Docker engine answers")
	require.Contains(t, out, "make brokers")
	require.Contains(t, out, "EVENTBUS_TEST_REDIS")
}

func TestAnEngineElsewhereIsRefusedAtOnce(t *testing.T) {
	out, err := elsewhere(t, sharing+"Redis", "DOCKER_HOST=tcp://192.0.2.1:2375")
	require.Error(t, err)
	require.Contains(t, out, "192.0.2.1:2375 is on another machine")
}

func TestAWrongAddressFailsSoonAndKeepsThePassword(t *testing.T) {
	deaf, err := net.Listen("tcp", "127.0.0.1:0") // connects, and never says a word
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, deaf.Close()) })
	other := broker.Use(t, broker.Redis).Addr
	each(t, func(t *testing.T, k broker.Kind) {
		for name, addr := range map[string]string{"nobody": "127.0.0.1:1", "deaf": deaf.Addr().String(), "another kind": other} {
			if name == "another kind" && k == broker.Redis {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				out, err := elsewhere(t, sharing+k.String(), variables[k]+"="+addr)
				require.Error(t, err)
				require.Contains(t, out, k.String()+" at "+addr+", as "+variables[k]+" says, does not answer")
				require.Less(t, time.Since(began), 30*time.Second)
			})
		}
	})
	for _, wrong := range []string{
		"EVENTBUS_TEST_REDIS=http://user:geheim@localhost:1", "EVENTBUS_TEST_REDIS=redis://user:geheim@local host:1",
		"EVENTBUS_TEST_RABBITMQ=http://user:geheim@localhost:1", "EVENTBUS_TEST_RABBITMQ=amqp://user:geheim@local host:1",
		"EVENTBUS_TEST_KAFKA=localhost", "EVENTBUS_TEST_KAFKA=geheim@localhost:1,", "EVENTBUS_TEST_KAFKA=kafka://user:geheim@localhost:1",
	} {
		variable, _, _ := strings.Cut(wrong, "=")
		for k, v := range variables {
			if v != variable {
				continue
			}
			out, err := elsewhere(t, sharing+k.String(), wrong)
			require.Error(t, err, wrong)
			require.Contains(t, out, variable+": ", wrong)
			require.NotContains(t, out, "geheim", wrong)
			require.NotContains(t, out, "does not answer", "%s is refused before any I/O", wrong)
		}
	}
	rabbit := broker.Use(t, broker.RabbitMQ)
	out, err := elsewhere(t, sharing+"RabbitMQ", "EVENTBUS_TEST_RABBITMQ=amqp://user:geheim@"+rabbit.Addr)
	require.Error(t, err)
	require.Contains(t, out, "username or password not allowed")
	require.NotContains(t, out, "geheim")
	out, err = elsewhere(t, sharing+"RabbitMQ", "EVENTBUS_TEST_RABBITMQ="+rabbit.Addr, "EVENTBUS_TEST_RABBITMQ_API="+rabbit.API+"/elsewhere")
	require.Error(t, err)
	require.Contains(t, out, "the management interface: GET /api/overview: 404")
}

func TestAnAddressMayHaveAUserAndAPartOfTheServer(t *testing.T) {
	for k, addr := range map[broker.Kind]string{
		broker.Redis:    "default:any@" + broker.Use(t, broker.Redis).Addr + "/3",
		broker.RabbitMQ: "guest:guest@" + broker.Use(t, broker.RabbitMQ).Addr + "/%2F",
	} {
		out, err := elsewhere(t, sharing+k.String(), variables[k]+"="+addr, "EVENTBUS_TEST_RABBITMQ_API="+broker.Use(t, broker.RabbitMQ).API)
		require.NoError(t, err, out)
	}
}
