package dlq

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkList100k(b *testing.B) {
	const letters = 100_000
	q := bound(filled(b, letters), nil)
	for name, c := range map[string]struct {
		f    Filter
		want int
	}{
		"everything": {Filter{}, letters},
		"tenth":      {Filter{AggregateID: "o-3"}, letters / 10},
		"pattern":    {Filter{Type: "#.paid"}, 0},
		"text":       {Filter{Text: "E-99999"}, 1},
		"id":         {Filter{IDs: []string{"099999"}}, 1},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				n := 0
				for _, err := range q.List(b.Context(), c.f) {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				require.Equal(b, c.want, n)
			}
		})
	}
}
