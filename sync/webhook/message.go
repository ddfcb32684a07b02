package webhook

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"unicode"

	"github.com/patchsource/patchsource/patch/catalog"
)

// names are the names of kinds of events, for the first three those that Patch Server gives them.
var names = map[catalog.EventKind]string{
	catalog.Created: "new_title",
	catalog.Updated: "title_updated",
	catalog.Deleted: "title_deleted",
	WatchFailed:     "watch_failed",
	WatchRecovered:  "watch_recovered",
	VersionProposed: "version_proposed",
	testKind:        "test",
}

// KindOf returns the kind of events with a name, such as "new_title". ok is false if there is none.
func KindOf(name string) (kind catalog.EventKind, ok bool) {
	for kind, other := range names {
		if name == other && kind != testKind {
			return kind, true
		}
	}
	return "", false
}

// NameOf returns the name of a kind of events.
func NameOf(kind catalog.EventKind) string { return names[kind] }

// A message is an event in the form of Patch Server, with members of our own.
type message struct {
	Event         string          `json:"event"`
	Timestamp     int64           `json:"timestamp"`
	SoftwareTitle string          `json:"software_title"`
	Version       string          `json:"version"`
	VersionColon  string          `json:"version:"` // the name that Patch Server really sends
	URL           string          `json:"url"`
	ID            string          `json:"id"`
	Name          string          `json:"name"`
	Changes       []string        `json:"changes"`
	Message       string          `json:"message,omitempty"` // of an announcement
	Definition    json.RawMessage `json:"patch_definition,omitempty"`
}

// A renderer renders events.
type renderer struct {
	site string // without a slash at the end
	page bool   // the web page is served at site
}

// body returns the body of an event.
func (r renderer) body(format Format, n *catalog.Notice) ([]byte, error) {
	m := message{
		Event:         names[n.Kind],
		Timestamp:     n.At.Unix(),
		SoftwareTitle: n.Title.ID,
		Version:       n.Title.CurrentVersion,
		VersionColon:  n.Title.CurrentVersion,
		URL:           r.site + "/jamf/v1/patch/" + url.PathEscape(n.Title.ID),
		ID:            n.ID,
		Name:          n.Title.Name,
		Changes:       n.Changes,
		Definition:    n.Definition,
	}
	if isAnnounced(n.Kind) {
		m.Message, m.Changes = strings.Join(n.Changes, " "), nil
	}
	if m.Changes == nil {
		m.Changes = []string{}
	}
	if format != JSON && r.page {
		m.URL = r.site + "/"
		if n.Kind != catalog.Deleted && n.Kind != testKind { // the title has a page
			m.URL += "titles/" + url.PathEscape(n.Title.ID)
		}
	}
	switch format {
	case Slack:
		return json.Marshal(slackMessage(m))
	case Teams:
		return json.Marshal(teamsCard(m))
	}
	return json.Marshal(m)
}

// headline describes an event in words.
func headline(m message) string {
	switch m.Event {
	case "new_title":
		return fmt.Sprintf("%s is new, with version %s", m.Name, m.Version)
	case "title_updated":
		return fmt.Sprintf("%s was updated; its current version is %s", m.Name, m.Version)
	case "title_deleted":
		return fmt.Sprintf("%s was deleted; its last version was %s", m.Name, m.Version)
	case "watch_failed":
		return fmt.Sprintf("The release feed of %s needs attention", m.Name)
	case "watch_recovered":
		return fmt.Sprintf("The release feed of %s is well again", m.Name)
	case "version_proposed":
		return fmt.Sprintf("Version %s of %s waits for approval", m.Version, m.Name)
	}
	return "This is a test: events will look like this"
}

// maxChanges bounds the number of changes that a message for people lists.
const maxChanges = 20

// details returns the lines below the headline of a message for people.
func details(m message) []string {
	if m.Message != "" {
		return []string{m.Message}
	}
	var lines []string
	for _, change := range m.Changes[:min(len(m.Changes), maxChanges)] {
		lines = append(lines, "• "+change)
	}
	if more := len(m.Changes) - maxChanges; more > 0 {
		lines = append(lines, fmt.Sprintf("• and %d more changes", more))
	}
	return lines
}

// plain returns a text, which an author of a title may have written, on one line and without links in Markdown, because
// some receivers render Markdown that they should not.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return strings.ReplaceAll(text, "](", "]\u200b(") // a zero-width space
}

// slackMessage returns a message for Slack. Its control characters are escaped, its Markdown is switched off, and the
// link is a bare address, which needs no markup.
func slackMessage(m message) any {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	lines := []string{escape(plain(headline(m)))}
	for _, line := range details(m) {
		lines = append(lines, escape(plain(line)))
	}
	lines = append(lines, escape(m.URL))
	return map[string]any{"text": strings.Join(lines, "\n"), "mrkdwn": false}
}

// teamsCard returns a message for Teams: an adaptive card, as its workflows accept it. The texts are runs of rich text,
// in which Markdown has no meaning, unlike in a TextBlock.
func teamsCard(m message) any {
	block := func(spacing string, run map[string]any) map[string]any {
		run["type"] = "TextRun"
		return map[string]any{"type": "RichTextBlock", "spacing": spacing, "inlines": []any{run}}
	}
	body := []any{block("Default", map[string]any{"text": plain(headline(m)), "weight": "Bolder", "size": "Medium"})}
	for _, line := range details(m) {
		body = append(body, block("None", map[string]any{"text": plain(line)}))
	}
	return map[string]any{"type": "message", "attachments": []any{map[string]any{
		"contentType": "application/vnd.microsoft.card.adaptive",
		"content": map[string]any{
			"$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
			"type":    "AdaptiveCard",
			"version": "1.4",
			"body":    body,
			"actions": []any{map[string]any{"type": "Action.OpenUrl", "title": m.SoftwareTitle, "url": m.URL}},
		},
	}}}
}
