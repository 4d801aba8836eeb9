package broker

import (
	"errors"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports that brokers get: below those that Linux gives to outgoing connections, 32768.
const (
	firstPort = 20_000
	lastPort  = 29_999
	hundred   = 100
)

// portsOfOurs are those of the hundreds that this process has taken. It listens at the
// first of each for as long as it lives, so that another process takes other ones.
var portsOfOurs struct {
	sync.Mutex
	left  []int
	signs []net.Listener
}

// FreePorts returns ports that are free on 127.0.0.1, and gives none of them to anybody
// again while this process lives, in no other process either: that of a broker that is
// stopped, or does not yet run, looks free.
func FreePorts(n int) ([]int, error) {
	o := &portsOfOurs
	o.Lock()
	defer o.Unlock()
	var free []int
	for len(free) < n {
		if len(o.left) == 0 && !takeHundred() {
			return nil, errors.New("broker: no free port on 127.0.0.1 from 20000 to 29999")
		}
		port := o.left[0]
		o.left = o.left[1:]
		l, err := net.Listen("tcp", local(port))
		if err != nil {
			continue // it is somebody else's
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
		free = append(free, port)
	}
	return free, nil
}

// takeHundred reports whether there was one that nobody has. The caller holds the lock.
func takeHundred() bool {
	for _, i := range rand.Perm((lastPort - firstPort + 1) / hundred) {
		first := firstPort + i*hundred
		sign, err := net.Listen("tcp", local(first))
		if err != nil {
			continue
		}
		portsOfOurs.signs = append(portsOfOurs.signs, sign)
		for port := first + 1; port < first+hundred; port++ {
			portsOfOurs.left = append(portsOfOurs.left, port)
		}
		return true
	}
	return false
}
