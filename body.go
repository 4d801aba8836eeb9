package eventbus

// body is what an event tells, apart from its envelope. It never changes once the event
// is made, so that all copies of the event share it: they are many on the way to a handler.
type body struct {
	value   any
	data    []byte
	checked string // content type that data is known to keep to
	err     error
}

// Data returns the payload's bytes as they travel. They must not be changed.
func (b *body) Data() []byte {
	if b == nil {
		return nil
	}
	return b.data
}

// Value returns the payload as it was given to New or Named, or nil when the
// event came as bytes. It must not be changed.
func (b *body) Value() any {
	if b == nil {
		return nil
	}
	return b.value
}

// Err returns what New found wrong with the payload; Publish returns it too.
func (b *body) Err() error {
	if b == nil {
		return nil
	}
	return b.err
}

// keepsTo reports whether the bytes are known to be what the content type says.
func (b *body) keepsTo(contentType string) bool { return b != nil && b.checked == contentType }
