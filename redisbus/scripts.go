package redisbus

import (
	"context"
	"errors"
	"slices"

	"github.com/redis/go-redis/v9"
)

// run runs a script.
func (c *clients) run(ctx context.Context, s *redis.Script, keys []string, args ...any) (any, error) {
	return ask(ctx, c, func() (any, error) { return s.Run(ctx, c.commands, keys, args...).Result() })
}

// call is with what a script is run.
type call struct {
	keys []string
	args []any
}

// runEach runs a script for each set of keys, and returns by index what it answers: in
// few round trips, however many there are.
func (c *clients) runEach(ctx context.Context, s *redis.Script, keys [][]string, args ...any) (answers []any, errs []error) {
	calls := make([]call, len(keys))
	for i, k := range keys {
		calls[i] = call{k, args}
	}
	return c.runAll(ctx, s, calls)
}

// runAll is that with arguments for each.
func (c *clients) runAll(ctx context.Context, s *redis.Script, calls []call) (answers []any, errs []error) {
	const together = 50
	for some := range slices.Chunk(calls, together) {
		a, e := c.runTogether(ctx, s, some)
		// A server that does not know the script does so when it has run it once.
		for unknown := forgotten(e); len(unknown) > 0; unknown = forgotten(e) {
			first, others := unknown[0], unknown[1:]
			a[first], e[first] = c.run(ctx, s, some[first].keys, some[first].args...)
			rest := make([]call, len(others))
			for i, of := range others {
				rest[i] = some[of]
			}
			again, wrong := c.runTogether(ctx, s, rest)
			for i, of := range others {
				a[of], e[of] = again[i], wrong[i]
			}
		}
		answers, errs = append(answers, a...), append(errs, e...)
	}
	return answers, errs
}

// forgotten are the indexes of the calls of which the server does not know the script.
func forgotten(errs []error) (which []int) {
	for i, err := range errs {
		if reply(err) == "NOSCRIPT" {
			which = append(which, i)
		}
	}
	return which
}

// runTogether runs a script that the server knows, in one round trip.
func (c *clients) runTogether(ctx context.Context, s *redis.Script, calls []call) (answers []any, errs []error) {
	answers = make([]any, len(calls))
	if len(calls) == 0 {
		return answers, nil
	}
	said := make([]*redis.Cmd, len(calls))
	_, err := ask(ctx, c, func() ([]redis.Cmder, error) {
		pipe := c.commands.Pipeline()
		for i, x := range calls {
			said[i] = s.EvalSha(ctx, pipe, x.keys, x.args...)
		}
		return pipe.Exec(ctx)
	})
	if errors.Is(err, errAbandoned) { // go-redis has the commands yet
		return answers, all(len(calls), err)
	}
	errs = make([]error, len(calls))
	for i := range calls {
		answers[i], errs[i] = said[i].Result()
		if answers[i] == nil && errs[i] == nil { // it did not come to sending it
			errs[i] = err
		}
	}
	return answers, errs
}
