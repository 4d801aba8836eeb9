package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// maxDepth is how deep a payload may nest.
const maxDepth = 1000

var (
	errDepth = errors.New("must nest at most 1000 levels")
	errUTF8  = errors.New("must be valid UTF-8")
)

// checkJSON refuses a payload that is not one JSON value in UTF-8 of at most
// 1,000 levels.
func checkJSON(body []byte) error {
	err := errUTF8
	if utf8.Valid(body) {
		s := scanner{in: body}
		if err = s.value(maxDepth); err == nil {
			err = s.end()
		}
	}
	if err != nil {
		return refuse("data", "its content type says JSON: "+err.Error(), "")
	}
	return nil
}

// scanner walks over JSON text in valid UTF-8, and accepts what encoding/json
// accepts.
type scanner struct {
	in []byte
	at int
}

// next skips white space and returns the byte behind it, or 0 at the end.
func (s *scanner) next() byte {
	for ; s.at < len(s.in); s.at++ {
		switch c := s.in[s.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// peek returns the byte at hand, or 0 at the end.
func (s *scanner) peek() byte {
	if s.at < len(s.in) {
		return s.in[s.at]
	}
	return 0
}

func (s *scanner) end() error {
	if s.next(); s.at < len(s.in) {
		return fmt.Errorf("trailing data at byte %d", s.at)
	}
	return nil
}

func (s *scanner) unexpected() error {
	if s.at >= len(s.in) {
		return errors.New("unexpected end of JSON")
	}
	r, _ := utf8.DecodeRune(s.in[s.at:])
	return fmt.Errorf("unexpected %q at byte %d", r, s.at)
}

// expect skips white space and one c.
func (s *scanner) expect(c byte) error {
	if s.next() != c || s.at >= len(s.in) {
		return s.unexpected()
	}
	s.at++
	return nil
}

// value walks over one value of at most that many levels.
func (s *scanner) value(levels int) error {
	switch c := s.next(); c {
	case '{', '[':
		if levels == 0 {
			return errDepth
		}
		return s.container(c, levels-1)
	case '"':
		_, err := s.quoted()
		return err
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

func (s *scanner) container(open byte, levels int) error {
	closing := open + 2 // as ASCII has it for both pairs
	s.at++
	if s.next() == closing {
		s.at++
		return nil
	}
	for {
		if open == '{' {
			if _, err := s.key(); err != nil {
				return err
			}
		}
		if err := s.value(levels); err != nil {
			return err
		}
		switch s.next() {
		case ',':
			s.at++
		case closing:
			s.at++
			return nil
		default:
			return s.unexpected()
		}
	}
}

// key walks over a member's name and colon, and returns the name as it is
// written between the quotes.
func (s *scanner) key() ([]byte, error) {
	s.next()
	name, err := s.quoted()
	if err != nil {
		return nil, err
	}
	return name, s.expect(':')
}

// quoted walks over a string and returns what is between the quotes.
func (s *scanner) quoted() ([]byte, error) {
	if s.peek() != '"' {
		return nil, s.unexpected()
	}
	s.at++
	start := s.at
	for {
		i := s.at
		for i < len(s.in) && !special[s.in[i]] {
			i++
		}
		s.at = i
		switch s.peek() {
		case '"':
			s.at++
			return s.in[start : s.at-1], nil
		case '\\':
			if err := s.escape(); err != nil {
				return nil, err
			}
		default:
			return nil, s.unexpected()
		}
	}
}

// special are the bytes that do not stand for themselves in a string.
var special = func() (t [256]bool) {
	for c := range 0x20 {
		t[c] = true
	}
	t['"'], t['\\'] = true, true
	return t
}()

// escape walks over an escape.
func (s *scanner) escape() error {
	s.at++
	switch s.peek() {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		s.at++
		return nil
	case 'u':
		for range 4 {
			s.at++
			if c := s.peek(); (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
				return s.unexpected()
			}
		}
		s.at++
		return nil
	}
	return s.unexpected()
}

func (s *scanner) word(w string) error {
	for i := range len(w) {
		if s.peek() != w[i] {
			return s.unexpected()
		}
		s.at++
	}
	return nil
}

func (s *scanner) number() error {
	if s.peek() == '-' {
		s.at++
	}
	if s.peek() == '0' {
		s.at++
	} else if err := s.digits(); err != nil {
		return err
	}
	if s.peek() == '.' {
		s.at++
		if err := s.digits(); err != nil {
			return err
		}
	}
	if c := s.peek(); c != 'e' && c != 'E' {
		return nil
	}
	s.at++
	if c := s.peek(); c == '+' || c == '-' {
		s.at++
	}
	return s.digits()
}

func (s *scanner) digits() error {
	if c := s.peek(); c < '0' || c > '9' {
		return s.unexpected()
	}
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.at++
	}
	return nil
}
