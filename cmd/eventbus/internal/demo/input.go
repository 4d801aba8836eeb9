package demo

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// input is a file of lines, or standard input, plain or compressed by gzip.
type input struct {
	name  string // for messages
	r     io.Reader
	file  *os.File // what r is, where it can be read again from start
	start int64
	close []func() error
}

// openInput opens the file; "-" is standard input.
func openInput(path string, stdin io.Reader) (*input, error) {
	if path == "-" {
		in := &input{name: "standard input", r: stdin}
		if f, ok := stdin.(*os.File); ok {
			in.rewindable(f)
		}
		return in, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, inputError{fmt.Errorf("cannot read the events: %w", err)}
	}
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, errors.Join(fmt.Errorf("cannot read the events: %s is a directory, a file is expected", path), f.Close())
	}
	in := &input{name: path, r: f, close: []func() error{f.Close}}
	in.rewindable(f)
	return in, nil
}

func (in *input) rewindable(f *os.File) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return
	}
	if start, err := f.Seek(0, io.SeekCurrent); err == nil {
		in.file, in.start = f, start
	}
}

// keep makes sure that the input can be read twice: a pipe is copied to a
// temporary file, which Close removes.
func (in *input) keep(ctx context.Context) error {
	if in.file != nil {
		return nil
	}
	f, err := os.CreateTemp("", "eventbus-demo-*")
	if err != nil {
		return in.notKept(err)
	}
	in.close = append(in.close, f.Close, func() error { return os.Remove(f.Name()) })
	if _, err := io.Copy(f, stoppable(ctx, in.r)); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return in.notKept(err)
	}
	in.r, in.file, in.start = f, f, 0
	return nil
}

func (in *input) notKept(err error) error {
	return fmt.Errorf("cannot keep %s for a second reading (with --poison it is read once): %w", in.name, err)
}

// lines starts reading; what was kept starts from the beginning every time.
func (in *input) lines(ctx context.Context) (*lineReader, error) {
	r := in.r
	if in.file == nil {
		r = stoppable(ctx, r)
	} else if _, err := in.file.Seek(in.start, io.SeekStart); err != nil {
		return nil, fmt.Errorf("cannot read %s again: %w", in.name, err)
	}
	plain := bufio.NewReaderSize(r, 64<<10)
	head, _ := plain.Peek(2) // what is wrong with it comes out of the first line
	if !bytes.Equal(head, []byte{0x1f, 0x8b}) {
		if strings.HasSuffix(in.name, ".gz") && len(head) > 0 {
			return nil, inputError{fmt.Errorf("%s is named .gz but does not hold gzip data", in.name)}
		}
		return newLineReader(plain), nil
	}
	unzipped, err := gzip.NewReader(plain)
	if err != nil {
		return nil, inputError{fmt.Errorf("%s: its gzip header is damaged: %w", in.name, err)}
	}
	return newLineReader(bufio.NewReaderSize(unzipped, 64<<10)), nil
}

// Close ends the reading and removes what was kept.
func (in *input) Close() error {
	var errs []error
	for _, f := range in.close {
		errs = append(errs, f())
	}
	return errors.Join(errs...)
}

// stoppable reads from r until ctx ends. A read of a pipe or terminal cannot be
// called back: it is left behind with a buffer of its own, and the process ends.
func stoppable(ctx context.Context, r io.Reader) io.Reader {
	return &stoppableReader{ctx: ctx, r: r, buffer: make([]byte, 64<<10), reads: make(chan readResult, 1)}
}

type stoppableReader struct {
	ctx    context.Context // io.Reader leaves no other place for it
	r      io.Reader
	buffer []byte
	rest   []byte // read and not yet asked for
	err    error
	reads  chan readResult
}

type readResult struct {
	n   int
	err error
}

func (s *stoppableReader) Read(p []byte) (int, error) {
	if len(s.rest) == 0 && s.err == nil {
		go func() {
			n, err := s.r.Read(s.buffer)
			s.reads <- readResult{n, err}
		}()
		select {
		case got := <-s.reads:
			s.rest, s.err = s.buffer[:got.n], got.err
		case <-s.ctx.Done():
			s.err = context.Cause(s.ctx)
		}
	}
	n := copy(p, s.rest)
	s.rest = s.rest[n:]
	if n > 0 || len(p) == 0 {
		return n, nil
	}
	return 0, s.err
}
