package integration_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/integration/broker"
	"github.com/seed-28af575d/eventbus/rabbitbus"
)

// certified is a key with its certificate.
type certified struct {
	*testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

// certify makes one for the name that is valid for so long, by itself where there is no issuer.
func certify(t *testing.T, name string, issuer *certified, valid time.Duration) *certified {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	require.NoError(t, err)
	c := &certified{T: t, key: key, cert: &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(valid),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:        issuer == nil, BasicConstraintsValid: true,
	}}
	if issuer == nil {
		issuer = c
		c.cert.KeyUsage |= x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(rand.Reader, c.cert, issuer.cert, &key.PublicKey, issuer.key)
	require.NoError(t, err)
	c.cert, err = x509.ParseCertificate(der)
	require.NoError(t, err)
	return c
}

func (c *certified) pem() (cert, key string) {
	c.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(c.key)
	require.NoError(c, err)
	text := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	return text("CERTIFICATE", c.cert.Raw), text("PRIVATE KEY", der)
}

// client is the configuration of who trusts the authority, and shows this certificate, if any.
func (c *certified) client(authority *certified) *tls.Config {
	trusted := x509.NewCertPool()
	trusted.AddCert(authority.cert)
	config := &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: trusted}
	if c != nil {
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{c.cert.Raw}, PrivateKey: c.key}}
	}
	return config
}

const rabbitTLS = `
listeners.ssl.default = 5671
ssl_options.cacertfile = /etc/rabbitmq/authority.pem
ssl_options.certfile = /etc/rabbitmq/server.pem
ssl_options.keyfile = /etc/rabbitmq/server.key
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
auth_mechanisms.1 = PLAIN
auth_mechanisms.2 = EXTERNAL
ssl_cert_login_from = common_name
`

// Over TLS the bus works with a password and with a certificate, and says what is wrong with either.
func TestRabbitSpeaksTLS(t *testing.T) {
	authority := certify(t, "authority", nil, time.Hour)
	stranger := certify(t, "stranger", nil, time.Hour)
	trust, _ := authority.pem()
	cert, key := certify(t, "rabbit", authority, time.Hour).pem()
	ports, err := broker.FreePorts(3)
	require.NoError(t, err)
	plain := broker.RabbitMQ.At(ports[0], ports[1])
	node, err := broker.Try(t, broker.Spec{
		Name: "RabbitMQ with TLS", Image: broker.RabbitMQ.Image(), Ready: plain.Ready,
		Ports: map[string]int{"5672/tcp": ports[0], "15672/tcp": ports[1], "5671/tcp": ports[2]},
		Files: []broker.File{
			{Path: "/etc/rabbitmq/conf.d/20-tls.conf", Content: rabbitTLS, Mode: 0o644},
			{Path: "/etc/rabbitmq/enabled_plugins", Content: "[rabbitmq_management,rabbitmq_auth_mechanism_ssl].", Mode: 0o644},
			{Path: "/etc/rabbitmq/authority.pem", Content: trust, Mode: 0o644},
			{Path: "/etc/rabbitmq/server.pem", Content: cert, Mode: 0o644},
			{Path: "/etc/rabbitmq/server.key", Content: key, Mode: 0o644},
		},
	})
	require.NoError(t, err)
	for _, args := range []string{"add_user shop geheim", "clear_password shop", "set_permissions shop .* .* .*"} {
		node.Exec(append([]string{"rabbitmqctl"}, strings.Fields(args)...)...)
	}
	secure := strings.Replace(plain.URL, plain.Addr, broker.RabbitMQ.At(ports[2], ports[1]).Addr, 1)
	secure = strings.Replace(secure, "amqp://", "amqps://", 1)
	r := newRabbitRig(t, broker.Space{Server: plain, Prefix: "own"})
	shop, nobody := certify(t, "shop", authority, time.Hour), certify(t, "nobody", authority, time.Hour)
	for name, c := range map[string]struct {
		o    rabbitbus.Options
		want string // of the error; "": it works
	}{
		"a password":                  {rabbitbus.Options{TLS: (*certified)(nil).client(authority)}, ""},
		"a certificate":               {rabbitbus.Options{TLS: shop.client(authority), External: true}, ""},
		"a certificate of no user":    {rabbitbus.Options{TLS: nobody.client(authority), External: true}, rabbitbus.ErrCredentials.Error()},
		"a certificate of the past":   {rabbitbus.Options{TLS: certify(t, "shop", authority, -time.Minute).client(authority), External: true}, "TLS: remote error: tls: "},
		"a certificate of strangers":  {rabbitbus.Options{TLS: stranger.client(authority), External: true}, rabbitbus.ErrCredentials.Error()},
		"a server that is a stranger": {rabbitbus.Options{}, "certificate signed by unknown authority"},
		"a server of another name": {rabbitbus.Options{TLS: func() *tls.Config {
			config := shop.client(authority)
			config.ServerName = "rabbit.example.com"
			return config
		}()}, "wanted to match rabbit.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.URL, c.o.DialTimeout = secure, 2*time.Second
			bus := r.bus(c.o)
			got := &handled{}
			_, err := bus.Subscribe(t.Context(), eventbus.Subscriber{Name: "mailer", Events: []string{"order.*"}, Handler: got})
			if c.want != "" {
				require.ErrorContains(t, err, c.want)
				require.NotContains(t, err.Error(), "guest:guest")
				return
			}
			require.NoError(t, err)
			require.NoError(t, bus.Start(t.Context()))
			require.NoError(t, bus.Publish(t.Context(), anOrder(name)))
			require.Eventually(t, func() bool { return got.times()[name] == 1 }, 10*time.Second, time.Millisecond)
			require.NoError(t, bus.Shutdown(t.Context()))
		})
	}
}
