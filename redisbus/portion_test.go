package redisbus

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAPortionGrowsWhileEntriesAreSmall(t *testing.T) {
	p := portion{sized: moderate}
	var asked []int
	for range 8 {
		asked = append(asked, p.of(1000))
		p.brought(p.of(1000), 100*p.of(1000))
	}
	require.Equal(t, []int{16, 32, 64, 128, 256, 512, 1000, 1000}, asked)
}

func TestAPortionIsOfTheSizeThatEntriesHad(t *testing.T) {
	p := portion{sized: 1000}
	p.brought(1000, 1000<<20)
	require.Equal(t, 4, p.of(1000), "of a mebibyte each")
	p.brought(4, 4<<30)
	require.Equal(t, 1, p.of(1000), "larger than a portion")
	p.brought(1, 100)
	require.Equal(t, moderate, p.of(1000))
}

// What comes after a pause may be of another size.
func TestAPortionIsModerateAfterAPause(t *testing.T) {
	p := portion{sized: 1000}
	p.brought(0, 5)
	require.Equal(t, moderate, p.of(1000))
	p.brought(moderate, moderate<<20)
	p.brought(0, 5)
	require.Equal(t, 4, p.of(1000), "and no larger than it was")
}

func TestAPortionIsWhatTheLineCarries(t *testing.T) {
	p := portion{sized: 100}
	p.came(100, os.ErrDeadlineExceeded)
	require.Equal(t, 25, p.of(1000))
	p.came(25, nil)
	p.brought(25, 2500)
	require.Equal(t, 28, p.of(1000))
	p.brought(28, 28<<20)
	require.Equal(t, 4, p.of(1000))
}
