package broker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

// Ports that brokers get: below those that Linux gives to outgoing connections, 32768.
const (
	firstPort = 20_000
	ports     = 10_000
)

var givenOut struct {
	sync.Mutex
	ports map[int]bool
}

// FreePorts returns ports that are free on 127.0.0.1, and gives none of them to anybody
// again in this process: that of a broker that is stopped looks free.
func FreePorts(n int) ([]int, error) {
	givenOut.Lock()
	defer givenOut.Unlock()
	if givenOut.ports == nil {
		givenOut.ports = map[int]bool{}
	}
	var free []int
	for range ports {
		if len(free) == n {
			return free, nil
		}
		port := firstPort + rand.IntN(ports)
		if givenOut.ports[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return nil, err
		}
		givenOut.ports[port] = true
		free = append(free, port)
	}
	return nil, errors.New("broker: no free port on 127.0.0.1 from 20000 to 29999")
}
