package excerpt_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/excerpt"
)

func TestOf(t *testing.T) {
	require.Equal(t, `"a\nb"`, excerpt.Of("a\nb"))
	require.Equal(t, `"`+strings.Repeat("x", 64)+`"`, excerpt.Of(strings.Repeat("x", 64)))
	require.Equal(t, `"`+strings.Repeat("x", 63)+`"… of 65 bytes`, excerpt.Of(strings.Repeat("x", 63)+"é"))
}
