package kafkabus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// A request is no larger than brokers take, and has one parcel at least.
func TestRequestsFitTheBroker(t *testing.T) {
	parcels := func(sizes ...int) (xs []*parcel) {
		for _, size := range sizes {
			xs = append(xs, &parcel{packing: packing{data: make([]byte, size)}})
		}
		return xs
	}
	many := parcels()
	for range 107 {
		many = append(many, parcels(parcelBytes)...)
	}
	require.Equal(t, mostRequest/parcelBytes, fitting(many))
	require.Equal(t, 2, fitting(parcels(15<<20, 15<<20, 15<<20)))
	require.Equal(t, 1, fitting(parcels(120<<20, 1)))
	require.Equal(t, 3, fitting(parcels(1, 2, 3)))
	require.Equal(t, 1, fitting(parcels(1)))
}
