package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Journal appends records to a file. All methods may be called concurrently; other
// journals, here and in other processes, may have the same file open.
type Journal struct {
	path, worker string
	pid          int
	file         io.WriteCloser // one Write is one write(2)
	publishers   atomic.Int64

	mu     sync.Mutex
	failed error // the first; nothing is written after it, or it would stand behind a torn line
	closed bool
}

// Open opens the file, or makes it, for records under the name of the worker, which
// is for the reader of a report and need not be unique: the process is told too.
func Open(path, worker string) (*Journal, error) {
	if worker == "" {
		return nil, errors.New("journal: open: the worker has no name; give one, reports name it")
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("journal: open: %w", err)
	}
	return &Journal{path: path, worker: worker, pid: os.Getpid(), file: f}, nil
}

// Write appends the record, and fills in worker, process and, where it is zero, time.
// When it returns nil the record survives the end of this process.
func (j *Journal) Write(r Record) error {
	r.Worker, r.PID = j.worker, j.pid
	if r.Time == 0 {
		r.Time = time.Now().UnixNano()
	}
	line, err := json.Marshal(r)
	if err == nil {
		err = r.validate() // what Read would refuse
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.failed != nil:
		return j.failed
	case j.closed:
		err = errors.New("it is closed; close a journal after the bus")
	case err == nil:
		_, err = j.file.Write(append(line, '\n'))
	}
	if err != nil {
		j.failed = fmt.Errorf("journal %s: %s of event %s is not written, and nothing after it: %w", j.path, r.What, r.EventID, err)
	}
	return j.failed
}

// Close closes the file. It returns the first error that there ever was, also when it
// is called again: nil means that the journal is complete. Close it after the bus.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.closed = true
		if err := j.file.Close(); err != nil && j.failed == nil {
			j.failed = fmt.Errorf("journal %s: close: %w", j.path, err)
		}
	}
	return j.failed
}
