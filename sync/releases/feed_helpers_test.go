package releases_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

const feedURL = "https://vendor.example/feed"

// newKinds returns the built-in kinds.
func newKinds(t testing.TB) *releases.Kinds {
	t.Helper()
	kinds, err := releases.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

// with returns a feed whose address is feedURL if it has none.
func with(f recipe.Feed) recipe.Feed {
	if f.URL == "" && f.Kind != "preset" {
		f.URL = feedURL
	}
	return f
}

// read checks a feed, reads a body, and returns the selected releases as text, the newest first: the version, the build
// in brackets, the day and the minimum macOS version, separated by commas. An error is the text "error: …".
func read(t testing.TB, f recipe.Feed, body string) string {
	t.Helper()
	return readAnswer(t, f, releases.Answer{Status: 200, Body: []byte(body)})
}

func readAnswer(t testing.TB, f recipe.Feed, a releases.Answer) string {
	t.Helper()
	f = with(f)
	kinds := newKinds(t)
	if err := kinds.Check(recipe.Watch{Feed: f}); err != nil {
		t.Fatalf("Check(%+v): %v", f, err)
	}
	found, next, err := kinds.Read(f, a)
	if err != nil {
		if !errors.Is(err, releases.ErrUnreadable) {
			t.Errorf("Read(%+v) = %v, which is not ErrUnreadable", f, err)
		}
		return "error: " + err.Error()
	}
	if next != nil {
		return "next: " + next.URL
	}
	var out []string
	for _, r := range releases.Select(f, found).Releases {
		out = append(out, describe(r))
	}
	return strings.Join(out, ", ")
}

func describe(r recipe.Release) string {
	s := r.Version
	if r.Build != "" {
		s += fmt.Sprintf(" (%s)", r.Build)
	}
	if !r.Date.IsZero() {
		s += " " + r.Date.Format("2006-01-02")
	}
	if r.MinOS != "" {
		s += " macOS " + r.MinOS
	}
	if r.Rollout != 1 {
		s += fmt.Sprintf(" %.0f%%", 100*r.Rollout)
	}
	return s
}

// failures checks a feed and returns its failures as text.
func failures(t *testing.T, f recipe.Feed) string {
	t.Helper()
	err := newKinds(t).Check(recipe.Watch{Feed: with(f)})
	if err == nil {
		return ""
	}
	var v *patch.ValidationError
	if !errors.As(err, &v) {
		t.Fatalf("Check(%+v) = %v, which is no *patch.ValidationError", f, err)
	}
	var out []string
	for _, failure := range v.Failures {
		out = append(out, failure.String())
	}
	return strings.Join(out, "\n")
}

// A feedTest is a feed, a body, and what read returns, or its beginning if it is an error.
type feedTest struct {
	name string
	feed recipe.Feed
	body string
	want string
}

func runFeedTests(t *testing.T, tests []feedTest) {
	t.Helper()
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := read(t, tt.feed, tt.body)
			if got != tt.want && !(strings.HasPrefix(tt.want, "error:") && strings.HasPrefix(got, tt.want)) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
