package wire

import (
	"strings"

	"github.com/seed-28af575d/eventbus"
)

const (
	attributePrefix = "ce_"
	contentTypeName = "content-type"
	specVersion     = "1.0"
	partitionKey    = "partitionkey"
	// metadataName is the attribute that carries Metadata where there are no
	// headers: a string that holds a JSON object of strings. It is never an
	// extension.
	metadataName = "eventbusmetadata"

	maxEntries    = 64 // of metadata and extensions, as DomainEvent.Validate has it
	maxEntryKey   = 128
	maxEntryValue = 4 << 10
	maxEntryBytes = 16 << 10
)

// attribute is a CloudEvents attribute, or member of the JSON format, that means
// something here. Those up to dataSchema are
// CloudEvents' own and strings.
type attribute uint8

const (
	unknown attribute = iota
	specversion
	id
	eventType
	source
	subject
	timestamp
	dataContentType
	dataSchema
	aggregateType
	aggregateVersion
	schemaVersion
	correlationID
	causationID
	tenantID
	actorID
	expiryTime
	partition // an extension that Encode gives every event
	metadata
	data
	dataBase64
)

var attributeNames = [...]string{
	specversion: "specversion", id: "id", eventType: "type", source: "source", subject: "subject",
	timestamp: "time", dataContentType: "datacontenttype", dataSchema: "dataschema",
	aggregateType: "aggregatetype", aggregateVersion: "aggregateversion", schemaVersion: "schemaversion",
	correlationID: "correlationid", causationID: "causationid", tenantID: "tenantid", actorID: "actorid",
	expiryTime: "expirytime", partition: partitionKey, metadata: metadataName, data: "data", dataBase64: "data_base64",
}

func (a attribute) String() string { return attributeNames[a] }

// attributeOf returns the attribute of that exact name, or unknown.
func attributeOf(name string) attribute {
	switch name {
	case "specversion":
		return specversion
	case "id":
		return id
	case "type":
		return eventType
	case "source":
		return source
	case "subject":
		return subject
	case "time":
		return timestamp
	case "datacontenttype":
		return dataContentType
	case "dataschema":
		return dataSchema
	case "aggregatetype":
		return aggregateType
	case "aggregateversion":
		return aggregateVersion
	case "schemaversion":
		return schemaVersion
	case "correlationid":
		return correlationID
	case "causationid":
		return causationID
	case "tenantid":
		return tenantID
	case "actorid":
		return actorID
	case "expirytime":
		return expiryTime
	case partitionKey:
		return partition
	case metadataName:
		return metadata
	case "data":
		return data
	case "data_base64":
		return dataBase64
	}
	return unknown
}

// extensionFault returns what forbids name as an extension, or "".
func extensionFault(name string) string {
	if lower := strings.ToLower(name); lower != name && attributeOf(lower) != unknown {
		return "attribute names are lower-case: write " + lower
	}
	if eventbus.IsAttribute(name) || name == metadataName {
		return "is not an attribute here"
	}
	if name == "" || len(name) > maxEntryKey {
		return "an attribute's name must be 1 to 128 bytes of [a-z0-9]"
	}
	for i := range len(name) {
		if c := name[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "an attribute's name must be 1 to 128 bytes of [a-z0-9]"
		}
	}
	return ""
}
