package rabbitbus

import amqp "github.com/rabbitmq/amqp091-go"

// candid asks the server to say that it does not accept the credentials: without that it closes
// the connection, after some seconds, as it would for any other reason. The client knows of no
// such wish, but asks for the response when it has written down what the client is capable of.
type candid struct {
	amqp.Authentication
	properties amqp.Table
}

// Response is what the server judges.
func (c candid) Response() string {
	if capabilities, ok := c.properties["capabilities"].(amqp.Table); ok {
		capabilities["authentication_failure_close"] = true
	}
	return c.Authentication.Response()
}

// auth is made for each connection: the client wipes passwords when it is through.
func (t target) auth(properties amqp.Table) []amqp.Authentication {
	if t.external {
		return []amqp.Authentication{candid{&amqp.ExternalAuth{}, properties}}
	}
	return []amqp.Authentication{candid{&amqp.PlainAuth{Username: t.user, Password: t.password}, properties}}
}
