package kafkabus

import (
	"encoding/binary"
	"iter"
)

// headers are those of a record as they stand there: how many, and of each its name and its value, with the length
// before it.
type headers []byte

// headersOf makes headers of names and values by turns.
func headersOf(pairs ...string) headers {
	h := binary.AppendVarint(nil, int64(len(pairs)/2))
	for _, text := range pairs {
		h = appendText(h, text)
	}
	return h
}

func appendText(b []byte, text string) []byte {
	return append(binary.AppendVarint(b, int64(len(text))), text...)
}

// all returns names and values, which are pieces of the headers.
func (h headers) all() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		r := reader{rest: h}
		for n := r.varint(); n > 0; n-- {
			name, value := r.text(), r.text()
			if r.short || !yield(name, value) {
				return
			}
		}
	}
}

// get returns the value of a header, or nothing.
func (h headers) get(name string) string {
	for n, value := range h.all() {
		if string(n) == name {
			return string(value)
		}
	}
	return ""
}

// lengthOf is how many bytes a number takes.
func lengthOf(n int64) int {
	var b [binary.MaxVarintLen64]byte
	return binary.PutVarint(b[:], n)
}
