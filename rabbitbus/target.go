package rabbitbus

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/seed-28af575d/eventbus"
)

// target is which server, and who asks.
type target struct {
	addrs          []string
	vhost          string
	user, password string
	external       bool
	tls            *tls.Config // nil: none
}

// String tells all but the password.
func (t target) String() string {
	scheme := "amqp"
	if t.tls != nil {
		scheme = "amqps"
	}
	who := t.user + "@"
	if t.external {
		who = ""
	}
	return scheme + "://" + who + strings.Join(t.addrs, ",") + "/" + url.PathEscape(t.vhost)
}

// target makes one of the URL and the fields. Its error shows nothing of the URL, in which
// there may be a password.
func (o Options) target() (target, error) {
	refuse := func(field, rule string) (target, error) {
		return target{}, &eventbus.ValidationError{Field: field, Rule: rule}
	}
	u, err := url.Parse(o.URL)
	if err != nil || u.Scheme != "amqp" && u.Scheme != "amqps" || u.Hostname() == "" || u.Opaque != "" {
		return refuse("URL", "must be amqp://user:password@host:port/vhost, or amqps://, with % escapes for what is special")
	}
	if u.RawQuery != "" || u.Fragment != "" {
		return refuse("URL", "must have no query and no fragment: say it in Options; ? and # in a password are %3F and %23")
	}
	password, _ := u.User.Password()
	t := target{
		addrs: o.Addrs, vhost: cmp.Or(o.VHost, vhost(u)), external: o.External,
		user: cmp.Or(o.User, u.User.Username(), "guest"), password: cmp.Or(o.Password, password),
		tls: o.TLS,
	}
	if t.password == "" && t.user == "guest" {
		t.password = "guest" // the server's own default, which it lets in from its own machine alone
	}
	if len(t.addrs) == 0 {
		t.addrs = []string{hostPort(u)}
	}
	for i, addr := range t.addrs {
		if host, port, err := net.SplitHostPort(addr); err != nil || host == "" || port == "" {
			return refuse(fmt.Sprintf("Addrs[%d]", i), "must be host:port")
		}
	}
	if t.tls == nil && u.Scheme == "amqps" {
		t.tls = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return t, nil
}

func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		if port = "5672"; u.Scheme == "amqps" {
			port = "5671"
		}
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// vhost is what stands behind the first slash; nothing means the default one, which is
// called /.
func vhost(u *url.URL) string {
	name, err := url.PathUnescape(strings.TrimPrefix(u.EscapedPath(), "/"))
	if err != nil || name == "" {
		return "/"
	}
	return name
}
