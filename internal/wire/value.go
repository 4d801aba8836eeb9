package wire

import (
	"errors"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

var (
	errSpecVersion = errors.New("must be 1.0")
	errTime        = errors.New("must be a time of RFC 3339")
	errNumber      = errors.New("must be an integer in decimal digits, of 64 bits")
)

// stamp writes a time, or nothing for the zero one.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// parseTime reads RFC 3339 without what time.Parse takes beyond it: hours of one
// digit, a comma before the fraction, offsets of more than a day.
func parseTime(s string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil || s[12] == ':' || s[19] == ',' {
		return time.Time{}, errTime
	}
	if offset := s[len(s)-5:]; s[len(s)-1] != 'Z' && (offset[:2] > "23" || offset[3:] > "59") {
		return time.Time{}, errTime
	}
	return t.UTC(), nil
}

// number writes an integer, or nothing for 0.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// parseNumber reads what strconv.FormatInt writes, and nothing else.
func parseNumber(s string) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || s[0] == '+' || s[0] == '0' && len(s) > 1 || s[0] == '-' && s[1] == '0' {
		return 0, errNumber
	}
	return n, nil
}

func parseInt(s string) (int, error) {
	n, err := parseNumber(s)
	if int64(int(n)) != n {
		return 0, errNumber
	}
	return int(n), err
}

// isMetadata reports whether DomainEvent.Validate takes the pair as metadata.
func isMetadata(key, value string) bool {
	if !isKey(key) || len(value) > maxEntryValue || key == contentTypeName ||
		strings.HasPrefix(key, attributePrefix) || isFact(key) {
		return false
	}
	return utf8.ValidString(value) && !strings.ContainsFunc(value, isControl)
}

// isKey reports whether s is 1 to 128 bytes of [a-z0-9._-].
func isKey(s string) bool {
	if s == "" || len(s) > maxEntryKey {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return true
}

func isControl(r rune) bool { return r < 0x20 || r >= 0x7f && r < 0xa0 }
