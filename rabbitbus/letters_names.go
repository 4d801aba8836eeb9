package rabbitbus

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
)

const maxQueueName = 255

// letterNames are the queues and exchanges of the letters under one prefix.
type letterNames struct{ prefix string }

// of are those of one group.
func (n letterNames) of(group string) groupLetterNames {
	return groupLetterNames{n.prefix + "." + group + ".letters"}
}

// groupLetterNames are those of one group.
type groupLetterNames struct{ root string }

// pointer is the stream of the numbers of generations.
func (n groupLetterNames) pointer() string { return n.root }

// generation is both the stream of a generation and the exchange through which it is written.
func (n groupLetterNames) generation(g uint64) string {
	return n.root + "." + strconv.FormatUint(g, 10)
}

// copying is an exchange that leads nowhere. It is there while the letters of the generation
// before this one are not all in this one, and that stream is to be read too.
func (n groupLetterNames) copying(g uint64) string { return n.generation(g) + ".copying" }

// lock is held by who makes or changes generations.
func (n groupLetterNames) lock() string { return n.root + ".lock" }

// lease is the queue that is there while the letter that was born there is taken. It has the
// place in its name, so that another letter under the same ID has another.
func (n groupLetterNames) lease(id string, born letterPlace) string {
	sum := sha256.Sum256([]byte(born.String() + "/" + id))
	return n.root + ".lease." + hex.EncodeToString(sum[:16])
}

// longest is how many bytes the longest name has.
func (n groupLetterNames) longest() int { return len(n.lease("", letterPlace{})) }

// splitGroup returns the service group and the subscriber.
func splitGroup(group string) (service, subscriber string) {
	service, subscriber, _ = strings.Cut(group, ".")
	return service, subscriber
}
