package wire_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/wire"
)

func TestFactsRoundTrip(t *testing.T) {
	f := wire.Facts{Attempts: 3, First: noon, Origin: "order/1/2", Replays: 1, Letter: "l", Crashes: 2}
	h := f.Append(header())
	require.Equal(t, []wire.Field{
		{"eventbus-attempts", "3"},
		{"eventbus-first-failure", "2026-03-01T12:00:00.123456789Z"},
		{"eventbus-origin", "order/1/2"},
		{"eventbus-replays", "1"},
		{"eventbus-letter", "l"},
		{"eventbus-crashes", "2"},
	}, h[len(header()):])
	require.Equal(t, f, wire.ReadFacts(h))
	require.Equal(t, header(), wire.StripFacts(h))
	e, err := wire.Decode(h, nil)
	require.NoError(t, err)
	require.Nil(t, e.Metadata, "facts are not of the event")
}

func TestZeroFactsAreNotWritten(t *testing.T) {
	require.Empty(t, wire.Facts{Attempts: -1}.Append(nil))
	require.Equal(t, wire.Facts{}, wire.ReadFacts(header()))
	require.Zero(t, testing.AllocsPerRun(10, func() { wire.ReadFacts(nil) }))
}

func TestUnreadableFactsAreZero(t *testing.T) {
	require.Equal(t, wire.Facts{Replays: 2}, wire.ReadFacts([]wire.Field{
		{"eventbus-attempts", "x"},
		{"eventbus-first-failure", "x"},
		{"eventbus-replays", "2"},
		{"eventbus-crashes", "-1"},
		{"eventbus-attempts", "99999999999999999999"},
		{"eventbus-", "1"},
		{"attempts", "1"},
	}))
	require.Equal(t, time.UTC, wire.ReadFacts([]wire.Field{{"eventbus-first-failure", "2026-03-01T12:00:00+01:00"}}).First.Location())
}

// A time that could not be written again is not read either: the next hand-over
// would lose it.
func TestFactsOfNoYearAreZero(t *testing.T) {
	for _, at := range []string{"9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "0000-06-01T00:00:00Z"} {
		require.Equal(t, wire.Facts{}, wire.ReadFacts([]wire.Field{{"eventbus-first-failure", at}}), at)
	}
}

func TestStripFactsCopiesOnlyIfNeeded(t *testing.T) {
	h := header()
	require.Same(t, &h[0], &wire.StripFacts(h)[0])
	h = append([]wire.Field{{"eventbus-other", ""}}, h...)
	require.Equal(t, header(), wire.StripFacts(h))
	require.Equal(t, "eventbus-other", h[0].Name, "the header given is not changed")
}
