package broker

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"
)

// box is a container. Its methods are not called concurrently.
type box struct {
	spec   Spec
	engine *testcontainers.DockerClient
	c      *testcontainers.DockerContainer // nil if there is none
}

// run starts a container, and returns when it is ready. On an error none is left.
func run(ctx context.Context, s Spec) (*box, error) {
	e, err := engine()
	if err != nil {
		return nil, err
	}
	b := &box{spec: s, engine: e}
	defer b.hangUp()
	b.c, err = testcontainers.Run(ctx, s.Image, s.options()...)
	if err == nil {
		err = b.ready(ctx)
	}
	if err == nil {
		return b, nil
	}
	err = fmt.Errorf("broker: %s of %s does not start: %w%s", s.Name, s.Image, err, b.lastWords(ctx))
	if b.c != nil {
		_ = b.remove()
	}
	return nil, err
}

// ready waits for the server. One that has ended will not become ready.
func (b *box) ready(ctx context.Context) error {
	if b.spec.Ready == nil {
		return nil
	}
	patience := b.spec.Patience
	if patience == 0 {
		patience = 90 * time.Second
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		attempt, done := context.WithTimeout(ctx, 5*time.Second)
		err := b.spec.Ready(attempt)
		done()
		if err == nil {
			return nil
		}
		state, stateErr := b.state(ctx)
		if stateErr == nil && state.Status == container.StateExited {
			return fmt.Errorf("it has ended with status %d", state.ExitCode)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it is not ready: %w", err)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// hangUp closes the connections to the engine that are idle: who looks for leaks finds none
// of ours. The next call opens another.
func (b *box) hangUp() { _ = b.engine.Close() }

func (b *box) id() string { return b.c.GetContainerID() }

func (b *box) state(ctx context.Context) (*container.State, error) {
	r, err := b.engine.ContainerInspect(ctx, b.id(), client.ContainerInspectOptions{})
	if err != nil {
		return nil, err
	}
	return r.Container.State, nil
}

// ip is the container's address on its network.
func (b *box) ip(ctx context.Context) (string, error) {
	r, err := b.engine.ContainerInspect(ctx, b.id(), client.ContainerInspectOptions{})
	if err != nil {
		return "", err
	}
	for _, n := range r.Container.NetworkSettings.Networks {
		if n.IPAddress.IsValid() {
			return n.IPAddress.String(), nil
		}
	}
	return "", fmt.Errorf("broker: %s has no address: it does not run", b.spec.Name)
}

// launch starts the server, and does not wait for it.
func (b *box) launch(ctx context.Context) error {
	_, err := b.engine.ContainerStart(ctx, b.id(), client.ContainerStartOptions{})
	return err
}

func (b *box) start(ctx context.Context) error {
	if err := b.launch(ctx); err != nil {
		return err
	}
	return b.ready(ctx)
}

// stop asks the server to end, and kills it when it has not in a minute.
func (b *box) stop(ctx context.Context) error {
	grace := 60
	_, err := b.engine.ContainerStop(ctx, b.id(), client.ContainerStopOptions{Timeout: &grace})
	return err
}

// kill returns when nothing of the server runs any more.
func (b *box) kill(ctx context.Context) error {
	ended := b.engine.ContainerWait(ctx, b.id(), client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
	if _, err := b.engine.ContainerKill(ctx, b.id(), client.ContainerKillOptions{Signal: "SIGKILL"}); err != nil {
		return err
	}
	select {
	case <-ended.Result:
		return nil
	case err := <-ended.Error:
		return err
	}
}

func (b *box) pause(ctx context.Context) error {
	_, err := b.engine.ContainerPause(ctx, b.id(), client.ContainerPauseOptions{})
	return err
}

func (b *box) unpause(ctx context.Context) error {
	if _, err := b.engine.ContainerUnpause(ctx, b.id(), client.ContainerUnpauseOptions{}); err != nil {
		return err
	}
	return b.ready(ctx)
}

// exec runs a command in the container, and returns what it prints.
func (b *box) exec(ctx context.Context, cmd []string) (string, error) {
	status, out, err := b.c.Exec(ctx, cmd, exec.Multiplexed())
	if err != nil {
		return "", err
	}
	text, err := io.ReadAll(out)
	if err == nil && status != 0 {
		err = fmt.Errorf("%s: exit status %d: %s", strings.Join(cmd, " "), status, text)
	}
	return string(text), err
}

// lastWords are the last lines of the server's log, for the reader of an error.
func (b *box) lastWords(ctx context.Context) string {
	if b.c == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	text, err := b.log(ctx, "20")
	if err != nil || text == "" {
		return ""
	}
	return "\nits last words:\n" + text
}

// log is so many last lines of the server's log, or "all".
func (b *box) log(ctx context.Context, lines string) (string, error) {
	r, err := b.engine.ContainerLogs(ctx, b.id(), client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Tail: lines})
	if err != nil {
		return "", err
	}
	defer func() { _ = r.Close() }()
	var text strings.Builder
	_, err = stdcopy.StdCopy(&text, &text, r)
	return text.String(), err
}

// remove removes the container, whatever state it is in, with its data.
func (b *box) remove() error {
	defer b.hangUp()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if state, err := b.state(ctx); err == nil && state.Paused {
		if err := b.unpauseNow(ctx); err != nil {
			return err
		}
	}
	return testcontainers.TerminateContainer(b.c, testcontainers.StopTimeout(0))
}

func (b *box) unpauseNow(ctx context.Context) error {
	_, err := b.engine.ContainerUnpause(ctx, b.id(), client.ContainerUnpauseOptions{})
	return err
}
