//go:build !linux

package fault

import "net"

// hold holds nothing: elsewhere a listener cannot share its port with a socket that
// is only bound. It finds the port, which is then free whenever the proxy is cut.
func hold(addr string) (held string, free func(), err error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	return ln.Addr().String(), func() {}, ln.Close()
}
