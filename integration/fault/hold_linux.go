package fault

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// hold binds a socket that never listens. On Linux a listener may share its port, as
// both allow the address to be used again; connections to it are refused as long as
// there is no listener.
func hold(addr string) (held string, free func(), err error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	family, at, err := sockaddr(tcp)
	if err != nil {
		return "", nil, err
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return "", nil, err
	}
	free = func() { _ = syscall.Close(fd) } // nothing was written that could be lost
	number, err := bind(fd, at)
	if err != nil {
		free()
		return "", nil, err
	}
	return net.JoinHostPort(tcp.IP.String(), strconv.Itoa(number)), free, nil
}

func sockaddr(tcp *net.TCPAddr) (family int, at syscall.Sockaddr, err error) {
	if ip := tcp.IP.To4(); ip != nil {
		return syscall.AF_INET, &syscall.SockaddrInet4{Port: tcp.Port, Addr: [4]byte(ip)}, nil
	}
	if ip := tcp.IP.To16(); ip != nil && tcp.Zone == "" {
		return syscall.AF_INET6, &syscall.SockaddrInet6{Port: tcp.Port, Addr: [16]byte(ip)}, nil
	}
	return 0, nil, errors.New("name the address to listen on, such as 127.0.0.1:0")
}

func bind(fd int, at syscall.Sockaddr) (number int, err error) {
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return 0, err
	}
	if err := syscall.Bind(fd, at); err != nil {
		return 0, err
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		return 0, err
	}
	switch bound := bound.(type) {
	case *syscall.SockaddrInet4:
		return bound.Port, nil
	case *syscall.SockaddrInet6:
		return bound.Port, nil
	}
	return 0, fmt.Errorf("a TCP socket is bound to a %T", bound)
}
