// Package excerpt shows values from outside in errors.
package excerpt

import (
	"fmt"
	"strconv"
	"strings"
)

// Of quotes a value for an error, cut to 64 bytes.
func Of(s string) string {
	const limit = 64
	if len(s) > limit {
		return strconv.Quote(strings.ToValidUTF8(s[:limit], "")) + fmt.Sprintf("… of %d bytes", len(s))
	}
	return strconv.Quote(s)
}
