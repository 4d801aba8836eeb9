package broker

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	rabbitImage = "rabbitmq:4.0-management"
	// rabbitAPI names the management interface of a server that runs already.
	rabbitAPI = "EVENTBUS_TEST_RABBITMQ_API"
)

// Pika is the image of a RabbitMQ that has a Python client too.
const Pika = "eventbus-test/pika:1"

type rabbitProtocol struct{}

func (rabbitProtocol) name() string     { return "RabbitMQ" }
func (rabbitProtocol) variable() string { return "EVENTBUS_TEST_RABBITMQ" }
func (rabbitProtocol) image() string    { return rabbitImage }
func (rabbitProtocol) inside() []string { return []string{"5672/tcp", "15672/tcp"} }
func (rabbitProtocol) proxiedPort() int { return 0 }

func (rabbitProtocol) at(ports []int) Server {
	return Server{
		Kind: RabbitMQ, Addr: local(ports[0]),
		URL: "amqp://guest:guest@" + local(ports[0]) + "/", API: "http://guest:guest@" + local(ports[1]),
	}
}

func (rabbitProtocol) parse(value string) (Server, error) {
	if !strings.Contains(value, "://") {
		value = "amqp://" + value // which means guest's, and the vhost /
	}
	u, err := amqp.ParseURI(value)
	if err != nil || u.Host == "" {
		return Server{}, errors.New("neither host:port nor amqp://user:password@host:port[/vhost]")
	}
	api := &url.URL{Scheme: "http", User: url.UserPassword(u.Username, u.Password), Host: net.JoinHostPort(u.Host, "15672")}
	if v := os.Getenv(rabbitAPI); v != "" {
		given, err := url.Parse(v)
		if err != nil || given.Host == "" {
			return Server{}, errors.New(rabbitAPI + " is not http://host:port")
		}
		if given.User == nil {
			given.User = api.User
		}
		api = given
	}
	return Server{
		Kind: RabbitMQ, Addr: net.JoinHostPort(u.Host, strconv.Itoa(u.Port)),
		URL: value, API: strings.TrimSuffix(api.String(), "/"),
	}, nil
}

// settings: nothing but what the image does.
func (rabbitProtocol) settings([]int, int) Spec { return Spec{Host: "rabbit"} }

func (p rabbitProtocol) ready(ctx context.Context, s Server) error {
	if err := p.dial(ctx, s); err != nil {
		return err
	}
	_, err := newManagement(s).get(ctx, "/api/overview")
	return err
}

func (rabbitProtocol) dial(ctx context.Context, s Server) (err error) {
	c, err := amqp.DialConfig(s.URL, amqp.Config{Dial: func(network, addr string) (net.Conn, error) {
		var d net.Dialer
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		// The library takes the deadline away when the connection is open.
		return conn, conn.SetDeadline(time.Now().Add(5 * time.Second))
	}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	_, err = c.Channel()
	return err
}
