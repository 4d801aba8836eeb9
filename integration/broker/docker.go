package broker

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// withoutDocker names a file. Where it is set there is no engine, all shared brokers are
// servers that run already, and a test that needs a container is not run but listed there.
const withoutDocker = "EVENTBUS_TEST_WITHOUT_DOCKER"

func needDocker(t testing.TB) {
	t.Helper()
	file := os.Getenv(withoutDocker)
	if file == "" {
		return
	}
	list, err := os.OpenFile(file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(list, t.Name())
		err = errors.Join(err, list.Close())
	}
	if err != nil {
		t.Fatal("broker: the list of tests that are not run: ", err)
	}
	t.Skip("not run: it needs a container")
}
