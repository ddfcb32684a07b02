package webhook

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// Messages for people lead to the page, if there is one; events for programs to the
// definition, as Patch Server's did.
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
			t.Errorf("%+v: %s", c, text)
		}
	}
}

// Patch Server's webhooks have the version under a name with a colon: its receivers look
// for that, and those that were written after its documentation for the other.
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
		t.Errorf("%s", body)
	}
}

// What strangers have named means nothing in a message to people: no link, no markup, no
// line of its own.
func TestMessagesHaveNoMarkupOfStrangers(t *testing.T) {
	const evil = "[Click](https://evil.example/login) <https://evil.example|x> **b** _i_ `c` <!channel> & <b>\n- a line"
	n := &catalog.Notice{Kind: catalog.Updated, Changes: []string{evil}}
	n.Title = patch.Summary{ID: "App", Name: evil, CurrentVersion: evil}
	for _, format := range []Format{Slack, Teams} {
		body, err := renderer{site: "https://p.example.com"}.body(format, n)
		if err != nil {
			t.Fatal(err)
		}
		var got struct {
			Text        string
			Mrkdwn      *bool
			Attachments []struct {
				Content struct {
					Body []struct {
						Type    string
						Inlines []struct{ Type, Text string }
					}
				}
			}
		}
		if err := json.Unmarshal(body, &got); err != nil {
			t.Fatal(err)
		}
		var texts []string
		switch format {
		case Slack:
			if got.Mrkdwn == nil || *got.Mrkdwn || strings.ContainsAny(got.Text, "<>") {
				t.Errorf("Slack takes it for markup: %s", body)
			}
			texts = strings.Split(got.Text, "\n")[:2]
			if n := strings.Count(got.Text, "\n"); n != 2 { // the headline, the change, the link
				t.Errorf("%d lines: %q", n+1, got.Text)
			}
		case Teams:
			for _, block := range got.Attachments[0].Content.Body {
				if block.Type != "RichTextBlock" || len(block.Inlines) != 1 || block.Inlines[0].Type != "TextRun" {
					t.Fatalf("Teams takes it for Markdown: %s", body)
				}
				texts = append(texts, block.Inlines[0].Text)
			}
		}
		if len(texts) != 2 {
			t.Errorf("%q", texts)
		}
		for _, text := range texts {
			if strings.Contains(text, "](") || strings.Contains(text, "\n") || !strings.Contains(text, "Click") {
				t.Errorf("%s: %q", format, text)
			}
		}
	}
}
