package redisbus

// appends makes the arguments of many XADDs, which have their memory in common: a few
// allocations for each entry would be half of what a publish costs.
type appends struct {
	all    []any
	values []value
	topic  string
	key    any // of the topic's stream
}

// value is an argument of which an interface can hold a pointer, without a copy.
type value []byte

func (v *value) MarshalBinary() ([]byte, error) { return *v, nil }

const (
	addArgs   = 7
	addValues = 2
)

func newAppends(n int) *appends {
	return &appends{all: make([]any, 0, n*addArgs), values: make([]value, 0, n*addValues)}
}

// args are those of one XADD.
func (x *appends) args(n names, topic string, ce, data []byte) []any {
	if x.key == nil || x.topic != topic {
		x.topic, x.key = topic, n.stream(topic)
	}
	from, v := len(x.all), len(x.values)
	x.values = append(x.values, ce, data)
	x.all = append(x.all, "xadd", x.key, "*", "ce", &x.values[v], "data", &x.values[v+1])
	return x.all[from:len(x.all):len(x.all)]
}
