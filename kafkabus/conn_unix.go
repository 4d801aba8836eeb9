//go:build unix

package kafkabus

import (
	"errors"
	"net"
	"syscall"
)

// hungUp reports whether the other side has closed the connection, as far as it is known here. Nothing
// but an alert comes between an answer and the next request: where that is encrypted, its size tells.
func hungUp(c net.Conn, encrypted bool) (over bool) {
	s, ok := c.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return true
	}
	err = raw.Control(func(fd uintptr) {
		var head [recordHead]byte
		n, _, err := syscall.Recvfrom(int(fd), head[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		over = n == 0 && err == nil || err != nil && !errors.Is(err, syscall.EAGAIN) && !errors.Is(err, syscall.EINTR)
		over = over || encrypted && n == recordHead && isAlert(head)
	})
	return over || err != nil
}

func isAlert(head [recordHead]byte) bool {
	return head[0] == alertRecord || head[0] == dataRecord && head[3] == 0 && head[4] == sealedAlert
}
