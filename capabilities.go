package eventbus

// Capabilities are what a backend truly can and cannot do, as data: the public
// suite bustest checks each, and the README prints them.
type Capabilities struct {
	Durable              bool   // what Publish accepted survives the end of the process
	Retains              bool   // a new group can start with events published before it
	OrderAcrossProcesses bool   // order per aggregate holds over all members of a group
	LostByPowerFailure   string // what the loss of power to the backend's machines can cost
}
