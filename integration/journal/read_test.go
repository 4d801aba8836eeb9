package journal

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// line is one record as it stands in a file.
func line(t *testing.T, id string) string {
	t.Helper()
	r := record(id)
	r.Worker, r.PID, r.Time = "w", 1, 1
	b, err := json.Marshal(r)
	require.NoError(t, err)
	return string(b) + "\n"
}

func file(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.ndjson")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// Wherever a kill cuts the last line off, the records before it are read.
func TestATornLastLineIsToleratedAndCounted(t *testing.T) {
	whole, last := line(t, "a")+line(t, "b"), line(t, "c")
	for cut := 1; cut < len(last); cut++ {
		log, err := Read(file(t, whole+last[:cut]))
		require.NoError(t, err)
		require.Len(t, log.Records, 2)
		require.Equal(t, 1, log.Torn)
	}
	log, err := Read(file(t, whole+last), file(t, last[:5]), file(t, ""))
	require.NoError(t, err)
	require.Len(t, log.Records, 3)
	require.Equal(t, 1, log.Torn)
}

func TestATornLineInTheMiddleIsAnError(t *testing.T) {
	a, b := line(t, "a"), line(t, "b")
	for cut := 1; cut < len(b); cut++ { // and the next record stands right behind it, or on a line of its own
		_, err := Read(file(t, a+b[:cut]+a))
		require.ErrorContains(t, err, "line 2 is no record")
		require.ErrorContains(t, err, "a file of its own")
	}
	_, err := Read(file(t, a+"\n"+b))
	require.ErrorContains(t, err, "line 2 is no record")
}

func TestWhatNoJournalWritesIsRefused(t *testing.T) {
	for name, change := range map[string][2]string{
		"another word":   {`"attempted"`, `"tried"`},
		"another field":  {`"what"`, `"colour":"red","what"`},
		"no ID":          {`"id":"a"`, `"id":""`},
		"no time":        {`"time":1`, `"time":0`},
		"no subscriber":  {`"attempted"`, `"handled"`},
		"not of one row": {"}\n", "}{}\n"},
	} {
		text := strings.Replace(line(t, "a"), change[0], change[1], 1)
		require.NotEqual(t, line(t, "a"), text, name)
		_, err := Read(file(t, text))
		require.ErrorContains(t, err, "line 1 is no record", name)
	}
}

func TestReadNeedsItsFiles(t *testing.T) {
	_, err := Read()
	require.ErrorContains(t, err, "no file is named")
	_, err = Read(filepath.Join(t.TempDir(), "none"))
	require.ErrorIs(t, err, os.ErrNotExist)
}
