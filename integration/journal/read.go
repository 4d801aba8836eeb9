package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
)

// Log is what was read.
type Log struct {
	Records []Record // file by file, each in the order of the writes
	Torn    int      // files whose last line was cut off, by a kill
}

// Read reads journals. It may be called while they are written, and then gives what
// there is. An error means that records are missing: a log that was not read whole
// judges nobody.
func Read(paths ...string) (Log, error) {
	var log Log
	if len(paths) == 0 {
		return log, errors.New("journal: read: no file is named")
	}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			return Log{}, fmt.Errorf("journal: read: %w", err)
		}
		if err := log.parse(b); err != nil {
			return Log{}, fmt.Errorf("journal: read %s: %w", path, err)
		}
	}
	return log, nil
}

// parse adds the records of one file.
func (l *Log) parse(b []byte) error {
	l.Records = append(make([]Record, 0, len(l.Records)+bytes.Count(b, []byte{'\n'})), l.Records...)
	for n := 1; len(b) > 0; n++ {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		if !whole {
			l.Torn++ // though it may parse: a record ends with its line
			return nil
		}
		r, err := parse(line)
		if err != nil {
			const shown = 120
			return fmt.Errorf("line %d is no record (%q): %w; a process was killed while it wrote and another went on: give each that is to be killed a file of its own",
				n, line[:min(shown, len(line))], err)
		}
		l.Records = append(l.Records, r)
		b = rest
	}
	return nil
}

func parse(line []byte) (Record, error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	var r Record
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	if d.InputOffset() != int64(len(line)) {
		return r, errors.New("there is more behind it")
	}
	return r, r.validate()
}
