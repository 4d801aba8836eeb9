// Package wire names the headers that events travel with: CloudEvents 1.0 in
// binary mode (https://github.com/cloudevents/spec, version 1.0.2), one
// vocabulary for every backend.
package wire

// Field is one header of a message. CloudEvents attributes are named "ce_<name>",
// the payload's media type "content-type", our delivery facts "eventbus-<name>";
// all others are the application's metadata. Backends rename them to their
// protocol's custom.
type Field struct{ Name, Value string }
