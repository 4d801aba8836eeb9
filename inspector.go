package eventbus

import (
	"context"
	"time"
)

// Inspector is implemented by buses that can tell how they are, and how their backend
// is. It needs neither Start nor a subscriber, and changes nothing.
type Inspector interface {
	// Stats returns the counters of this process and what waits in the backend.
	Stats(ctx context.Context) (Stats, error)
	// Health returns nil when the backend answers and every subscriber makes
	// progress, else what is wrong, joined.
	Health(ctx context.Context) error
	// Topics tells of every topic what the backend holds, sorted by name. There are
	// none where the backend holds events only for groups.
	Topics(ctx context.Context) ([]TopicInfo, error)
	// Group tells how far a group of any service is, "<group>.<name>", with members
	// or without. One that does not exist is a [ValidationError].
	Group(ctx context.Context, group string) (GroupInfo, error)
}

// TopicInfo is what the backend holds of one topic.
type TopicInfo struct {
	Name   string
	Length int      // events that it holds, those that were handled among them
	Groups []string // those that read it, "<group>.<name>", sorted
}

// GroupInfo is how far a group is. A number that the backend does not know is
// negative.
type GroupInfo struct {
	Name    string             // "<group>.<name>"
	Backlog                    // in all topics together
	Topics  map[string]Backlog // nil where the backend does not tell them apart
	Letters int                // dead letters
	Members []MemberInfo
}

// Backlog is what a group has not handled yet.
type Backlog struct {
	// Lag is how many events it was not handed yet, retries and replays that are due
	// among them. Where the backend has to count them one by one, it is at least that.
	Lag     int
	Pending int // deliveries that were handed to a member and are not acknowledged
	Delayed int // retries that are not due yet
	// OldestPending is when the oldest of the pending was stored. Zero means that there
	// is none, or that the backend does not know.
	OldestPending time.Time
}

// MemberInfo is an instance of a subscriber: one that lives, or one that is gone and
// has left something that nobody has taken over yet.
type MemberInfo struct {
	Name    string // the backend's name for it
	Pending int    // deliveries that it was handed and has not acknowledged
	Alive   bool
	Seen    time.Time // its last sign of life; zero: the backend does not know
}

// Stats are the counters of one bus in one process since it was made.
type Stats struct {
	Published   uint64 // events stored
	Refused     uint64 // events certainly not stored
	Unknown     uint64 // events that may have been stored
	BeyondBound uint64 // events taken beyond a bound because a handler published them
	Subscribers []SubscriberStats
}

// SubscriberStats are the counters of one subscriber in this process. Once nothing
// is under way they add up: Acked = Handled + Skipped + Moved + Buried. An ack that
// came too late, since a connection or lease was lost, is missing in Acked: that
// delivery is made again.
type SubscriberStats struct {
	Group, Subscriber string
	Received          uint64 // deliveries taken from the backend
	Acked             uint64 // deliveries acknowledged to it
	Handled           uint64 // deliveries that an attempt handled
	Skipped           uint64 // deliveries skipped as unmatched
	Moved             uint64 // deliveries sent to the group again, to be retried
	Buried            uint64 // deliveries buried or dropped
	Attempts          uint64 // handler calls that ended and counted
	Failed            uint64 // of those, the failed ones
	Retried           uint64 // waits before another attempt
	Stuck             uint64 // handlers that did not return after their time-out
	Reconnections     uint64
	InFlight          int       // deliveries under way, held, or not yet acknowledged now
	Running           int       // handlers running now
	Waiting           int       // events waiting in the backend, where it is known
	WindowFullSince   time.Time // since when nothing more fits the window; zero: it does
}
