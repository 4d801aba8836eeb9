package kafkabus

import (
	"errors"
	"fmt"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/rawproduce"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/engine"
)

// Errors to match with errors.Is.
var (
	// ErrCredentials means that the brokers do not accept user and password, or the certificate, or want
	// some. They are asked again less than once a second, whatever the bus is doing.
	ErrCredentials = errors.New("credentials not accepted")
	// ErrPermission means that the user may not do it: the text names the topic or the group, and
	// docs/kafka.md the grants.
	ErrPermission = errors.New("not permitted")
	// ErrTopic means that a topic is missing and is not to be made, or is not as it should be: the
	// text says what was found and what was asked for.
	ErrTopic = errors.New("topic is not as it should be")
	// ErrTrimmed means that the cluster has deleted events, by age or size, that a group had not
	// handled: the text says how many. It is logged, and comes with Observer.Reconnected.
	ErrTrimmed = errors.New("events were deleted before they were handled")
)

// typed makes an error of ours of what a broker says, with its text.
func typed(err error) error {
	if ours := kind(err); ours != nil && !errors.Is(err, ours) {
		return fmt.Errorf("%w: %w", ours, err)
	}
	return err
}

func kind(err error) error {
	if errors.Is(err, ErrCredentials) {
		return ErrCredentials
	}
	switch code(err) {
	case kafka.SASLAuthenticationFailed, kafka.IllegalSASLState, kafka.UnsupportedSASLMechanism:
		return ErrCredentials
	case kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed:
		return ErrPermission
	case kafka.InvalidTopic:
		return ErrTopic
	}
	return nil
}

// code is the broker's, or 0 if none has answered.
func code(err error) kafka.Error {
	var said kafka.Error
	if errors.As(err, &said) {
		return said
	}
	return 0
}

// outcome is what the engine is told of a message that a broker was asked to store.
func outcome(err error) error {
	var appended *appendedError
	if errors.As(err, &appended) {
		return fmt.Errorf("%w: %w", eventbus.ErrUnknown, err)
	}
	switch code(err) {
	case 0:
		if err == nil || errors.Is(err, engine.ErrNotStored) || errors.Is(err, eventbus.ErrRefused) {
			return err
		}
		if rejected(err) || errors.Is(err, errNotSent) && errors.Is(err, eventbus.ErrClosed) {
			return fmt.Errorf("%w: %w", eventbus.ErrRefused, err)
		}
		if unsent(err) {
			return fmt.Errorf("%w: %w", engine.ErrNotStored, err)
		}
	case kafka.MessageSizeTooLarge, kafka.RecordListTooLarge:
		return fmt.Errorf("%w: %w for the broker: %w", eventbus.ErrRefused, eventbus.ErrTooLarge, err)
	case kafka.SASLAuthenticationFailed, kafka.IllegalSASLState, kafka.UnsupportedSASLMechanism,
		kafka.TopicAuthorizationFailed, kafka.GroupAuthorizationFailed, kafka.ClusterAuthorizationFailed,
		kafka.InvalidTopic, kafka.InvalidTimestamp, kafka.InvalidRecord, kafka.UnsupportedCompressionType, kafka.PolicyViolation:
		return fmt.Errorf("%w: %w", eventbus.ErrRefused, typed(err))
	case kafka.UnknownTopicOrPartition, kafka.LeaderNotAvailable, kafka.NotLeaderForPartition, kafka.BrokerNotAvailable,
		kafka.ReplicaNotAvailable, kafka.NotEnoughReplicas, kafka.FencedLeaderEpoch, kafka.UnknownLeaderEpoch, kafka.NotController,
		kafka.ThrottlingQuotaExceeded:
		return fmt.Errorf("%w: %w", engine.ErrNotStored, err)
	}
	return fmt.Errorf("%w: %w", eventbus.ErrUnknown, err)
}

// rejected reports whether a connection could not be made, and cannot until a setting is changed.
func rejected(err error) bool { return errors.As(err, new(*rejection)) }

// unsent reports whether nothing can have reached a broker.
func unsent(err error) bool {
	var route *rawproduce.Error
	return errors.Is(err, errNotSent) || errors.As(err, &route) ||
		errors.Is(err, protocol.ErrNoTopic) || errors.Is(err, protocol.ErrNoPartition) || errors.Is(err, protocol.ErrNoLeader)
}

// notSent is the outcome of what was not sent, for the reason given.
func notSent(err error) error {
	if out := outcome(err); !errors.Is(out, eventbus.ErrUnknown) {
		return out
	}
	return fmt.Errorf("%w: %w", engine.ErrNotStored, err)
}

// missingTopic says that a topic is not there and is not to be made.
func missingTopic(name string) error {
	return fmt.Errorf("%w: %s is missing, and Options.Topics.Passive forbids to make it", ErrTopic, name)
}

func all(n int, err error) []error {
	errs := make([]error, n)
	for i := range errs {
		errs[i] = err
	}
	return errs
}
