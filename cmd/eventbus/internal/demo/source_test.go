package demo

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
)

func openFile(t *testing.T, name, content string) *input {
	t.Helper()
	in, err := openInput(file(t, name, []byte(content)), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, in.Close()) })
	return in
}

func ids(events []eventbus.DomainEvent) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.ID)
	}
	return out
}

func TestReadsWhatOthersWrite(t *testing.T) {
	a, b := eventLine("a", "order.placed", "o-1"), eventLine("b", "order.paid", "o-1")
	for name, content := range map[string]string{
		"plain":            a + "\n" + b + "\n",
		"no last line end": a + "\n" + b,
		"CRLF":             a + "\r\n" + b + "\r\n",
		"BOM":              "\ufeff" + a + "\n" + b + "\n",
		"blank lines":      "\n  \n" + a + "\n\r\n\t\n" + b + "\n\n",
		"gzip":             string(zipped(t, a+"\n"+b+"\n")),
		"gzip of BOM":      string(zipped(t, "\ufeff"+a+"\r\n"+b)),
		"two gzip members": string(zipped(t, a+"\n")) + string(zipped(t, b+"\n")),
	} {
		t.Run(name, func(t *testing.T) {
			for _, fileName := range []string{"events", "events.ndjson"} {
				events, told := readAll(t, openFile(t, fileName, content))
				require.Empty(t, told)
				require.Equal(t, []string{"a", "b"}, ids(events))
			}
			events, told := readAll(t, must(openInput("-", strings.NewReader(content))))
			require.Empty(t, told)
			require.Len(t, events, 2)
		})
	}
}

func must(in *input, err error) *input {
	if err != nil {
		panic(err)
	}
	return in
}

func TestBadLinesAreTold(t *testing.T) {
	good := eventLine("a", "order.placed", "o-1")
	for want, line := range map[string]string{
		"line 2: ":                              "not JSON",
		"line 2: duplicate id: \"a\" of source": good,
		"type: must be dotted words":            eventLine("b", "order placed", "o-1"),
		"one object":                            "[" + eventLine("b", "order.placed", "o-1") + "]",
		"too large":                             strings.Replace(eventLine("b", "order.placed", "o-1"), "{}", `"`+strings.Repeat("x", maxEvent)+`"`, 1),
		"too long: a line may have at most 4,194,304 bytes": strings.Repeat(" ", maxLine) + "{}",
	} {
		events, told := readAll(t, openFile(t, "events", good+"\n"+line+"\n"+eventLine("z", "order.placed", "o-1")))
		require.Equal(t, []string{"a", "z"}, ids(events))
		require.Len(t, told, 2, want)
		require.Contains(t, told[0], "line 2: ")
		require.Contains(t, told[0], want)
		require.NotContains(t, told[0], "\n")
		require.Less(t, len(told[0]), 400)
		require.Equal(t, "1 bad line passed over", told[1])
	}
}

func TestLongLines(t *testing.T) {
	for size, want := range map[int]bool{10: true, 64 << 10: true, 64<<10 + 1: true, maxLine - 1: true, maxLine: false, maxLine + 64<<10: false} {
		r := newLineReader(bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", size)+"\nnext"), 64<<10))
		line, err := r.next()
		if want {
			require.NoError(t, err)
			require.Len(t, line, size)
		} else {
			require.ErrorIs(t, err, errLongLine)
		}
		require.Equal(t, 1, r.number)
		line, err = r.next()
		require.NoError(t, err)
		require.Equal(t, "next", string(line))
		require.Equal(t, 2, r.number)
		_, err = r.next()
		require.ErrorIs(t, err, io.EOF)
	}
}

func TestBadLinesAreToldUpToABound(t *testing.T) {
	_, told := readAll(t, openFile(t, "events", strings.Repeat("x\n", 1234)))
	require.Len(t, told, maxTold+2)
	require.Contains(t, told[maxTold-1], "line 20: ")
	require.Equal(t, "line 21 is bad too; from here on bad lines are only counted", told[maxTold])
	require.Equal(t, "1,234 bad lines passed over", told[maxTold+1])
}

func TestDamagedGzip(t *testing.T) {
	var log strings.Builder
	for i := range 5000 {
		fmt.Fprintln(&log, eventLine(fmt.Sprintf("%d-%x", i, i*i*7919), "order.placed", "o-1"))
	}
	whole := zipped(t, log.String())
	events, told := readAll(t, openFile(t, "events.gz", string(whole[:len(whole)/2])))
	require.NotEmpty(t, events)
	require.Less(t, len(events), 5000)
	require.Len(t, told, 2)
	require.Contains(t, told[0], fmt.Sprintf("line %d: unexpected EOF; from here on nothing could be read", len(events)+1))

	_, err := openFile(t, "events.gz", "plain").lines(t.Context())
	require.ErrorContains(t, err, "is named .gz but does not hold gzip data")
	_, err = openFile(t, "events", "\x1f\x8bxx").lines(t.Context())
	require.ErrorContains(t, err, "its gzip header is damaged")
}

func TestExpiryIsLeftOut(t *testing.T) {
	line := strings.Replace(eventLine("a", "order.placed", "o-1"), `"data"`, `"expirytime":"2001-02-03T04:05:06Z","data"`, 1)
	got := play(t, &fakeBus{}, Config{Events: file(t, "events", []byte(line)), JSON: true, Poison: "x"})
	require.Equal(t, StatusGood, got.status)
	require.Contains(t, got.err, "the expiry of 1 event was left out")
}

func TestSurveyPicksTheRarestType(t *testing.T) {
	require.Equal(t, "b", survey{types: map[string]int{"a": 2, "c": 1, "b": 1}}.rarest())
	require.Empty(t, survey{}.rarest())
	lines := []string{eventLine("1", "a.x", "1"), "bad", eventLine("2", "a.x", "1"), eventLine("2", "a.x", "1"), eventLine("3", "a.y", "1")}
	var temp string
	for name, in := range map[string]*input{
		"a file": openFile(t, "events", strings.Join(lines, "\n")),
		"a pipe": must(openInput("-", io.MultiReader(strings.NewReader(strings.Join(lines, "\n"))))),
	} {
		f := &fileSource{in: in, bad: &badLines{tell: func(string) {}}}
		got, err := f.survey(t.Context(), &console{err: io.Discard})
		require.NoError(t, err)
		require.Equal(t, survey{events: 3, types: map[string]int{"a.x": 2, "a.y": 1}, poison: "a.y"}, got, name)
		require.Zero(t, f.bad.n)
		events, told := readAll(t, in)
		require.Len(t, events, 3)
		require.Len(t, told, 3)
		temp = in.file.Name()
		if name == "a pipe" {
			require.NoError(t, in.Close())
			_, err = os.Stat(temp)
			require.ErrorIs(t, err, os.ErrNotExist)
		}
	}
}

func TestForeignEvents(t *testing.T) {
	lines := []string{
		strings.Replace(eventLine("1", "com.example.seen", "o-1"), `"data"`, `"color":"red","data"`, 1),
		strings.Replace(eventLine("2", "com.example.seen", "o-1"), `"subject":"o-1",`, "", 1),
		eventLine("3", "com.example.gone", "o-1"),
	}
	path := file(t, "events", []byte(strings.Join(lines, "\n")))
	events, told := readAll(t, must(openInput(path, nil)))
	require.Empty(t, told)
	require.Equal(t, map[string]string{"color": "red"}, events[0].Extensions)
	got := play(t, &fakeBus{}, Config{Events: path, JSON: true})
	require.Equal(t, StatusGood, got.status, got.err)
	require.Equal(t, 1, got.totals(t).Replayed)
}

func TestInputThatCannotBeUsed(t *testing.T) {
	for want, path := range map[string]string{
		"no such file":                 "nowhere.ndjson",
		"is a directory":               t.TempDir(),
		"no valid event; expected are": file(t, "empty", nil),
		"does not hold gzip data":      file(t, "x.gz", []byte("x")),
		"json: must be one object":     file(t, "bad", []byte("\nx")),
	} {
		for _, poison := range []string{"", "a.b"} {
			got := play(t, &fakeBus{}, Config{Events: path, JSON: true, Poison: poison})
			require.Equal(t, StatusInput, got.status)
			require.Contains(t, got.err, want)
			require.Empty(t, got.out)
		}
	}
}

func TestBadLinesDoNotStopTheRest(t *testing.T) {
	content := strings.Join(append(storyLines(5, 1), "bad"), "\n")
	for _, asJSON := range []bool{false, true} {
		got := play(t, &fakeBus{}, Config{Events: "-", Stdin: strings.NewReader(content), JSON: asJSON})
		require.Equal(t, StatusInput, got.status)
		require.Contains(t, got.err, "standard input: line "+fmt.Sprint(len(storyLines(5, 1))+1)+": ")
		require.Contains(t, got.err, "standard input: 1 bad line passed over")
		if asJSON {
			require.Equal(t, len(storyLines(5, 1)), got.totals(t).Published)
		} else {
			require.Contains(t, got.out, "The sums add up")
		}
	}
}
