package markdown_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus/internal/markdown"
)

func TestNothingEscapesFromACell(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "",
		"a plain sentence, ü.":   "a plain sentence, ü.",
		"a | b":                  `a \| b`,
		`a \| b`:                 `a &#92;\| b`,
		"two\nlines\r\n\tthree ": "two lines three",
		"`code` *b* _i_ ~s~":     "\\`code\\` \\*b\\* \\_i\\_ \\~s\\~",
		"<b>&amp;[x](y)":         `\<b\>\&amp;\[x\](y)`,
	} {
		require.Equal(t, want, markdown.Text(in), "%q", in)
	}
	for in, want := range map[string]string{
		"":              "",
		"order.created": "`order.created`",
		"#":             "`#`",
		"a|b":           "`a\\|b`",
		"a`b":           "<code>a&#96;b</code>",
		`a\|*`:          "<code>a&#92;&#124;&#42;</code>",
		"a\nb":          "<code>a b</code>",
	} {
		require.Equal(t, want, markdown.Code(in), "%q", in)
	}
}

func TestSpacesOfACodeAreKept(t *testing.T) {
	require.Equal(t, "<code> a </code>", markdown.Code(" a "))
}

func TestTable(t *testing.T) {
	table := markdown.NewTable("a", "b")
	table.Row("1", markdown.Codes([]string{"x", "y"}))
	require.Equal(t, "| a | b |\n|---|---|\n| 1 | `x`<br>`y` |\n", table.String())
}
