package eventbus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/seed-28af575d/eventbus/internal/markdown"
)

// Markdown returns the catalogue as a table of its events and, where there are any,
// a table of its subscribers, in GitHub Flavored Markdown; whatever the texts hold,
// they stay in their cells. It is the same for the same catalogue, so that a file of
// it can be kept in a repository and compared by a test.
func (c Catalogue) Markdown() string {
	events := markdown.NewTable("event", "source", "payload", "purpose", "subscribers")
	for _, e := range c.Events {
		events.Row(e.heading(), markdown.Code(e.Source), e.payload(), markdown.Text(e.Purpose), orNone(markdown.Codes(e.Subscribers)))
	}
	if len(c.Subscribers) == 0 {
		return events.String()
	}
	subscribers := markdown.NewTable("subscriber", "patterns", "gets", "notes")
	for _, s := range c.Subscribers {
		subscribers.Row(markdown.Code(s.Group+"."+s.Name), markdown.Codes(s.Patterns), s.gets(len(c.Events)), s.notes())
	}
	return events.String() + "\n" + subscribers.String()
}

func (e CatalogueEvent) heading() string {
	if e.SchemaVersion > 1 {
		return fmt.Sprintf("%s v%d", markdown.Code(e.Type), e.SchemaVersion)
	}
	return markdown.Code(e.Type)
}

// payload has one field a line; what the whole is only where that is no plain
// object with fields.
func (e CatalogueEvent) payload() string {
	var lines []string
	if e.Payload != "object" || len(e.Fields) == 0 {
		lines = append(lines, markdown.Text(e.Payload))
	}
	for _, f := range e.Fields {
		line := markdown.Code(f.Name) + " " + markdown.Text(f.Type)
		if f.Optional {
			line += ", optional"
		}
		if f.Doc != "" {
			line += ": " + markdown.Text(f.Doc)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, markdown.Break)
}

// gets names the events, or says that it is all of several.
func (s CatalogueSubscriber) gets(all int) string {
	if n := len(s.Events); n == all && n > 1 {
		return fmt.Sprintf("all %d", n)
	}
	return orNone(markdown.Codes(s.Events))
}

func (s CatalogueSubscriber) notes() string {
	var notes []string
	for _, p := range s.Unlisted {
		notes = append(notes, markdown.Code(p)+" selects nothing listed")
	}
	for _, name := range s.Unhandled {
		notes = append(notes, "no case for "+markdown.Code(name))
	}
	return strings.Join(slices.Compact(notes), markdown.Break)
}

func orNone(cell string) string {
	if cell == "" {
		return "none"
	}
	return cell
}
