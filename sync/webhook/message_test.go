package webhook

import (
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
		w := &Service{site: "https://p.example.com", page: c.page}
		n := &catalog.Notice{}
		n.Kind, n.Title = c.kind, patch.Summary{ID: "App", Name: "App"}
		h := &hook{}
		h.Format = c.format
		body, err := w.body(h, n)
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
