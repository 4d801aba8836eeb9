package wire_test

import (
	"strings"
	"testing"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/internal/wire"
)

func typical() eventbus.DomainEvent {
	e := small()
	e.AggregateID, e.AggregateVersion, e.SchemaVersion, e.Time, e.CorrelationID = "order-4711", 3, 1, noon, "c-1"
	return e.WithData("application/json", []byte(`{"note":"`+strings.Repeat("x", 230)+`","n":12}`))
}

func BenchmarkEncode(b *testing.B) {
	e := typical()
	b.ReportAllocs()
	for b.Loop() {
		wire.Encode(&e)
	}
}

func BenchmarkSize(b *testing.B) {
	e := typical()
	b.ReportAllocs()
	for b.Loop() {
		wire.Size(&e)
	}
}

func BenchmarkDecode(b *testing.B) {
	e := typical()
	header, body := wire.Encode(&e)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = wire.Decode(header, body)
	}
}

func BenchmarkDecodeTraced(b *testing.B) {
	e := typical().WithExtension("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	header, body := wire.Encode(&e)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = wire.Decode(header, body)
	}
}

func BenchmarkParseJSON(b *testing.B) {
	e := typical()
	line := wire.AppendJSON(nil, &e)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = wire.ParseJSON(line)
	}
}

func BenchmarkReadFacts(b *testing.B) {
	e := typical()
	header, _ := wire.Encode(&e)
	for b.Loop() {
		wire.ReadFacts(header)
	}
}

func BenchmarkAppendHeader(b *testing.B) {
	e := typical()
	header, _ := wire.Encode(&e)
	dst := wire.AppendHeader(nil, header)
	b.ReportAllocs()
	for b.Loop() {
		dst = wire.AppendHeader(dst[:0], header)
	}
}

func BenchmarkParseHeader(b *testing.B) {
	e := typical()
	header, _ := wire.Encode(&e)
	in := wire.AppendHeader(nil, header)
	b.ReportAllocs()
	for b.Loop() {
		_, _ = wire.ParseHeader(in)
	}
}
