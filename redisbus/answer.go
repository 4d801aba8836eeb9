package redisbus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
)

// pages is memory for one answer after another.
type pages struct{ b []byte }

var (
	_ io.Writer     = (*pages)(nil)
	_ io.ReaderFrom = (*pages)(nil)
)

// Write takes a part of an answer.
func (p *pages) Write(part []byte) (int, error) {
	p.b = append(p.b, part...)
	return len(part), nil
}

// ReadFrom takes a part of an answer without a way around: go-redis says how long it is.
func (p *pages) ReadFrom(r io.Reader) (int64, error) {
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		return io.Copy(struct{ io.Writer }{p}, r)
	}
	from, n := len(p.b), int(limited.N)
	p.b = slices.Grow(p.b, n)
	read, err := io.ReadFull(limited.R, p.b[from:from+n])
	limited.N -= int64(read)
	p.b = p.b[:from+read]
	return int64(read), err
}

// next makes room for the next answer, in the memory of this one unless that is large, or
// there was next to nothing in it: who waits needs none.
func (p *pages) next() {
	const least, most = 64, 2 * answered
	if len(p.b) < least || cap(p.b) > most {
		p.b = nil
	}
	p.b = p.b[:0]
}

// answer is what the server has answered, byte for byte in RESP2: reading entries from it
// takes a quarter of the allocations of the values that go-redis makes.
type answer struct {
	in []byte
	at int
}

// serverError is an answer that is an error.
type serverError string

func (e serverError) Error() string { return string(e) }

// RedisError makes it one of the server's for go-redis and for reply.
func (serverError) RedisError() {}

var errAnswer = errors.New("the server answers with something else than entries of streams")

// line returns the number in the line at hand, which begins with the kind, and goes behind it.
func (a *answer) line(kind byte) (int, error) {
	end := bytes.Index(a.in[a.at:], []byte("\r\n"))
	if end < 1 {
		return 0, errAnswer
	}
	line := a.in[a.at : a.at+end]
	a.at += end + 2
	switch line[0] {
	case kind:
		n, err := strconv.Atoi(string(line[1:]))
		if err != nil || n < -1 {
			return 0, errAnswer
		}
		return n, nil
	case '-':
		return 0, serverError(line[1:])
	}
	return 0, fmt.Errorf("%w: %.40q", errAnswer, line)
}

// list returns of how many parts the list at hand is, -1 where there is none instead.
func (a *answer) list() (int, error) { return a.line('*') }

// pair goes into a list that must be of two parts.
func (a *answer) pair() error {
	n, err := a.list()
	if err == nil && n != 2 {
		err = fmt.Errorf("%w: %d parts, not 2", errAnswer, n)
	}
	return err
}

// bulk returns the string at hand, a part of the answer; nil where there is none instead.
func (a *answer) bulk() ([]byte, error) {
	n, err := a.line('$')
	if err != nil || n < 0 {
		return nil, err
	}
	if len(a.in)-a.at < n+2 {
		return nil, errAnswer
	}
	s := a.in[a.at : a.at+n : a.at+n]
	a.at += n + 2
	return s, nil
}

// eachEntry reads the answer of XREADGROUP: a list of streams, each its key and its entries.
// What it hands over is valid during the call.
func (a *answer) eachEntry(each func(key []byte, e streamEntry)) error {
	streams, err := a.list()
	for range streams {
		if err = a.pair(); err != nil {
			break
		}
		var key []byte
		if key, err = a.bulk(); err != nil {
			break
		}
		if err = a.entries(func(e streamEntry) { each(key, e) }); err != nil {
			break
		}
	}
	return err
}

func (a *answer) entries(each func(e streamEntry)) error {
	n, err := a.list()
	if err != nil {
		return err
	}
	var fields [][]byte
	for range n {
		if err := a.pair(); err != nil {
			return err
		}
		id, err := a.bulk()
		if err != nil {
			return err
		}
		if fields, err = a.fields(fields[:0]); err != nil {
			return err
		}
		each(streamEntry{id: id, fields: fields, gone: fields == nil})
	}
	return nil
}

// fields returns names and values in turn, or nil where the entry was deleted.
func (a *answer) fields(room [][]byte) ([][]byte, error) {
	n, err := a.list()
	if err != nil || n < 0 {
		return nil, err
	}
	if room == nil {
		room = make([][]byte, 0, min(n, 8))
	}
	for range n {
		part, err := a.bulk()
		if err != nil {
			return nil, err
		}
		room = append(room, part)
	}
	return room, nil
}
