package redisbus

import (
	"context"
	_ "embed"
	"errors"
	"fmt"

	"github.com/redis/go-redis/v9"
)

var (
	//go:embed letters_lib.lua
	letterLib string
	//go:embed letters_put.lua
	letterPutLua string
	//go:embed letters_take.lua
	letterTakeLua string
	//go:embed letters_release.lua
	letterReleaseLua string
	//go:embed letters_remove.lua
	letterRemoveLua string
	//go:embed letters_range.lua
	letterRangeLua string
	//go:embed letters_heads.lua
	letterHeadsLua string
	//go:embed letters_survey.lua
	letterSurveyLua string
)

var (
	letterPut     = redis.NewScript(letterLib + letterPutLua)
	letterTake    = redis.NewScript(letterLib + letterTakeLua)
	letterRelease = redis.NewScript(letterLib + letterReleaseLua)
	letterRemove  = redis.NewScript(letterLib + letterRemoveLua)
	letterRange   = redis.NewScript(letterLib + letterRangeLua)
	letterHeads   = redis.NewScript(letterLib + letterHeadsLua)
	letterSurvey  = redis.NewScript(letterLib + letterSurveyLua)
)

// run runs a script on the letters and on the leases of the letters that are named. It
// returns a *letterTypeError, and nothing was done, if a key is of another type.
func (s *letterStore) run(ctx context.Context, script *redis.Script, leases []string, args ...any) (any, error) {
	keys := make([]string, 0, 3+len(leases))
	keys = append(keys, s.letters, s.letters+":index", s.letters+":seq")
	for _, id := range leases {
		keys = append(keys, s.letters+":lease:"+id)
	}
	reply, err := s.clients.run(ctx, script, keys, args...)
	if err != nil {
		return nil, err
	}
	if list, ok := reply.([]any); ok && len(list) == 4 && list[0] == "WRONGTYPE" {
		return nil, &letterTypeError{key: letterText(list[1]), is: letterText(list[2]), wants: letterText(list[3])}
	}
	return reply, nil
}

// list runs a script that returns a list.
func (s *letterStore) list(ctx context.Context, script *redis.Script, leases []string, args ...any) ([]any, error) {
	reply, err := s.run(ctx, script, leases, args...)
	if err != nil {
		return nil, err
	}
	list, ok := reply.([]any)
	if !ok {
		return nil, fmt.Errorf("%w: %T", errLetterReply, reply)
	}
	return list, nil
}

// errLetterReply means that something between here and the server answers for it.
var errLetterReply = errors.New("the server's answer is not that of the script")

func letterText(v any) string {
	text, _ := v.(string)
	return text
}

func letterNumber(v any) (uint64, error) {
	n, ok := v.(int64)
	if !ok || n < 0 {
		return 0, fmt.Errorf("%w: %v", errLetterReply, v)
	}
	return uint64(n), nil
}
