package oracle

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// openFiles returns what the open file descriptors of this process lead to: paths, and
// "socket:[4711]" or the like, each as often as it is open.
func openFiles() ([]string, error) {
	const dir = "/proc/self/fd"
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("open files are listed where there is a /proc, on Linux: %w", err)
	}
	defer func() { _ = d.Close() }()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return nil, fmt.Errorf("list the open files: %w", err)
	}
	own := fmt.Sprint(d.Fd())
	var out []string
	for _, n := range names {
		if n == own {
			continue
		}
		to, err := os.Readlink(dir + "/" + n)
		if errors.Is(err, os.ErrNotExist) { // closed meanwhile
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at an open file: %w", err)
		}
		out = append(out, to)
	}
	slices.Sort(out)
	return out, nil
}

// without returns what is in now more often than in before. Both are sorted.
func without(now, before []string) []string {
	had := map[string]int{}
	for _, f := range before {
		had[f]++
	}
	var more []string
	for _, f := range now {
		if had[f]--; had[f] < 0 {
			more = append(more, f)
		}
	}
	return more
}

// wakePoller lets the runtime open what it needs to wait for files, which stays open
// from the first use on and is nobody's leak.
func wakePoller() error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	return errors.Join(r.Close(), w.Close())
}
