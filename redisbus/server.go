package redisbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"

	"github.com/seed-28af575d/eventbus"
)

// server is what was found out about the server.
type server struct {
	turn    chan struct{} // a lock that one can stop to wait for, as who has it waits for the server
	checked bool
}

func newServer() server { return server{turn: make(chan struct{}, 1)} }

// Open finds out whether the server is one that the bus can work with. A user who may not
// ask for it goes on unchecked.
func (t *transport) Open(ctx context.Context) error {
	select {
	case t.server.turn <- struct{}{}:
		defer func() { <-t.server.turn }()
	case <-ctx.Done():
		return fmt.Errorf("redisbus: %s: %w: %w", t.clients.options.Addr, errAbandoned, context.Cause(ctx))
	}
	if t.server.checked {
		return nil
	}
	return t.check(ctx)
}

// check is that in one's turn.
func (t *transport) check(ctx context.Context) error {
	info, err := ask(ctx, t.clients, func() (string, error) { return t.clients.commands.Info(ctx).Result() })
	switch err = typed(err); {
	case errors.Is(err, ErrPermission):
		t.server.checked = true
		return nil
	case err != nil:
		return fmt.Errorf("redisbus: %s: %w", t.clients.options.Addr, err)
	}
	facts := parseInfo(info)
	if older(facts["redis_version"], 7, 0) {
		return fmt.Errorf("redisbus: %s: %w: it is Redis %s, and 7.0 is the oldest that is supported", t.clients.options.Addr, ErrVersion, facts["redis_version"])
	}
	if facts["role"] == "slave" && t.readOnly(ctx) {
		return fmt.Errorf("redisbus: %s: %w of %s:%s: use the address of that one", t.clients.options.Addr, ErrReadOnly, facts["master_host"], facts["master_port"])
	}
	if err := t.checkSync(ctx, facts["redis_version"]); err != nil {
		return fmt.Errorf("redisbus: %s: %w", t.clients.options.Addr, err)
	}
	t.warnOfMemory(ctx)
	t.server.checked = true
	return nil
}

// checkSync finds out whether the server can confirm what Options.Sync asks for.
func (t *transport) checkSync(ctx context.Context, version string) error {
	if !t.options.Sync.Disk {
		return nil
	}
	refuse := func(rule, value string) error {
		return &eventbus.ValidationError{Field: "Sync.Disk", Rule: rule, Value: value}
	}
	if older(version, 7, 2) {
		return refuse("needs WAITAOF, which Redis has since 7.2", version)
	}
	if aof, known := t.setting(ctx, "appendonly"); known && aof != "yes" {
		return refuse("needs a server with appendonly yes", "appendonly "+aof)
	}
	return nil
}

func parseInfo(text string) map[string]string {
	facts := map[string]string{}
	for line := range strings.Lines(text) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			facts[name] = value
		}
	}
	return facts
}

// older reports whether a version is one before that.
func older(version string, major, minor int) bool {
	first, rest, _ := strings.Cut(version, ".")
	second, _, _ := strings.Cut(rest, ".")
	a, err := strconv.Atoi(first)
	b, err2 := strconv.Atoi(second)
	if err != nil || err2 != nil {
		return false // nobody knows
	}
	return a < major || a == major && b < minor
}

func (t *transport) setting(ctx context.Context, name string) (value string, ok bool) {
	r, err := ask(ctx, t.clients, func() (map[string]string, error) { return t.clients.commands.ConfigGet(ctx, name).Result() })
	value, ok = r[name]
	return value, ok && err == nil
}

func (t *transport) readOnly(ctx context.Context) bool {
	v, ok := t.setting(ctx, "replica-read-only")
	return !ok || v == "yes"
}

// warnOfMemory tells that what is accepted is lost when the server ends.
func (t *transport) warnOfMemory(ctx context.Context) {
	aof, known := t.setting(ctx, "appendonly")
	if !known || aof == "yes" {
		return
	}
	save, _ := t.setting(ctx, "save")
	facts := []any{slog.String("addr", t.clients.options.Addr), slog.String("appendonly", aof), slog.String("save", save)}
	if save == "" {
		t.logger().Warn("redisbus: the server keeps nothing on disk: events are lost when it ends (set appendonly yes)", facts...)
		return
	}
	t.logger().Warn("redisbus: the server saves to disk now and then: what is newer is lost when it ends (set appendonly yes)", facts...)
}

func (t *transport) logger() *slog.Logger {
	if t.options.Logger != nil {
		return t.options.Logger
	}
	return eventbus.Options{}.WithDefaults().Logger
}
