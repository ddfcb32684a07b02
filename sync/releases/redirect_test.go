package releases_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// redirected returns an answer that redirects to a location.
func redirected(location string, pages int) releases.Answer {
	return releases.Answer{
		URL: feedURL, Status: http.StatusFound, Pages: pages, Header: http.Header{"Location": {location}},
	}
}

func TestRedirect(t *testing.T) {
	match := func(expr string) recipe.Feed { return recipe.Feed{Kind: "redirect", Match: expr} }
	dmg := match(`/App[ _-]?(?:%20)?v?(?P<version>\d+(?:\.\d+)+)\.dmg`)
	header := func(name, value string) releases.Answer {
		return releases.Answer{Status: http.StatusOK, Header: http.Header{name: {value}}}
	}
	metadata := match(`(?P<version>\d+(?:\.\d+)+)`)
	metadata.Header = "x-vendor-meta-version"
	head := dmg
	head.Method = "HEAD"
	form := match(`/prod/(?P<version>\d+\.\d+\.\d+)\.(?P<build>\d+)/`)
	form.As = "{version} ({build})"
	for _, tt := range []struct {
		name   string
		feed   recipe.Feed
		answer releases.Answer
		want   string
	}{
		{"a signed location, whose query changes each time", dmg,
			redirected("https://cdn.example/App-1.2.3.dmg?signature=4.5.6", 0), "1.2.3"},
		{"an escaped location", dmg, redirected("https://cdn.example/App%201.2.3.dmg", 0), "1.2.3"},
		{"a relative location", match(`^https://vendor\.example/dl/App-(?P<version>[\d.]+)\.dmg`),
			redirected("/dl/App-2.0.dmg", 0), "2.0"},
		{"a version, a build and a form", form, redirected("https://cdn.example/prod/6.1.0.4455/App.pkg", 0),
			"6.1.0 (4455) (4455)"},
		{"a location without a version is followed", dmg, redirected("https://cdn.example/latest?token=a", 0),
			"next: https://cdn.example/latest?token=a"},
		{"the fifth hop", dmg, redirected("https://cdn.example/latest", 4), "next: https://cdn.example/latest"},
		{"too many hops", dmg, redirected("https://cdn.example/latest?token=secret", 5),
			`error: match finds no version in 6 redirects, of which the last one is to "https://cdn.example/latest"`},
		{"a version after several hops", dmg, redirected("https://cdn.example/App-3.0.dmg", 5), "3.0"},
		{"a file name", match(`App-(?P<version>[\d.]+)\.dmg`),
			header("Content-Disposition", `attachment; filename="App-4.0.dmg"`), "4.0"},
		{"an encoded file name", match(`^App (?P<version>[\d.]+)\.dmg`),
			header("Content-Disposition", `attachment; filename*=UTF-8''App%204.1.dmg`), "4.1"},
		{"another header", metadata, header("X-Vendor-Meta-Version", "5.0 (build 3)"), "5.0"},
		{"a redirect before the header", metadata, redirected("https://cdn.example/App-9.9.dmg", 0),
			"next: https://cdn.example/App-9.9.dmg"},
		{"no such header", metadata, header("Etag", "5.0"), "error: the answer has no header x-vendor-meta-version"},
		{"no redirect", dmg, header("Content-Type", "text/html"),
			"error: the server does not redirect: it answered 200 OK"},
		{"a file name without a version", dmg, header("Content-Disposition", `attachment; filename="App.dmg"`),
			`error: match finds no version in the file name of the answer, "App.dmg"`},
		{"a server that refuses GET", dmg, releases.Answer{Status: http.StatusMethodNotAllowed},
			"error: the server answered 405 Method Not Allowed"},
		{"a server that refuses HEAD", head, releases.Answer{Status: http.StatusMethodNotAllowed},
			"error: the server answered 405 Method Not Allowed to HEAD: try the method GET"},
		{"a header of a recorded answer", dmg, releases.Answer{
			Status: http.StatusFound, Header: http.Header{"location": {"https://cdn.example/App-1.2.dmg"}},
		}, "1.2"},
		{"an address that is not of HTTP", dmg, redirected("ftp://cdn.example/latest", 0),
			`error: the server redirects to "ftp://cdn.example/latest", which is no address of HTTP`},
		{"from https to http", dmg, redirected("http://cdn.example/latest", 0),
			`error: the server redirects from https to "http://cdn.example/latest", and match finds no version in it`},
		{"from https to http, with the version", dmg, redirected("http://cdn.example/App-6.0.dmg", 0), "6.0"},
		{"an invalid address", dmg, redirected("https://cdn.example:x/%zz", 0),
			"error: the server redirects to an invalid address"},
		{"user info is not sent", dmg, redirected("https://user:password@cdn.example/latest", 0),
			"next: https://cdn.example/latest"},
		{"an endless location", dmg, redirected("https://cdn.example/"+strings.Repeat("a", 1<<20), 5),
			"error: match finds no version in 6 redirects"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := readAnswer(t, tt.feed, tt.answer)
			if got != tt.want && !(strings.HasPrefix(tt.want, "error:") && strings.HasPrefix(got, tt.want)) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if strings.Contains(got, "secret") {
				t.Errorf("%s has a secret of the query", got)
			}
		})
	}
}

// Servers that refuse HEAD answer GET, of which the header is read only.
func TestRedirectRequest(t *testing.T) {
	f := recipe.Feed{
		Kind: "redirect", URL: feedURL, Match: `\d+`, UserAgent: "browser", Referer: "https://vendor.example/",
	}
	r, err := newKinds(t).Request(f, false)
	if err != nil {
		t.Fatal(err)
	}
	if r.Method != "" || !r.Once || !r.HeaderOnly || r.Header.Get("Referer") == "" {
		t.Errorf("got %+v", r)
	}
	_, next, err := newKinds(t).Read(f, redirected("https://cdn.example/latest", 0))
	if err != nil || next == nil {
		t.Fatalf("Read = %v, %v", next, err)
	}
	if next.URL != "https://cdn.example/latest" || !next.Once || !next.HeaderOnly || next.Header.Get("Referer") != "" ||
		!strings.HasPrefix(next.Header.Get("User-Agent"), "Mozilla/") {
		t.Errorf("the next request is %+v", next)
	}
}

func TestRedirectCheck(t *testing.T) {
	got := failures(t, recipe.Feed{Kind: "redirect"})
	if want := "/feed/match: is missing"; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
}
