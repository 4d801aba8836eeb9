package broker

import (
	"context"
	"fmt"
)

// Kind is a kind of broker.
type Kind int

// The kinds.
const (
	Redis Kind = iota
	RabbitMQ
	Kafka
)

// Kinds returns all kinds.
func Kinds() []Kind { return []Kind{Redis, RabbitMQ, Kafka} }

// String is the broker's name.
func (k Kind) String() string {
	if p := k.protocol(); p != nil {
		return p.name()
	}
	return fmt.Sprintf("Kind(%d)", int(k))
}

// Image is the image of the kind's containers.
func (k Kind) Image() string { return k.protocol().image() }

// At is the server of the kind that has these ports on 127.0.0.1: one for clients, of
// RabbitMQ also that of its management interface.
func (k Kind) At(ports ...int) Server { return k.protocol().at(ports) }

// protocol is what differs between the kinds.
type protocol interface {
	name() string
	variable() string // of the environment, that names a server which runs already
	image() string
	// parse reads the variable's value; the error says what is wrong with it, and no more of
	// it than its host.
	parse(value string) (Server, error)
	// inside are the container's ports: that for clients, that for clients of the proxy, others.
	inside() []string
	// proxiedPort is the one, in the order of inside, that the proxy stands before.
	proxiedPort() int
	// at is the server whose ports, in the order of inside, are these on 127.0.0.1.
	at(ports []int) Server
	// settings are those of a container whose clients find it at the ports, and through a
	// proxy at another one.
	settings(ports []int, proxy int) Spec
	// ready returns nil if the server does what a client wants of it.
	ready(ctx context.Context, s Server) error
	// names lists everything on the server in whose name the prefix stands.
	names(ctx context.Context, s Server, prefix string) ([]string, error)
	// remove removes what names has listed. What has gone by itself is no error.
	remove(ctx context.Context, s Server, names []string) error
}

func (k Kind) protocol() protocol {
	switch k {
	case Redis:
		return redisProtocol{}
	case RabbitMQ:
		return rabbitProtocol{}
	case Kafka:
		return kafkaProtocol{}
	}
	return nil
}

// Server is where a broker is found. It is a value.
type Server struct {
	Kind Kind
	// Addr is host:port, of Kafka the first.
	Addr string
	// URL is redis://…, amqp://…, and of Kafka the list of host:port with commas.
	URL string
	// API is the URL of RabbitMQ's management interface; empty for others.
	API string
}

// Ready returns nil if the server does what a client wants of it: it answers in its own
// protocol, and RabbitMQ's management interface does.
func (s Server) Ready(ctx context.Context) error { return s.Kind.protocol().ready(ctx, s) }
