package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"
)

// management speaks with RabbitMQ's management interface, the only one that lists.
type management struct {
	base, vhost string
	client      *http.Client
}

func newManagement(s Server) management {
	vhost := "/"
	if u, err := amqp.ParseURI(s.URL); err == nil {
		vhost = u.Vhost
	}
	return management{s.API, url.PathEscape(vhost), &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}}
}

func (m management) get(ctx context.Context, path string) ([]byte, error) {
	return m.do(ctx, http.MethodGet, path)
}

func (m management) do(ctx context.Context, method, path string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, m.base+path, http.NoBody)
	if err != nil {
		return nil, errors.New("the URL of the management interface is not one")
	}
	resp, err := m.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("the management interface: %w", errors.Unwrap(err)) // without the URL, which has the password
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	gone := method == http.MethodDelete && resp.StatusCode == http.StatusNotFound
	if err == nil && resp.StatusCode >= 300 && !gone {
		err = fmt.Errorf("the management interface: %s %s: %s", method, path, resp.Status)
	}
	return body, err
}

// rabbitThings are what a bus can leave on RabbitMQ, by the words of the interface's paths.
// Queues go first: with them go their bindings and consumers.
var rabbitThings = []string{"queues", "exchanges", "policies"}

func (rabbitProtocol) names(ctx context.Context, s Server, prefix string) (names []string, err error) {
	m := newManagement(s)
	for _, things := range rabbitThings {
		body, err := m.get(ctx, "/api/"+things+"/"+m.vhost)
		if err != nil {
			return nil, err
		}
		var list []struct{ Name string }
		if err := json.Unmarshal(body, &list); err != nil {
			return nil, fmt.Errorf("the management interface: %s: %w", things, err)
		}
		for _, thing := range list {
			if strings.Contains(thing.Name, prefix) {
				names = append(names, things+" "+thing.Name)
			}
		}
	}
	return names, nil
}

func (rabbitProtocol) remove(ctx context.Context, s Server, names []string) error {
	m := newManagement(s)
	var failures []error
	for _, name := range names {
		things, thing, _ := strings.Cut(name, " ")
		_, err := m.do(ctx, http.MethodDelete, "/api/"+things+"/"+m.vhost+"/"+url.PathEscape(thing))
		failures = append(failures, err)
	}
	return errors.Join(failures...)
}
