package wire

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

var (
	errSurrogate = errors.New("has half a surrogate pair")
	errMetadata  = errors.New("must be a JSON object of strings, each name once")
	errBase64    = errors.New("must be base64 with padding")
)

// unquote returns what a string that the scanner has walked over stands for. A
// half surrogate pair stands for nothing and is refused.
func unquote(raw []byte) (string, error) {
	at := bytes.IndexByte(raw, '\\')
	if at < 0 {
		return string(raw), nil
	}
	out := make([]byte, 0, len(raw))
	for ; at >= 0; at = bytes.IndexByte(raw, '\\') {
		out = append(out, raw[:at]...)
		c := raw[at+1]
		raw = raw[at+2:]
		if c != 'u' {
			out = append(out, unescape(c))
			continue
		}
		r := rune(hex4(raw))
		raw = raw[4:]
		if utf16.IsSurrogate(r) {
			if len(raw) < 6 || raw[0] != '\\' || raw[1] != 'u' {
				return "", errSurrogate
			}
			if r = utf16.DecodeRune(r, rune(hex4(raw[2:]))); r == utf8.RuneError {
				return "", errSurrogate
			}
			raw = raw[6:]
		}
		out = utf8.AppendRune(out, r)
	}
	return string(append(out, raw...)), nil
}

func unescape(c byte) byte {
	if i := strings.IndexByte("bfnrt", c); i >= 0 {
		return "\b\f\n\r\t"[i]
	}
	return c
}

func hex4(raw []byte) uint64 {
	n, _ := strconv.ParseUint(string(raw[:4]), 16, 16) // the scanner has seen the digits
	return n
}

// appendQuoted writes a JSON string, on one line.
func appendQuoted(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	done := 0
	for i := range len(s) {
		c := s[i]
		if !special[c] {
			continue
		}
		dst = append(dst, s[done:i]...)
		done = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(append(dst, s[done:]...), '"')
}

// parseMetadata reads what appendMetadata writes. It leaves the keys to
// DomainEvent.Validate.
func parseMetadata(text string) (map[string]string, error) {
	s := scanner{in: []byte(text)}
	if !utf8.ValidString(text) || s.expect('{') != nil {
		return nil, errMetadata
	}
	m := make(map[string]string)
	for c := s.next(); c != '}'; c = s.next() {
		if len(m) > 0 && s.expect(',') != nil {
			return nil, errMetadata
		}
		name, value, err := s.pair()
		if _, have := m[name]; have || err != nil {
			return nil, errMetadata
		}
		m[name] = value
	}
	s.at++
	if s.end() != nil {
		return nil, errMetadata
	}
	if len(m) == 0 {
		return nil, nil
	}
	return m, nil
}

// pair reads a member whose value is a string.
func (s *scanner) pair() (name, value string, err error) {
	key, err := s.key()
	if err != nil {
		return "", "", err
	}
	s.next()
	raw, err := s.quoted()
	if err != nil {
		return "", "", err
	}
	value, err = unquote(raw)
	return string(key), value, err
}

func appendMetadata(dst []byte, m map[string]string) []byte {
	object := []byte{'{'}
	for i, key := range sorted(m) {
		if i > 0 {
			object = append(object, ',')
		}
		object = append(appendQuoted(object, key), ':')
		object = appendQuoted(object, m[key])
	}
	return appendQuoted(dst, string(append(object, '}')))
}

func parseBase64(s string) ([]byte, error) {
	out, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") {
		return nil, errBase64
	}
	return out, nil
}
