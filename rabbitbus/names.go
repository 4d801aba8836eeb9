package rabbitbus

import (
	"fmt"
	"strings"
	"time"
)

// names are those of everything that the bus has on the server: its exchange, and queues that
// begin with the exchange's name.
type names struct{ prefix string }

func (n names) exchange() string { return n.prefix }

// queue is where a group's events wait; 0 is the shard.
func (n names) queue(group string) string { return n.prefix + "." + group + ".0" }

// step is where retries of a group wait for so long.
func (n names) step(group string, d time.Duration) string {
	return n.prefix + "." + group + ".later." + shortly(d)
}

// members is where the group's members are counted.
func (n names) members(group string) string { return n.prefix + "." + group + ".members" }

// mark is the queue that a channel of a bus consumes from to be seen.
func (n names) mark(instance string, number uint64) string {
	return fmt.Sprintf("%s.marks.%s.%d", n.prefix, instance, number)
}

// tries is the stream that is the group's ledger.
func (n names) tries(group string) string { return n.prefix + "." + group + ".tries" }

// groups is the stream that names the groups.
func (n names) groups() string { return n.prefix + ".groups" }

// shortly writes a step as people do: 100ms, 30s, 2m, 1h.
func shortly(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// legalPrefix reports whether names can begin with it: with those of group and subscriber
// there are 255 bytes, and what begins with amq. is the server's.
func legalPrefix(s string) bool {
	return s != "" && len(s) <= maxPrefix && !strings.HasPrefix(s, "amq.") && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

const maxPrefix = 40
