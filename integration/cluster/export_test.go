package cluster

// What only tests of this package call from outside.
var (
	Await = await
	Find  = find
)
