package demo

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

// plainly reads a file of events the simple way: all lines at once.
func plainly(content string) (events []eventbus.DomainEvent, bad int) {
	seen := map[[2]string]bool{}
	for i, line := range strings.Split(content, "\n") {
		if i == 0 {
			line = strings.TrimPrefix(line, "\ufeff")
		}
		if strings.TrimSpace(line) == "" {
			continue
		}
		e, err := wire.ParseJSON([]byte(strings.TrimSuffix(line, "\r")))
		key := [2]string{e.Source, e.ID}
		if err != nil || seen[key] {
			bad++
			continue
		}
		seen[key] = true
		events = append(events, e)
	}
	return events, bad
}

// FuzzReader: whatever a file holds, each of its lines is an event that Publish
// takes, or is told, or is blank.
func FuzzReader(f *testing.F) {
	permit := `{"specversion":"1.0","id":"task-4","type":"permit.confirmation_of_receipt","source":"/permits/wabo","subject":"case-891",` +
		`"time":"2010-10-02T09:20:39.266+02:00","datacontenttype":"application/json","aggregatetype":"permit","aggregateversion":1,` +
		`"data":{"activity":"Confirmation of receipt","group":"Group 1","resource":"Resource26","channel":"Internet","department":"General"}}`
	other := eventLine("b", "order.paid", "o-1")
	for _, s := range []string{
		permit, permit + "\n" + other + "\n", permit + "\r\n" + permit, "\ufeff" + permit + "\n\ufeff" + other, "\n \n" + other + "\n\x00\n{}\n[]\n" + other + "{}",
		strings.Replace(other, `"data":{}`, `"expirytime":"2020-01-01T00:00:00Z","data":1`, 1), strings.Replace(other, "{}", `{"a":1,"a":"\ud800"}`, 1),
		"\x1f\x8b", "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff", string([]byte{0xff, 0xfe}) + "\n",
	} {
		f.Add([]byte(s))
	}
	for _, whole := range []string{permit + "\n", other + "\r\n" + other} {
		zip := zipped(f, whole)
		f.Add(zip)
		f.Add(append(bytes.Clone(zip[:len(zip)-1]), 'x'))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		if len(content) > maxLine {
			return
		}
		in, err := openInput("-", bytes.NewReader(content))
		require.NoError(t, err)
		told := 0
		source := &fileSource{in: in, bad: &badLines{tell: func(string) { told++ }}}
		events, err := source.events(t.Context(), newRegister())
		if bytes.HasPrefix(content, []byte{0x1f, 0x8b}) {
			if err == nil {
				for e := range events {
					require.NoError(t, e.Validate())
				}
			}
			return
		}
		require.NoError(t, err)
		want, bad := plainly(string(content))
		var got []eventbus.DomainEvent
		for e := range events {
			require.NoError(t, e.Validate())
			require.True(t, e.Expires.IsZero())
			got = append(got, e)
		}
		require.Equal(t, ids(want), ids(got))
		require.Equal(t, bad, source.bad.n)
		require.Equal(t, min(bad, maxTold+1), told)
	})
}
