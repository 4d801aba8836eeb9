package process

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestKillInTheMiddleOfWritingLeavesWhatWasWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lines")
	w := Start(t, Spec{Role: "append", Args: Args{"file": file}})
	w.Ready()
	w.Kill()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	require.Greater(t, len(lines), 100)
	for i, line := range lines {
		require.Equal(t, fmt.Sprintf("line %d", i), line)
	}
	var exit *Exit
	require.ErrorAs(t, w.Wait(), &exit)
	require.Equal(t, "signal: killed", exit.Status)
	w.Kill() // of the dead does nothing
}

func TestStopEndsTheContextAndTellsTheError(t *testing.T) {
	w := Start(t, Spec{Role: "obey", Args: Args{"name": "Eve"}})
	err := w.Stop() // waits until the worker obeys
	var exit *Exit
	require.ErrorAs(t, err, &exit)
	require.Equal(t, ErrStopped.Error(), exit.Text)
	require.Equal(t, "exit status 1", exit.Status)
	require.Equal(t, "good bye, Eve\n", w.Output())
	require.ErrorContains(t, err, "role obey")
}

func TestWaitTellsHowARoleEnded(t *testing.T) {
	w := Start(t, Spec{Role: "return"})
	w.Ready()
	require.NoError(t, w.Wait())
	w.Ready() // still true
	require.NoError(t, w.Stop(), "stopping what has ended tells how it ended")

	require.ErrorContains(t, Start(t, Spec{Role: "fail"}).Wait(), "no oranges left")
	require.ErrorContains(t, Start(t, Spec{Role: "terminate"}).Wait(), "signal: killed")
}

func TestAPanicIsAStatusAndAStack(t *testing.T) {
	w := Start(t, Spec{Role: "panic"})
	require.ErrorContains(t, w.Wait(), "exit status 2")
	require.Contains(t, w.Output(), "panic: out of oranges")
	require.Contains(t, w.Output(), "main_test.go", "the stack")
}

func TestAnUnknownRoleIsNamed(t *testing.T) {
	w := Start(t, Spec{Role: "juggle"})
	require.ErrorContains(t, w.Wait(), "exit status 64")
	require.Contains(t, w.Output(), `no role "juggle"; this test binary has: append, deaf,`)
}

func TestOutputIsBounded(t *testing.T) {
	w := Start(t, Spec{Role: "print"})
	require.NoError(t, w.Wait())
	require.Less(t, len(w.Output()), maxOutput+100)
	require.True(t, strings.HasPrefix(w.Output(), "(934472 bytes are left off)\n"), w.Output()[:50])
	require.True(t, strings.HasSuffix(w.Output(), "x\nthe end\n"))
}

func TestASuspendedWorkerStandsStillUntilContinued(t *testing.T) {
	file := filepath.Join(t.TempDir(), "lines")
	w := Start(t, Spec{Role: "append", Args: Args{"file": file}})
	w.Ready()
	size := func() int64 {
		info, err := os.Stat(file)
		require.NoError(t, err)
		return info.Size()
	}
	for range 20 {
		w.Suspend()
		before := size()
		<-time.After(5 * time.Millisecond)
		require.Equal(t, before, size())
		w.Continue()
		require.Eventually(t, func() bool { return size() > before }, 20*time.Second, time.Millisecond)
	}
	w.Suspend()
	w.Kill() // the suspended die, too
	w.Suspend()
}

func TestStopContinuesTheSuspended(t *testing.T) {
	w := Start(t, Spec{Role: "obey"})
	w.Ready()
	w.Suspend()
	require.ErrorContains(t, w.Stop(), ErrStopped.Error())
}

func TestAWorkerDoesNotOutliveTheOneWhoStartedIt(t *testing.T) {
	for name, test := range map[string]struct {
		args Args
		last string
	}{
		"obeys":         {last: ErrOrphaned.Error() + "\n"},
		"does not obey": {args: Args{"deaf": "yes"}},
		"suspended":     {args: Args{"suspended": "yes"}, last: ErrOrphaned.Error() + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			require.NoError(t, err)
			defer ln.Close()
			args := Args{"addr": ln.Addr().String()}
			for k, v := range test.args {
				args[k] = v
			}
			middle := Start(t, Spec{Role: "parent", Args: args})
			middle.Ready()
			innermost, err := ln.Accept()
			require.NoError(t, err)
			defer innermost.Close()
			require.NoError(t, innermost.SetDeadline(time.Now().Add(20*time.Second)))
			r := bufio.NewReader(innermost)
			here, err := r.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "here\n", here)

			middle.Kill()
			last, err := io.ReadAll(r)
			require.NoError(t, err, "its connection ends, as it does")
			if name != "suspended" { // whom the kernel ends with SIGHUP or lets go on, as its session is
				require.Equal(t, test.last, string(last))
			}
		})
	}
}
