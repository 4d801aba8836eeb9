// Command reaper removes what a test run leaves behind in Docker. It stands in for
// the official testcontainers/ryuk where that image cannot be pulled, and speaks its
// protocol: a client connects to port 8080 and sends lines of the form
// "label=a=b&label=c=d", each answered by "ACK". Once every client has been gone for
// RYUK_RECONNECTION_TIMEOUT, which they are when their process dies, it removes the
// containers, networks and volumes that carry the labels, and ends.
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/moby/moby/client"
)

const (
	address = ":8080"
	patient = 2 * time.Minute // for one clearing, whatever Docker does
)

func main() {
	if err := run(); err != nil {
		fmt.Println("reaper:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	docker, err := client.New(client.FromEnv)
	if err != nil {
		return err
	}
	defer func() { _ = docker.Close() }()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	clients := newClients(
		timeout("RYUK_CONNECTION_TIMEOUT", time.Minute),
		timeout("RYUK_RECONNECTION_TIMEOUT", 10*time.Second))
	go clients.serve(listener)
	fmt.Println("Started, listening on", address) // testcontainers waits for the word

	select {
	case <-clients.gone:
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patient)
	defer cancel()
	for _, labels := range clients.labels() {
		if err := remove(ctx, docker, labels); err != nil {
			fmt.Println("reaper:", err)
		}
	}
	return nil
}

func timeout(variable string, otherwise time.Duration) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(variable)); err == nil {
		return d
	}
	return otherwise
}
