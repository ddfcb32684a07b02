package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/patchsource/patchsource/patch/catalog"
)

// names are Patch Server's names of events.
var names = map[catalog.EventKind]string{
	catalog.Created: "new_title",
	catalog.Updated: "title_updated",
	catalog.Deleted: "title_deleted",
	testKind:        "test",
}

// KindOf returns the kind of the event that Patch Server calls name.
func KindOf(name string) (catalog.EventKind, bool) {
	for kind, other := range names {
		if name == other && kind != testKind {
			return kind, true
		}
	}
	return "", false
}

// NameOf returns Patch Server's name of a kind of events.
func NameOf(kind catalog.EventKind) string { return names[kind] }

// A message is an event in Patch Server's form, and what is ours.
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
	Definition    json.RawMessage `json:"patch_definition,omitempty"`
}

// body makes what is sent of an event.
func (w *Service) body(h *hook, n *catalog.Notice) ([]byte, error) {
	m := message{
		Event:         names[n.Kind],
		Timestamp:     n.At.Unix(),
		SoftwareTitle: n.Title.ID,
		Version:       n.Title.CurrentVersion,
		VersionColon:  n.Title.CurrentVersion,
		URL:           w.site + "/jamf/v1/patch/" + url.PathEscape(n.Title.ID),
		ID:            n.ID,
		Name:          n.Title.Name,
		Changes:       n.Changes,
		Definition:    n.Definition,
	}
	if m.Changes == nil {
		m.Changes = []string{}
	}
	if h.Format != JSON && w.page {
		m.URL = w.site + "/"
		if n.Kind == catalog.Created || n.Kind == catalog.Updated { // there is one to be seen
			m.URL += "titles/" + url.PathEscape(n.Title.ID)
		}
	}
	switch h.Format {
	case Slack:
		return json.Marshal(slackMessage(m))
	case Teams:
		return json.Marshal(card(m))
	}
	return json.Marshal(m)
}

// headline says in words what has happened.
func headline(m message) string {
	switch m.Event {
	case "new_title":
		return fmt.Sprintf("%s is new, with version %s", m.Name, m.Version)
	case "title_updated":
		return fmt.Sprintf("%s was updated; its current version is %s", m.Name, m.Version)
	case "title_deleted":
		return fmt.Sprintf("%s was deleted; its last version was %s", m.Name, m.Version)
	}
	return "This is a test: events will look like this"
}

// mostChanges is how many changes a message for people lists.
const mostChanges = 20

// shown returns the changes that a message for people lists.
func shown(changes []string) []string {
	if len(changes) <= mostChanges {
		return changes
	}
	return append(changes[:mostChanges:mostChanges], fmt.Sprintf("and %d more changes", len(changes)-mostChanges))
}

// plain returns a text, which may be a stranger's, for a message to people: on one line,
// and without what Markdown takes for a link where a receiver renders it all the same.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
	return strings.ReplaceAll(text, "](", "]\u200b(") // a space of no width
}

// slackMessage writes a message for Slack, with its control characters escaped and
// without its Markdown. The link is an address, which needs no markup.
func slackMessage(m message) any {
	escape := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace
	lines := []string{escape(plain(headline(m)))}
	for _, c := range shown(m.Changes) {
		lines = append(lines, "• "+escape(plain(c)))
	}
	lines = append(lines, escape(m.URL))
	return map[string]any{"text": strings.Join(lines, "\n"), "mrkdwn": false}
}

// card writes a message for Teams: an adaptive card as its workflows take it. Its texts
// are runs of rich text, in which, unlike in a TextBlock, Markdown means nothing.
func card(m message) any {
	block := func(spacing string, run map[string]any) map[string]any {
		run["type"] = "TextRun"
		return map[string]any{"type": "RichTextBlock", "spacing": spacing, "inlines": []any{run}}
	}
	body := []any{block("Default", map[string]any{"text": plain(headline(m)), "weight": "Bolder", "size": "Medium"})}
	for _, c := range shown(m.Changes) {
		body = append(body, block("None", map[string]any{"text": "• " + plain(c)}))
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

// sign sets the headers of the Standard Webhooks specification: the event's id, the
// time of the attempt, and, with a secret, the signature over both and the body.
func sign(header http.Header, secret, id string, at time.Time, body []byte) error {
	timestamp := strconv.FormatInt(at.Unix(), 10)
	header["webhook-id"] = []string{id}
	header["webhook-timestamp"] = []string{timestamp}
	if secret == "" {
		return nil
	}
	key, err := keyOf(secret)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s.%s.", id, timestamp)
	mac.Write(body)
	header["webhook-signature"] = []string{"v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	return nil
}
