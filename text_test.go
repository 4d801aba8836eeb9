package eventbus

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// plainText is the rule, one character after the other.
func plainText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 })
}

func FuzzText(f *testing.F) {
	for _, s := range []string{"", "order-42", "12345678", "1234567\x7f", "1234567\x1f8", "\x80", "Zürich und Genève", "12345678\xff", strings.Repeat("é", 20)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got := isText(s, len(s)); got != plainText(s) {
			t.Errorf("isText(%q) = %t", s, got)
		}
	})
}

// Every byte at every place.
func TestTextLooksAtEveryByte(t *testing.T) {
	for _, size := range []int{1, 7, 8, 9, 16, 19} {
		for at := range size {
			for c := range 256 {
				b := []byte(strings.Repeat("x", size))
				b[at] = byte(c)
				require.Equal(t, plainText(string(b)), isText(string(b), size), "%q", b)
			}
		}
	}
	require.False(t, isText("12345678", 7))
}
