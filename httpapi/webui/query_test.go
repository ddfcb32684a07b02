package webui

import (
	"strings"
	"testing"
)

func TestParseQuery(t *testing.T) {
	const badState = "A state is one of warnings, stale, failing, draft."
	const badSource = "A source is one of manual, followed, watched."
	for q, want := range map[string]titleQuery{
		"":                                    {},
		"two words":                           {Text: "two words"},
		"stale":                               {State: "stale"},
		"State:Stale fox":                     {Text: "fox", State: "stale"},
		`publisher:"Example Inc" fox`:         {Text: "fox", Publisher: "Example Inc"},
		"bundle:com.example.App":              {Bundle: "com.example.App"},
		"source:watched state:warnings":       {Source: "watched", State: "warnings"},
		"https://example.com":                 {Text: "https://example.com"},
		"publisher:":                          {Text: "publisher:"},
		`"quoted text"`:                       {Text: "quoted text"},
		`publisher:"never closed`:             {Publisher: "never closed"},
		"state:odd":                           {State: "odd", Problem: badState},
		"source:odd":                          {Source: "odd", Problem: badSource},
		"bundle:a bundle:b":                   {Bundle: "b"},
		" \t spaced \n out ":                  {Text: "spaced out"},
		`publisher:"Example Inc" source:odd2`: {Publisher: "Example Inc", Source: "odd2", Problem: badSource},
	} {
		got := parseQuery(q)
		if got != want {
			t.Errorf("%q: got %+v, want %+v", q, got, want)
		}
	}
}

// A query that is written again has the same meaning.
func TestQueryWith(t *testing.T) {
	q := parseQuery(`fox publisher:"Example Inc" bundle:a.b source:manual`)
	if got := q.With("state", "stale"); got != `fox publisher:"Example Inc" bundle:a.b source:manual state:stale` {
		t.Errorf("got %s", got)
	}
	got := parseQuery(q.With("source", ""))
	if got.Source != "" || got.Publisher != "Example Inc" || got.Text != "fox" {
		t.Errorf("got %+v", got)
	}
}

// The filters of a query that is written again are the same, unless its text looks like a filter.
func FuzzQuery(f *testing.F) {
	for _, q := range []string{`fox publisher:"Example Inc" state:stale`, `"`, `a:"b`, "source:watched"} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, q string) {
		once := parseQuery(q)
		if strings.Contains(once.Text, ":") || strings.Contains(once.Text, "stale") {
			t.Skip()
		}
		again := parseQuery(once.With("", ""))
		once.Text, again.Text = "", ""
		if again != once {
			t.Errorf("%q means %+v, and written again %+v", q, once, again)
		}
	})
}
