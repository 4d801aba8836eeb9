package demo

import (
	"crypto/tls"
	"errors"
	"net/url"
	"strings"

	"github.com/seed-28af575d/eventbus"
	"github.com/seed-28af575d/eventbus/kafkabus"
)

// errKafkaURL names no part of the URL, of which any may be the password.
var errKafkaURL = errors.New("must be kafka://[user:password@]host:port[,host:port][?tls=true&sasl=plain|scram-sha-256|scram-sha-512]")

// parseKafka reads the URL. The error says what is wrong with it, without its password.
func parseKafka(from string) (o kafkabus.Options, err error) {
	_, rest, ok := strings.Cut(from, "://")
	rest, query, _ := strings.Cut(rest, "?")
	at := strings.LastIndex(rest, "@")
	who, brokers := rest[:max(at, 0)], strings.TrimSuffix(rest[at+1:], "/")
	if !ok || brokers == "" || strings.ContainsAny(brokers, "/#") {
		return o, errKafkaURL
	}
	o.Brokers = strings.Split(brokers, ",")
	if at >= 0 {
		if o.SASL, err = parseUser(who); err != nil {
			return o, err
		}
	}
	if err := withQuery(&o, query); err != nil {
		return o, err
	}
	o.Group = "demo"
	if _, err = kafkabus.New(o); err != nil {
		var wrong *eventbus.ValidationError
		if errors.As(err, &wrong) && wrong.Field == "SASL.Mechanism" {
			return o, errors.New("with sasl=plain sends the password as it is: add tls=true")
		}
		return o, errKafkaURL
	}
	return o, nil
}

func parseUser(who string) (s kafkabus.SASL, err error) {
	user, password, _ := strings.Cut(who, ":")
	s.Mechanism = kafkabus.SCRAM256
	var errs [2]error
	s.User, errs[0] = url.PathUnescape(user)
	s.Password, errs[1] = url.PathUnescape(password)
	if errors.Join(errs[:]...) != nil || s.User == "" || s.Password == "" {
		return s, errKafkaURL
	}
	return s, nil
}

func withQuery(o *kafkabus.Options, query string) error {
	given, err := url.ParseQuery(query)
	if err != nil {
		return errKafkaURL
	}
	for name := range given {
		switch value := given.Get(name); {
		case name == "tls" && value == "true":
			o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		case name == "tls" && value == "false":
		case name == "sasl" && mechanisms[value] != kafkabus.None && o.SASL.User != "":
			o.SASL.Mechanism = mechanisms[value]
		default:
			return errKafkaURL
		}
	}
	return nil
}

var mechanisms = map[string]kafkabus.Mechanism{
	"plain": kafkabus.Plain, "scram-sha-256": kafkabus.SCRAM256, "scram-sha-512": kafkabus.SCRAM512,
}

func openKafka(cluster kafkabus.Options, o eventbus.Options) (eventbus.EventBus, error) {
	cluster.Options, cluster.Prefix = o, ownPrefix()
	return openErasable("Kafka", cluster.Prefix, func() (erasable, error) { return kafkabus.New(cluster) })
}
