package rabbitbus

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
)

const mostEmptyLogs = 1000

// letterLog is what this process knows of the letters of one group.
type letterLog struct {
	group string
	names groupLetterNames
	used  uint64 // under letterStore.mu

	current atomic.Uint64 // one more than the number of the last generation that is known; 0 is none
	begun   atomic.Uint64 // readings
	size    atomic.Int64  // of the index
	busy    atomic.Bool   // it is being compacted by this process

	turn  chan struct{} // holds one; who has taken it may read and use what is below
	done  uint64        // the last reading that came to its end
	read  []letterReading
	index *letterIndex

	mu      sync.Mutex
	awaited map[string]*letterEnds // by the ID of a record
}

// letterReading is how far a generation was read.
type letterReading struct {
	generation uint64
	scan       letterScan
	nonce      string // of the record that was read last
	over       bool   // the generation has ended, and was read after that
}

// letterEnds is what a record did that its writer waits for.
type letterEnds struct {
	seen  bool
	anew  bool            // all was read anew meanwhile
	ended map[string]bool // the IDs of the letters that it has removed
}

// gone are those of the letters that the record has removed. Where a compaction has heeded it before it was
// read, there was no copy that it could end, and it has removed all of them; or somebody else has some, at
// the same time, and counts them too.
func (w letterEnds) gone(ids []string) []string {
	if !w.seen || w.anew {
		return ids
	}
	return slices.Collect(maps.Keys(w.ended))
}

// log returns what is known of the group.
func (s *letterStore) log(group string) *letterLog {
	s.mu.Lock()
	defer s.mu.Unlock()
	l, ok := s.logs[group]
	if !ok {
		l = s.newLog(group)
		s.logs[group] = l
	}
	s.uses++
	l.used = s.uses
	s.forgetOthers(l)
	return l
}

// forgetOthers drops the indexes that were not used for the longest time while there are too
// many letters in all, and groups that have none and were only asked for. Who uses an index
// at the moment keeps it until then.
func (s *letterStore) forgetOthers(used *letterLog) {
	if len(s.logs) > mostEmptyLogs {
		maps.DeleteFunc(s.logs, func(_ string, l *letterLog) bool { return l != used && l.current.Load() == 0 })
	}
	for {
		total, oldest := int64(0), used
		for _, l := range s.logs {
			total += l.size.Load()
			if l.used < oldest.used && l.size.Load() > 0 {
				oldest = l
			}
		}
		if total <= int64(s.bounds.keep) || oldest == used {
			return
		}
		anew := s.newLog(oldest.group)
		anew.current.Store(oldest.current.Load())
		s.logs[oldest.group] = anew
	}
}

func (s *letterStore) newLog(group string) *letterLog {
	return &letterLog{
		group: group, names: s.names.of(group), turn: make(chan struct{}, 1), index: newLetterIndex(), awaited: map[string]*letterEnds{},
	}
}

func (l *letterLog) last() (uint64, bool) {
	n := l.current.Load()
	return n - 1, n > 0
}

func (l *letterLog) learn(g uint64) { l.current.Store(g + 1) }

// await makes the log note what the record does, until the function that it returns is called.
func (l *letterLog) await(nonce string) (forget func() letterEnds) {
	w := &letterEnds{ended: map[string]bool{}}
	l.mu.Lock()
	l.awaited[nonce] = w
	l.mu.Unlock()
	return func() letterEnds {
		l.mu.Lock()
		defer l.mu.Unlock()
		delete(l.awaited, nonce)
		return *w
	}
}

func (l *letterLog) saw(nonce string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.awaited[nonce]
	return w == nil || w.seen
}
