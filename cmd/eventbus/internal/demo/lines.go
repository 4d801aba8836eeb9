package demo

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxLine bounds a line of the input, in bytes: several times the largest event,
// which base64 and escapes may swell.
const maxLine = 4 << 20

// errLongLine is matched when a line was longer than maxLine.
var errLongLine = errors.New("too long")

// lineReader reads lines that end in LF or CRLF, the last one perhaps in nothing.
type lineReader struct {
	r      *bufio.Reader
	long   []byte // room for lines beyond the reader's
	number int    // of the line read last, from 1
}

func newLineReader(r *bufio.Reader) *lineReader { return &lineReader{r: r} }

// next returns the next line without its end, valid until the next call. A line
// that is too long is passed over and reported as errLongLine; io.EOF is the end.
func (l *lineReader) next() ([]byte, error) {
	line, err := l.read()
	if len(line) == 0 && err != nil {
		if !errors.Is(err, io.EOF) {
			l.number++
		}
		return nil, err
	}
	l.number++
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if l.number == 1 {
		line = bytes.TrimPrefix(line, []byte("\ufeff"))
	}
	line = bytes.TrimSuffix(line, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), nil
}

// read returns a line with its end. The error may come with the last one.
func (l *lineReader) read() ([]byte, error) {
	line, err := l.r.ReadSlice('\n')
	if !errors.Is(err, bufio.ErrBufferFull) {
		return line, err
	}
	l.long = l.long[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long, line...)
		if len(l.long) > maxLine {
			return nil, l.skip()
		}
		line, err = l.r.ReadSlice('\n')
	}
	l.long = append(l.long, line...)
	if len(l.long) > maxLine {
		return nil, errLineOf(maxLine)
	}
	return l.long, err
}

// skip passes over the rest of a line.
func (l *lineReader) skip() error {
	for {
		_, err := l.r.ReadSlice('\n')
		switch {
		case err == nil, errors.Is(err, io.EOF):
			return errLineOf(maxLine)
		case !errors.Is(err, bufio.ErrBufferFull):
			return err
		}
	}
}

func errLineOf(limit int) error {
	return fmt.Errorf("%w: a line may have at most %s", errLongLine, count(limit, "byte"))
}

// maxTold is how many bad lines are told one by one.
const maxTold = 20

// badLines counts the lines that are no event.
type badLines struct {
	n    int
	tell func(string)
}

func (b *badLines) add(line int, err error) {
	b.n++
	switch {
	case b.n <= maxTold:
		b.tell(fmt.Sprintf("line %d: %s", line, strings.ReplaceAll(err.Error(), "\n", "; ")))
	case b.n == maxTold+1:
		b.tell(fmt.Sprintf("line %d is bad too; from here on bad lines are only counted", line))
	}
}

// sum tells how many there were in the end, if any.
func (b *badLines) sum() {
	if b.n > 0 {
		b.tell(count(b.n, "bad line") + " passed over")
	}
}
