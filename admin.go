package eventbus

import "context"

// Admin is implemented by buses that can manage the groups of their backend, those
// of other services too. A group that does not exist, or that has a member in any
// process, is refused with a [ValidationError].
type Admin interface {
	// Groups lists the groups, "<group>.<name>", sorted.
	Groups(ctx context.Context) ([]string, error)
	// DeleteGroup removes a group that has no member, with what waits in it. Its
	// dead letters stay.
	DeleteGroup(ctx context.Context, group string) error
	// ResetGroup lets a group that has no member begin anew, as if it were made now
	// with that start: of the events that the backend retains it is handed those from
	// there on, whether it has handled them before or not. What waited in it goes,
	// retries and replays too; its dead letters stay. After an error it may be half
	// done: do it again. Where nothing is retained, only [Now] is possible; else the
	// error is [errors.ErrUnsupported].
	ResetGroup(ctx context.Context, group string, from Start) error
}
