//go:build !linux

package process

import "syscall"

// apart gives a worker a process group of its own. When we die the group is orphaned,
// and the kernel sends SIGHUP and SIGCONT to what is suspended in it, as POSIX has it
// (unless the new parent is of the same session, as in some containers).
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitStopped does not wait: other systems have no portable way to.
func awaitStopped(int, <-chan struct{}) error { return nil }
