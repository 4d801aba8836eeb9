package process

import (
	"errors"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// apart gives a worker a process group of its own, so that a Ctrl-C is for the tests
// alone, and lets the kernel continue it when we die: a suspended worker would not
// see that its standard input has ended.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGCONT}
}

// awaitStopped returns when a child of ours stands still, or has ended. It reaps
// nothing. It asks again and again, as the kernel does not wake who waits for one of
// both and gets the other.
func awaitStopped(pid int, ended <-chan struct{}) error {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOWAIT|unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.ECHILD) || err == nil && info.Signo != 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return err
		}
		select {
		case <-tick.C:
		case <-ended:
			return nil
		}
	}
}
