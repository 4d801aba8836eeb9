package broker_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/integration/internal/outcome"
)

func TestWhatIsNotPossibleIsSaid(t *testing.T) {
	b := broker.Start(t, broker.Redis, broker.Options{})
	b.Stop()
	for verb, f := range map[string]func(*broker.Node){
		"stop": (*broker.Node).Stop, "kill": (*broker.Node).Kill, "pause": (*broker.Node).Pause, "unpause": (*broker.Node).Unpause,
	} {
		said := outcome.Of(t, func(t testing.TB) { f(b.For(t)) })
		require.Contains(t, said, "broker: cannot "+verb+" Redis: it is exited")
	}
	b.Start()
	require.Contains(t, outcome.Of(t, func(t testing.TB) { b.For(t).Start() }), "cannot start Redis: it is running")
	require.Contains(t, outcome.Of(t, func(t testing.TB) { b.For(t).Exec("sh", "-c", "echo sorry; exit 3") }), "exit status 3: sorry")
	require.Equal(t, "PONG\n", b.Exec("redis-cli", "PING"))
	require.Regexp(t, `^172\.|^192\.|^10\.`, b.IP())
}

func TestAServerThatDoesNotStartShowsItsLastWords(t *testing.T) {
	said := outcome.Of(t, func(t testing.TB) { broker.Start(t, broker.Redis, broker.Options{Args: []string{"--no-such-setting"}}) })
	require.Contains(t, said, "Redis of redis:8.0 does not start: it has ended with status 1")
	require.Contains(t, said, "no-such-setting")
	said = outcome.Of(t, func(t testing.TB) { broker.Start(t, broker.Redis, broker.Options{Image: "redis:no-such-tag"}) })
	require.Contains(t, said, "Redis of redis:no-such-tag does not start")
}

func TestAPausedBrokerIsRemovedToo(t *testing.T) {
	var b *broker.Broker
	require.Empty(t, outcome.Of(t, func(t testing.TB) {
		b = broker.Start(t, broker.Redis, broker.Options{})
		b.Pause()
	}))
	require.Contains(t, outcome.Of(t, func(t testing.TB) { b.For(t).Start() }), "No such container")
}

// TestTheImagesAreThoseOfMakeBrokers: the tags stand in two languages.
func TestTheImagesAreThoseOfMakeBrokers(t *testing.T) {
	lib, err := os.ReadFile("../images/lib.sh")
	require.NoError(t, err)
	ensured := os.Expand(string(lib), func(name string) string {
		return map[string]string{"KAFKA_VERSION": "4.3.1"}[name]
	})
	require.Contains(t, ensured, "="+broker.OldestRedis+" ")
	each(t, func(t *testing.T, k broker.Kind) { require.Contains(t, ensured, "="+k.Image()+"\n") })
}
