package main

import (
	"bufio"
	"fmt"
	"net"
	"net/url"
	"strings"
	"sync"
	"time"
)

// clients are the test processes that are connected, and the labels that they named.
type clients struct {
	gone  chan struct{} // closed when none has been here for long enough
	again time.Duration

	mu    sync.Mutex
	open  int
	named map[string][]string // by the line that named them
	end   *time.Timer
}

// newClients waits for a first client for as long as first says, and for another one
// after the last for as long as again says.
func newClients(first, again time.Duration) *clients {
	c := &clients{gone: make(chan struct{}), again: again, named: make(map[string][]string)}
	c.end = time.AfterFunc(first, func() { close(c.gone) })
	return c
}

func (c *clients) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		if !c.enter() {
			_ = conn.Close()
			return
		}
		go c.attend(conn)
	}
}

// enter reports false when the end has begun.
func (c *clients) enter() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == 0 && !c.end.Stop() {
		return false
	}
	c.open++
	return true
}

func (c *clients) leave() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open--; c.open == 0 {
		c.end.Reset(c.again)
	}
}

func (c *clients) attend(conn net.Conn) {
	defer c.leave()
	defer func() { _ = conn.Close() }()
	for lines := bufio.NewScanner(conn); lines.Scan(); {
		labels := labelsOf(lines.Text())
		if len(labels) == 0 {
			continue // no label would mean everything on the machine
		}
		c.mu.Lock()
		c.named[lines.Text()] = labels
		c.mu.Unlock()
		if _, err := fmt.Fprint(conn, "ACK\n"); err != nil {
			return
		}
	}
}

// labelsOf returns the labels of a line; all of them must fit what is removed.
func labelsOf(line string) []string {
	var labels []string
	for part := range strings.SplitSeq(line, "&") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || key != "label" || value == "" {
			continue
		}
		if plain, err := url.QueryUnescape(value); err == nil {
			value = plain
		}
		labels = append(labels, value)
	}
	return labels
}

func (c *clients) labels() [][]string {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := make([][]string, 0, len(c.named))
	for _, labels := range c.named {
		all = append(all, labels)
	}
	return all
}
