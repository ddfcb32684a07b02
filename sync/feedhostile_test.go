package patchsync_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A hostileFeed is a feed that wants to stop the server, or to make it add or reveal something.
type hostileFeed struct {
	name string
	feed recipe.Feed
	page page
	// says is in the one sentence that the state has about the failure. If empty, the feed does not fail.
	says string
	// proposes is the beginning of the reasons of the proposal, empty if there is none.
	proposes string
}

// hostileFeeds returns the feeds of TestHostileFeeds.
func hostileFeeds() []hostileFeed {
	const most = 2<<20 - 1000 // less than an answer may have
	fill := func(unit string) string { return strings.Repeat(unit, most/len(unit)) }
	body := func(s string) page { return page{body: []byte(s)} }
	to := func(address string) page {
		return page{status: http.StatusFound, header: http.Header{"Location": {address}}}
	}
	var versions strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&versions, "2.%d\n", i)
	}
	laughs := `<!DOCTYPE l [<!ENTITY a "ha">`
	aliases := "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
	for i := range 20 {
		laughs += fmt.Sprintf(`<!ENTITY a%d "%s">`, i, strings.Repeat(fmt.Sprintf("&a%d;", i-1), 10))
		aliases += fmt.Sprintf("a%d: &a%d [%s*a%d]\n", i+1, i+1, strings.Repeat(fmt.Sprintf("*a%d,", i), 8), i)
	}
	laughs += "]><l>&a19;</l>"
	const refused, long = "the address is not allowed", "none of its releases counts"
	text := func(match string) recipe.Feed { return recipe.Feed{Kind: "text", Match: match} }
	lines := recipe.Feed{Kind: "lines"}
	xml := recipe.Feed{Kind: "xml", Version: "//a"}
	return []hostileFeed{
		{"10 MiB of nested XML", xml, body(strings.Repeat("<a>", 10<<20/3)), "the answer is too large", ""},
		{"nested XML", xml, body(fill("<a>")), "nested more than 200 levels", ""},
		{"billion laughs", xml, body(laughs), "declares entities", ""},
		{"billion laughs of an appcast", recipe.Feed{Kind: "sparkle"}, body(laughs), "declares entities", ""},
		{"a slow expression", text(`(?s)x.*y|x`), body(fill("x")), "match takes too long", ""},
		{"an expression with nested repetitions", text(`(x+x+)+y`), body(fill("x")), "match finds no version", ""},
		{"a path over a huge array", recipe.Feed{Kind: "json", Items: "$..[?@ == @]", Version: "$.v"},
			body("[" + fill("[[1]],") + "1]"), "the answer has more than 250000 values", ""},
		{"a path that multiplies", recipe.Feed{Kind: "json", Version: "$..*..*..*..v"},
			body("[" + strings.Repeat(strings.Repeat("[", 150)+strings.Repeat("]", 150)+",", 700) + "1]"),
			"visit too much of the answer", ""},
		{"YAML aliases", recipe.Feed{Kind: "electron"}, body(aliases + "version: *a20\n"), "alias", ""},
		{"a redirect into a private network", lines, to("https://10.1.2.3/feed"), refused, ""},
		{"a redirect to this machine", lines, to("https://localhost/feed"), refused, ""},
		{"a redirect that is read, into a private network",
			recipe.Feed{Kind: "redirect", Match: `App-(\d+)`}, to("https://192.168.1.1/"), refused, ""},
		{"a further request into a private network", lines, body("more https://[fd00::1]/"), refused, ""},
		{"a redirect to another host", lines, to("https://thief.example/"), "401 Unauthorized", ""},
		{"an endless feed", lines, body("more https://vendor.example/14"), "more than 5 requests", ""},
		{"10,000 new versions", lines, body(versions.String()), "", "more versions, which are older than these"},
		{"a version of 1 MiB", text(`[\d.]+`), body(strings.Repeat("9.", 1<<19) + "9"), long, ""},
		{"a version of 1 MiB in JSON", recipe.Feed{Kind: "json", Version: "$"},
			body(`"` + strings.Repeat("9", 1<<20) + `"`), long, ""},
		{"another form", lines, body("999999999.0"), "", "begins with a much higher number"},
	}
}

// reasons returns the reasons of the proposals of a title, whose versions are at most 50.
func (s *server) reasons(id string) string {
	s.t.Helper()
	var all []string
	for p := range s.sync.Watches().Proposals() {
		if p.Title != id {
			continue
		}
		all = append(all, p.Reasons...)
		if len(p.Versions) > 50 {
			s.t.Errorf("%s: %d versions are proposed", id, len(p.Versions))
		}
	}
	return strings.Join(all, ". ")
}

// Hostile feeds stop nothing and add nothing without a person. The state of each says in a sentence why it fails, and a
// feed that is not hostile is followed at the same time.
func TestHostileFeeds(t *testing.T) {
	w := newWorld(t)
	all := hostileFeeds()
	s := open(t, newStore(), w, withLines(patchsync.Options{
		FeedTokens: []patchsync.FeedToken{token("vendor.example", "", "hunter22")},
	}))
	w.lines(feedURL, "1.1", "1.0")
	s.watch("Good", lineWatch(feedURL), "1.0")
	w.put("https://thief.example/", page{status: http.StatusUnauthorized, body: []byte("Bearer hunter22")})
	for i, h := range all {
		id := fmt.Sprint("T", i)
		h.feed.URL = fmt.Sprint("https://vendor.example/", i)
		w.put(h.feed.URL, h.page)
		s.create(application(t, id, "1.0"))
		opts := patchsync.WatchOptions{Trusted: true}
		if err := s.sync.Watches().Set(t.Context(), id, recipe.Watch{Feed: h.feed}, opts); err != nil {
			t.Fatalf("%s: %v", h.name, err)
		}
	}
	began := time.Now()
	defer run(t, s)()
	eventually(t, "the feed that is not hostile", func() bool { return s.version("Good") == "1.1" })
	for i, h := range all {
		id := fmt.Sprint("T", i)
		eventually(t, h.name, func() bool { return !s.watchState(id).LastAttempt.IsZero() })
		state := s.watchState(id)
		if got := state.LastError; got == "" != (h.says == "") || !strings.Contains(got, h.says) ||
			len(got) > 600 || strings.ContainsAny(got, "\r\n") || strings.Contains(got, "hunter22") {
			t.Errorf("%s: the state says %.700q, want %q", h.name, got, h.says)
		}
		expect(t, h.name+": versions", s.versions(id), "1.0")
		reasons := s.reasons(id)
		if reasons == "" != (h.proposes == "") || !strings.Contains(reasons, h.proposes) {
			t.Errorf("%s: the reasons are %.500q, want %q", h.name, reasons, h.proposes)
		}
	}
	t.Logf("%d feeds took %v", len(all), time.Since(began).Round(time.Millisecond))
	if sent := w.sentTokens(); !strings.Contains(sent, "https://thief.example/=;") ||
		strings.Contains(sent, "https://thief.example/=Bearer") {
		t.Errorf("the tokens were sent to %s", sent)
	}
}
