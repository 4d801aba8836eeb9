package redisbus

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"
)

// consumerName is unique, and tells where the process runs.
func consumerName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s-%d-%s", host, os.Getpid(), suffix())
}

func suffix() string { return strings.ToLower(rand.Text()[:8]) }

// warnOfTwins tells of instances that have the member's name, which each of them would take for
// a life of its own.
func (m *member) warnOfTwins(ctx context.Context) error {
	t := m.transport
	if t.options.Consumer == "" {
		return nil
	}
	instances, err := ask(ctx, t.clients, func() ([]string, error) { return t.living(ctx, m.group.Name) })
	if err != nil {
		return err
	}
	if slices.ContainsFunc(instances, func(i string) bool { return nameOf(i) == m.name && i != m.instance }) {
		t.logger().Warn("redisbus: another instance of the group has the same Options.Consumer, or has just ended without saying so",
			slog.String("group", m.group.Name), slog.String("consumer", m.name))
	}
	return nil
}

// nameOf is the name of an instance's consumers, in which there is no blank.
func nameOf(instance string) string {
	name, _, _ := strings.Cut(instance, " ")
	return name
}

// living are the instances whose sign of life has not run out.
func (t *transport) living(ctx context.Context, group string) ([]string, error) {
	now, err := t.clients.commands.Time(ctx).Result()
	if err != nil {
		return nil, err
	}
	return t.clients.commands.ZRangeArgs(ctx, redis.ZRangeArgs{
		Key: t.names.members(group), ByScore: true, Start: now.UnixMilli(), Stop: "+inf",
	}).Result()
}
