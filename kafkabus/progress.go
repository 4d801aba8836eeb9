package kafkabus

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math/bits"
	"strconv"
	"strings"
)

// progress is how far a group has come in a partition: an offset before which all is finished, and
// what is finished beyond it. Kafka keeps the former, and the latter beside it as a text.
type progress struct {
	end  int64    // all before it is finished; it is not
	done []uint64 // bits of what is finished, from the word of end on
}

const wordBits = 64

func (p *progress) word(offset int64) int { return int(offset/wordBits - p.end/wordBits) }

// finished reports whether the offset is.
func (p *progress) finished(offset int64) bool {
	if offset < p.end {
		return true
	}
	w := p.word(offset)
	return w < len(p.done) && p.done[w]&(1<<(offset%wordBits)) != 0
}

// unfinished is how many offsets from one until before another are not finished.
func (p *progress) unfinished(from, until int64) (n int64) {
	last := p.last()
	for o := max(from, p.end); o < min(until, last); o++ {
		if !p.finished(o) {
			n++
		}
	}
	return n + max(0, until-max(from, last))
}

// finish notes offsets from one until before another, and moves the end behind what is finished.
func (p *progress) finish(from, until int64) {
	if from <= p.end && until >= p.last() { // all of it, which may be much
		if until > p.end {
			p.end, p.done = until, nil
		}
		return
	}
	for o := max(from, p.end); o < until; o++ {
		for w := p.word(o); len(p.done) <= w; {
			p.done = append(p.done, 0)
		}
		p.done[p.word(o)] |= 1 << (o % wordBits)
	}
	p.advance()
}

func (p *progress) advance() {
	for len(p.done) > 0 {
		run := bits.TrailingZeros64(^(p.done[0] >> (p.end % wordBits)))
		run = min(run, int(wordBits-p.end%wordBits))
		p.end += int64(run)
		if p.end%wordBits != 0 || run == 0 {
			return
		}
		p.done = p.done[1:]
	}
}

// last is behind the last offset that is finished.
func (p *progress) last() int64 {
	for w := len(p.done) - 1; w >= 0; w-- {
		if p.done[w] != 0 {
			return (p.end/wordBits+int64(w))*wordBits + int64(bits.Len64(p.done[w]))
		}
	}
	return p.end
}

// mostText is how many characters a broker takes beside an offset (offset.metadata.max.bytes).
const mostText = 4096

// text writes down what is finished beyond the end, until where deliveries were handed out, and until
// where they may have been: what is finished as the lengths of runs, or as bits, whichever is shorter.
// What has no room is left out, and will be handed out again.
func (p *progress) text(handed, open int64) string {
	ahead := func(o int64) string { return strconv.FormatInt(min(max(o-p.end, 0), mostAhead), 36) }
	head := "1;" + ahead(handed) + ";" + ahead(open) + ";"
	most := base64.RawStdEncoding.DecodedLen(mostText - len(head) - 1)
	if p.last() <= p.end {
		if open <= p.end {
			return ""
		}
		return head
	}
	runs, whole := p.runs(most)
	if bitmap := p.bitmap(most); bitmap != nil && (!whole || len(bitmap) < len(runs)) {
		return head + "b" + base64.RawStdEncoding.EncodeToString(bitmap)
	}
	return head + "r" + base64.RawStdEncoding.EncodeToString(runs)
}

// runs are the lengths of what is not finished and what is, by turns, as far as there is room.
func (p *progress) runs(most int) (out []byte, whole bool) {
	last := p.last()
	for o, is := p.end, false; o < last; is = !is {
		from := o
		for o < last && p.finished(o) == is {
			o++
		}
		next := binary.AppendUvarint(out, uint64(o-from))
		if len(next) > most {
			return out, false
		}
		out = next
	}
	return out, true
}

// bitmap has a bit for each offset from the end on; nil if it has no room.
func (p *progress) bitmap(most int) []byte {
	n := (p.last() - p.end + 7) / 8
	if n > int64(most) {
		return nil
	}
	out := make([]byte, n)
	for o := p.end; o < p.last(); o++ {
		if p.finished(o) {
			out[(o-p.end)/8] |= 1 << ((o - p.end) % 8)
		}
	}
	return out
}

var errProgress = errors.New("what stands beside the committed offset is not the bus's")

// known is what a group has written down of a partition.
type known struct {
	progress
	mark   mark  // that it was made of
	handed int64 // behind the last delivery that was handed out
	open   int64 // no delivery from there on was
}

// readProgress makes of an offset and its text what they were made of. A text that another program has
// written says nothing.
func readProgress(committed int64, text string) (known, error) {
	nothing := known{progress{end: committed}, mark{committed, text}, committed, committed}
	if text == "" {
		return nothing, nil
	}
	parts := strings.SplitN(text, ";", 4)
	if parts[0] != "1" || len(parts) != 4 || committed < 0 {
		return nothing, errProgress
	}
	k := nothing
	for i, at := range []*int64{&k.handed, &k.open} {
		n, err := strconv.ParseInt(parts[i+1], 36, 64)
		if err != nil || n < 0 || n > mostAhead {
			return nothing, errProgress
		}
		*at += n
	}
	if err := k.readList(parts[3]); err != nil {
		return nothing, err
	}
	return k, nil
}

// readList takes what is finished.
func (p *progress) readList(list string) error {
	if list == "" {
		return nil
	}
	data, err := base64.RawStdEncoding.DecodeString(list[1:])
	if err != nil {
		return errProgress
	}
	from := p.end
	switch list[0] {
	case 'r':
		return p.readRuns(data)
	case 'b':
		for i := range data {
			for bit := range 8 {
				if data[i]&(1<<bit) != 0 {
					o := from + int64(i*8+bit)
					p.finish(o, o+1)
				}
			}
		}
		return nil
	}
	return errProgress
}

// mostAhead bounds what a text can make us note.
const mostAhead = 1 << 22

func (p *progress) readRuns(data []byte) error {
	from := p.end
	o := from
	for is := false; len(data) > 0; is = !is {
		n, size := binary.Uvarint(data)
		if size <= 0 {
			return errProgress
		}
		if n > mostAhead || o-from+int64(n) > mostAhead { // it is handed out again
			return nil
		}
		data = data[size:]
		if is {
			p.finish(o, o+int64(n))
		}
		o += int64(n)
	}
	return nil
}
