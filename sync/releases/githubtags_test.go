package releases

import (
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
)

// The feed of tags has ten entries, which may all be of other products, or nightly builds.
func TestGitHubTagsOfOtherProducts(t *testing.T) {
	var b strings.Builder
	b.WriteString(`<feed xmlns="http://www.w3.org/2005/Atom">`)
	for day := range 10 {
		const entry = `<entry><link href="https://github.com/example/App/releases/tag/nightly-2026.01.%02d"/></entry>`
		fmt.Fprintf(&b, entry, day+1)
	}
	b.WriteString(`</feed>`)
	for _, tag := range []string{"", `^v(?P<version>\d+\.\d+)$`} {
		f := recipe.Feed{Kind: "github", Repo: "example/App", Source: "tags", Tag: tag}
		_, next := read(t, f, Answer{Status: 200, Body: []byte(b.String())})
		if next == nil || next.URL != "https://api.github.com/repos/example/App/tags?per_page=100" {
			t.Errorf("tag %q: next is %+v, want the tags of the API", tag, next)
		}
	}
}

// A tag that ends with a word is that of a stable release if GitHub says so, unless it is a word of pre-releases.
func TestGitHubTagsThatEndWithWords(t *testing.T) {
	tests := []struct {
		tag    string
		stable bool
	}{
		{"v1.10.0-desktop", true}, {"v1.5.0-signed", true}, {"v1.2.3-build.45", true}, {"v2.0.0-post1", true},
		{"v1.0-fixed", true}, {"v1.4.0-community", true}, {"v3.2.0-oss", true}, {"v5.0u171", true},
		{"v2.0b3", false}, {"v2.0-a.1", false}, {"v2.0-M2", false}, {"v2.0-beta", false}, {"v2.0rc1", false},
		{"v2.0-test", false}, {"v2.0-next.4", false}, {"nightly-2.0", false},
	}
	for _, tt := range tests {
		s := readAll(t, github, page(release(tt.tag, false), release("v0.1", false)))
		if r, _ := s.Newest(); (r.Version != "0.1") != tt.stable {
			t.Errorf("of %s and v0.1, %s is the newest stable release", tt.tag, r.Version)
		}
	}
	// Tags do not say it, so that version order decides.
	tags := recipe.Feed{Kind: "github", Repo: "example/App", Source: "tags"}
	s := readAll(t, tags, page(release("v2.0.0-special", false), release("v0.1", false)))
	if r, _ := s.Newest(); r.Version != "0.1" || !strings.Contains(s.Dropped[0].Reason, `"-special"`) {
		t.Errorf("of tags, %s is the newest stable release, and %v were left out", r.Version, s.Dropped)
	}
}
