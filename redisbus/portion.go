package redisbus

import (
	"errors"
	"net"
)

const (
	// moderate is how many entries are asked for while nobody knows how large they are.
	moderate = 16
	// answered is how many bytes an answer should have: the server makes the whole of it before it
	// does anything else, and both sides hold it in memory.
	answered = 4 << 20
)

// portion is how many entries are asked for at once: fewer when an answer has not come in
// time, or a slow line would never bring one, and where they are large.
type portion struct {
	most  int // what the line carries; zero: any number
	sized int // what makes an answer of about the size wanted; zero: any number
}

func (p *portion) of(n int) int {
	n = max(n, 1)
	for _, bound := range []int{p.most, p.sized} {
		if bound > 0 {
			n = min(n, bound)
		}
	}
	return n
}

func (p *portion) came(asked int, err error) {
	var late net.Error
	switch {
	case errors.As(err, &late) && late.Timeout():
		p.most = max(asked/4, 1)
	case err == nil && p.most > 0 && asked == p.most:
		p.most += max(p.most/8, 1)
	}
}

// brought takes the size of an answer. The next one is asked for as if its entries were as
// large, and with twice as many at most: what comes after small ones may be large.
func (p *portion) brought(entries, bytes int) {
	if entries == 0 {
		p.sized = min(p.sized, moderate)
		return
	}
	fit := answered / max(bytes/entries, 1)
	p.sized = max(1, min(fit, max(2*entries, moderate)))
}
