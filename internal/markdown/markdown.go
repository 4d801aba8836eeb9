// Package markdown writes tables of GitHub Flavored Markdown, whatever their cells
// hold (https://github.github.com/gfm/#tables-extension-).
package markdown

import (
	"fmt"
	"strings"
)

// Break ends a line within a cell.
const Break = "<br>"

// Text returns plain text as it must be written in a cell: on one line, and with
// nothing in it that Markdown or HTML would take for markup.
func Text(s string) string {
	var b strings.Builder
	for _, r := range strings.Join(strings.Fields(s), " ") {
		switch {
		case r == '\\': // else it would escape what comes behind it
			b.WriteString("&#92;")
			continue
		case strings.ContainsRune("`*_[]<>|~&", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Code returns a name as code in a cell, or nothing for the empty name.
func Code(s string) string {
	switch {
	case s == "":
		return ""
	case strings.ContainsAny(s, "`\\\r\n") || strings.TrimSpace(s) != s:
		return "<code>" + entities(s) + "</code>"
	default:
		return "`" + strings.ReplaceAll(s, "|", `\|`) + "`"
	}
}

func entities(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\r' || r == '\n':
			b.WriteByte(' ')
		case strings.ContainsRune("`\\*_[]<>|~&", r):
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Codes returns names as code, one a line.
func Codes(names []string) string {
	cells := make([]string, len(names))
	for i, n := range names {
		cells[i] = Code(n)
	}
	return strings.Join(cells, Break)
}

// Table collects rows of cells that are written already.
type Table struct{ b strings.Builder }

// NewTable begins a table with the names of its columns.
func NewTable(columns ...string) *Table {
	t := &Table{}
	t.Row(columns...)
	t.b.WriteString("|" + strings.Repeat("---|", len(columns)) + "\n")
	return t
}

// Row adds a row.
func (t *Table) Row(cells ...string) { t.b.WriteString("| " + strings.Join(cells, " | ") + " |\n") }

// String returns the table, each row with its line end.
func (t *Table) String() string { return t.b.String() }
