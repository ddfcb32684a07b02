package webhook

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// The links in messages for people lead to the web page, if it is served. Those in events for programs lead to the
// definition, as Patch Server's do.
func TestLinks(t *testing.T) {
	for _, c := range []struct {
		format Format
		page   bool
		kind   catalog.EventKind
		want   string
	}{
		{JSON, true, catalog.Updated, "https://p.example.com/jamf/v1/patch/App"},
		{JSON, false, catalog.Deleted, "https://p.example.com/jamf/v1/patch/App"},
		{Slack, false, catalog.Updated, "https://p.example.com/jamf/v1/patch/App"},
		{Slack, true, catalog.Created, "https://p.example.com/titles/App"},
		{Slack, true, catalog.Updated, "https://p.example.com/titles/App"},
		{Slack, true, catalog.Deleted, "https://p.example.com/"},
		{Teams, true, catalog.Updated, "https://p.example.com/titles/App"},
		{Teams, true, testKind, "https://p.example.com/"},
		{Slack, true, WatchFailed, "https://p.example.com/titles/App"},
		{JSON, true, VersionProposed, "https://p.example.com/jamf/v1/patch/App"},
	} {
		r := renderer{site: "https://p.example.com", page: c.page}
		n := &catalog.Notice{}
		n.Kind, n.Title = c.kind, patch.Summary{ID: "App", Name: "App"}
		body, err := r.body(c.format, n)
		if err != nil {
			t.Fatal(err)
		}
		text := string(body)
		_, rest, _ := strings.Cut(text, "https://p.example.com")
		link := "https://p.example.com" + rest[:strings.IndexAny(rest, `"|`)]
		if link != c.want {
			t.Errorf("%s of kind %s, page %v: link %s, want %s", c.format, c.kind, c.page, link, c.want)
		}
	}
}

// Patch Server sends the version in a member whose name has a colon, which its receivers read. Receivers that follow
// its documentation read the other name.
func TestVersionUnderBothNames(t *testing.T) {
	n := &catalog.Notice{Kind: catalog.Created, Title: patch.Summary{ID: "App", CurrentVersion: "1.2"}}
	body, err := renderer{}.body(JSON, n)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got["version"] != "1.2" || got["version:"] != "1.2" {
		t.Errorf("body %s", body)
	}
}

// A teamsMessage is a message for Teams, as far as the test reads it.
type teamsMessage struct {
	Attachments []struct {
		Content struct {
			Body []struct {
				Type    string
				Inlines []struct{ Type, Text string }
			}
		}
	}
}

// The texts of authors are not markup in a message for people: they create no link, no formatting and no line.
func TestMessagesContainNoMarkup(t *testing.T) {
	const evil = "[Click](https://evil.example/login) <https://evil.example|x> **b** _i_ `c` <!channel> & <b>\n- a line"
	n := &catalog.Notice{Kind: catalog.Updated, Changes: []string{evil}}
	n.Title = patch.Summary{ID: "App", Name: evil, CurrentVersion: evil}
	render := func(format Format, message any) []byte {
		t.Helper()
		body, err := renderer{site: "https://p.example.com"}.body(format, n)
		if err == nil {
			err = json.Unmarshal(body, message)
		}
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	var slack struct {
		Text   string
		Mrkdwn *bool
	}
	body := render(Slack, &slack)
	if slack.Mrkdwn == nil || *slack.Mrkdwn || strings.ContainsAny(slack.Text, "<>") {
		t.Errorf("Slack reads this as markup: %s", body)
	}
	lines := strings.Split(slack.Text, "\n")
	if len(lines) != 3 {
		t.Fatalf("Slack: %d lines, want the headline, the change and the link: %q", len(lines), slack.Text)
	}
	checkPlainTexts(t, Slack, lines[:2])

	var teams teamsMessage
	body = render(Teams, &teams)
	var texts []string
	for _, block := range teams.Attachments[0].Content.Body {
		if block.Type != "RichTextBlock" || len(block.Inlines) != 1 || block.Inlines[0].Type != "TextRun" {
			t.Fatalf("Teams reads this as Markdown: %s", body)
		}
		texts = append(texts, block.Inlines[0].Text)
	}
	checkPlainTexts(t, Teams, texts)
}

// A message for people about an announcement says what happened, below a headline.
func TestAnnouncementsForPeople(t *testing.T) {
	n := &catalog.Notice{Changes: []string{"The feed answered 404."}}
	n.Title = patch.Summary{ID: "App", Name: "Tool", CurrentVersion: "2"}
	for kind, headline := range map[catalog.EventKind]string{
		WatchFailed:     "The release feed of Tool needs attention",
		WatchRecovered:  "The release feed of Tool is well again",
		VersionProposed: "Version 2 of Tool waits for approval",
	} {
		n.Kind = kind
		for _, format := range []Format{Slack, Teams} {
			body, err := renderer{site: "https://p.example.com"}.body(format, n)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{headline, "The feed answered 404."} {
				if !strings.Contains(string(body), text) {
					t.Errorf("%s of kind %s lacks %q: %s", format, kind, text, body)
				}
			}
		}
	}
}

// checkPlainTexts checks that the headline and the change of a message contain no link and no line break.
func checkPlainTexts(t *testing.T, format Format, texts []string) {
	t.Helper()
	if len(texts) != 2 {
		t.Errorf("%s: texts %q, want 2", format, texts)
	}
	for _, text := range texts {
		if strings.Contains(text, "](") || strings.Contains(text, "\n") || !strings.Contains(text, "Click") {
			t.Errorf("%s: text %q", format, text)
		}
	}
}
