package patchsync_test

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	patchsync "github.com/patchsource/patchsource/sync"
)

// token returns a token for release feeds.
func token(host, owner, value string) patchsync.FeedToken {
	return patchsync.FeedToken{Host: host, Owner: owner, Token: func() (string, error) { return value, nil }}
}

// sentTokens returns the addresses that were asked, each with the value of the Authorization header, in order.
func (w *world) sentTokens() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []string
	for address, requests := range w.log {
		for _, r := range requests {
			all = append(all, address+"="+r.Header.Get("Authorization"))
		}
	}
	slices.Sort(all)
	return strings.Join(all, "; ")
}

// try reads a feed through a world.
func try(t *testing.T, w *world, opts patchsync.Options, f recipe.Feed, trusted bool) (patchsync.Trial, error) {
	t.Helper()
	s := open(t, newStore(), w, withLines(opts))
	return s.sync.Watches().Try(t.Context(), f, nil, trusted)
}

// A token is sent to its host, for watches that are trusted, and never elsewhere.
func TestFeedTokens(t *testing.T) {
	const (
		api = "https://api.github.com/repos/octocat/App/releases/latest"
		web = "https://github.com/octocat/App/releases/latest"
		url = "https://vendor.example/a"
	)
	vendor := []patchsync.FeedToken{token("vendor.example", "", "t")}
	both := append(slices.Clone(vendor), token("other.example", "", "o"))
	hub := []patchsync.FeedToken{token("github.com", "", "t")}
	owners := append(slices.Clone(hub), token("github.com", "Octocat", "o"))
	github := recipe.Feed{Kind: "github", Repo: "octocat/App"}
	lines := recipe.Feed{Kind: "lines", URL: url}
	for _, c := range []struct {
		name      string
		tokens    []patchsync.FeedToken
		feed      recipe.Feed
		untrusted bool
		private   bool
		page      string            // the answer of the feed
		redirects map[string]string // addresses
		want      string            // of authorizations
		err       string
	}{
		{name: "none", feed: github, want: web + "="},
		{name: "of GitHub", tokens: hub, feed: github, want: api + "=Bearer t"},
		{name: "of its API", tokens: []patchsync.FeedToken{token("API.github.com", "", "t")}, feed: github,
			want: api + "=Bearer t"},
		{name: "a whole header", tokens: []patchsync.FeedToken{token("github.com", "", "Basic t")}, feed: github,
			want: api + "=Basic t"},
		{name: "not trusted", tokens: owners,
			feed: github, untrusted: true, want: web + "="},
		{name: "of the owner", tokens: owners,
			feed: github, want: api + "=Bearer o"},
		{name: "of another owner", tokens: []patchsync.FeedToken{token("github.com", "octo", "t")}, feed: github,
			want: web + "="},
		{name: "of a page", tokens: vendor, feed: lines,
			want: url + "=Bearer t"},
		{name: "of another host", tokens: []patchsync.FeedToken{token("example", "", "t")}, feed: lines,
			want: url + "="},
		{name: "over http", tokens: vendor,
			feed: recipe.Feed{Kind: "lines", URL: "http://vendor.example/a"}, err: "over https only"},
		{name: "over http in a lab", tokens: vendor, private: true,
			feed: recipe.Feed{Kind: "lines", URL: "http://vendor.example/a"}, want: "http://vendor.example/a=Bearer t"},
		{name: "after a redirect", tokens: both,
			feed: lines, redirects: map[string]string{url: "https://other.example/b"},
			want: "https://other.example/b=; " + url + "=Bearer t"},
		{name: "in further requests", tokens: vendor,
			feed: lines, page: "more " + url + "2", redirects: map[string]string{url + "2": "https://other.example/b"},
			want: "https://other.example/b=; " + url + "2=Bearer t; " + url + "=Bearer t"},
		{name: "in a further request to another host and back",
			tokens: both,
			feed:   lines, page: "more https://other.example/more",
			want: "https://other.example/more=; " + url + "3=; " + url + "=Bearer t"},
		{name: "echoed", tokens: []patchsync.FeedToken{token("vendor.example", "", "hunter22")},
			feed: recipe.Feed{Kind: "text", URL: url, Match: "version ([0-9]+)"}, page: "Bearer hunter22",
			want: url + "=Bearer hunter22", err: "REDACTED"},
		{name: "empty", tokens: []patchsync.FeedToken{token("vendor.example", "", " \n")}, feed: lines,
			err: "is empty"},
		{name: "two lines", tokens: []patchsync.FeedToken{token("vendor.example", "", "hunter22\nhunter22")},
			feed: lines, err: "not a valid Authorization header"},
		{name: "unreadable", tokens: []patchsync.FeedToken{{Host: "vendor.example", Token: func() (string, error) {
			return "", &fs.PathError{Op: "open", Path: "/secret/path", Err: fs.ErrPermission}
		}}}, feed: lines, err: "the token for vendor.example cannot be read: permission denied"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.page == "" {
				c.page = "1.0"
			}
			w.lines(url, c.page)
			w.lines("http://vendor.example/a", c.page)
			w.lines("https://other.example/b", "1.0")
			w.lines("https://other.example/more", "more "+url+"3")
			w.lines(url+"3", "1.0")
			w.put(api, page{body: []byte(`{"tag_name": "v1.0"}`)})
			w.put(web, page{
				status: 302,
				header: http.Header{"Location": {"https://github.com/octocat/App/releases/tag/v1.0"}},
			})
			for from, to := range c.redirects {
				w.put(from, page{status: 302, header: http.Header{"Location": {to}}})
			}
			opts := patchsync.Options{FeedTokens: c.tokens, AllowPrivateNetworks: c.private}
			_, err := try(t, w, opts, c.feed, !c.untrusted)
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if err != nil && strings.Contains(err.Error(), "hunter22") {
				t.Errorf("the error contains the token: %v", err)
			}
			if got := w.sentTokens(); got != c.want {
				t.Errorf("requests %q, want %q", got, c.want)
			}
		})
	}
}

// Tokens are checked when the Runner is made.
func TestFeedTokensAreChecked(t *testing.T) {
	for _, bad := range []patchsync.FeedToken{
		token("", "", "t"), token("https://github.com", "", "t"), {Host: "github.com"},
	} {
		st := newStore()
		opts := &patchsync.Options{FeedTokens: []patchsync.FeedToken{bad}}
		if _, err := patchsync.New(openCatalog(t, st), st, opts); err == nil {
			t.Errorf("token %q: no error", bad.Host)
		}
	}
}

// A request has the method and the headers that its feed asks for, and else the own User-Agent.
func TestFeedRequests(t *testing.T) {
	const url = "https://vendor.example/a"
	for _, c := range []struct {
		name            string
		feed            recipe.Feed
		method          string
		agent, referrer string
	}{
		{"nothing", recipe.Feed{}, "GET", "patchsource (+", ""},
		{"a browser", recipe.Feed{UserAgent: "browser"}, "GET", "Mozilla/5.0 (Macintosh", ""},
		{"curl", recipe.Feed{UserAgent: "curl"}, "GET", "curl/", ""},
		{"a text", recipe.Feed{UserAgent: "Updater/1"}, "GET", "Updater/1", ""},
		{"a page", recipe.Feed{Referer: "https://vendor.example/"}, "GET", "patchsource (+", "https://vendor.example/"},
		{"a method", recipe.Feed{Method: "POST"}, "POST", "patchsource (+", ""},
	} {
		w := newWorld(t)
		w.put(url, page{body: []byte("version 1.0")})
		c.feed.Kind, c.feed.URL, c.feed.Match = "text", url, "version ([0-9.]+)"
		if _, err := try(t, w, patchsync.Options{}, c.feed, false); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		r := w.log[url][0]
		if r.Method != c.method || !strings.HasPrefix(r.UserAgent(), c.agent) || r.Referer() != c.referrer {
			t.Errorf("%s: %s with the User-Agent %q and the Referer %q", c.name, r.Method, r.UserAgent(), r.Referer())
		}
	}
}

// A redirect that is the answer is not followed, and its body not read.
func TestFeedRedirect(t *testing.T) {
	const url = "https://vendor.example/latest"
	w := newWorld(t)
	w.put(url, page{
		status: 302,
		header: http.Header{"Location": {"/App-2.1.dmg"}},
		body:   make([]byte, 3<<20),
	})
	feed := recipe.Feed{Kind: "redirect", URL: url, Match: `App-([0-9.]+)\.dmg`}
	trial, err := try(t, w, patchsync.Options{}, feed, false)
	if err != nil || len(trial.Selection.Releases) != 1 || trial.Selection.Releases[0].Version != "2.1" {
		t.Errorf("%+v, %v", trial.Selection.Releases, err)
	}
	expect(t, "requests", w.requests("https://"), 1)
}

// What a feed makes the server ask for is bounded, and never leads into a private network or from https to http.
func TestFeedsAreBounded(t *testing.T) {
	const url = "https://vendor.example/"
	for _, c := range []struct {
		name, page, err string
		requests        int
	}{
		{"too many answers", "more " + url, "more than 5 requests", 5},
		{"a private network", "more https://10.0.0.1/", "the address is not allowed", 1},
		{"this machine", "more https://localhost/", "the address is not allowed", 1},
		{"metadata of a cloud", "more https://169.254.169.254/", "the address is not allowed", 1},
		{"http", "more http://vendor.example/", "from https at an http address", 1},
		{"a file", "more file:///etc/passwd", "must begin with https://", 1},
		{"a password", "more https://u:hunter22@vendor.example/", "user name or a password", 1},
		{"too many bytes", strings.Repeat("x", 2<<20+1), "the answer is too large", 1},
	} {
		w := newWorld(t)
		w.lines(url, c.page)
		_, err := try(t, w, patchsync.Options{}, recipe.Feed{Kind: "lines", URL: url}, false)
		var failure *patchsync.FeedError
		if !errors.As(err, &failure) || !strings.Contains(err.Error(), c.err) ||
			strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: error %v, want %q", c.name, err, c.err)
		}
		expect(t, c.name+": requests", w.requests(""), c.requests)
	}
}

// Redirects that are followed are checked too.
func TestFeedsThatRedirect(t *testing.T) {
	const url = "https://vendor.example/"
	for to, want := range map[string]string{
		"http://127.0.0.1/":                "the address is not allowed",
		"https://[::1]/":                   "the address is not allowed",
		"https://2130706433/":              "the address is not allowed",
		"http://vendor.example/":           "from https to http",
		"https://router.local/?t=hunter22": "the address is not allowed",
	} {
		w := newWorld(t)
		w.put(url, page{status: 302, header: http.Header{"Location": {to}}})
		_, err := try(t, w, patchsync.Options{}, recipe.Feed{Kind: "lines", URL: url}, false)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: error %v, want %q", to, err, want)
		}
		expect(t, to+": requests", w.requests(""), 1)
	}
}

// A server that limits requests says when to ask again.
func TestFeedLimits(t *testing.T) {
	const url = "https://api.github.com/repos/o/r/releases?per_page=10"
	date := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	reset := fmt.Sprint(date.Add(17 * time.Minute).Unix())
	limit := func(name, remaining, reset string) http.Header {
		return http.Header{
			name + "-Remaining": {remaining},
			name + "-Reset":     {reset},
			"Date":              {date.Format(http.TimeFormat)},
		}
	}
	for _, c := range []struct {
		name   string
		status int
		header http.Header
		wait   time.Duration
		says   string
	}{
		{"Retry-After", 429, http.Header{"Retry-After": {"90"}}, 90 * time.Second, "limit of requests"},
		{"Retry-After of a secondary limit", 403, http.Header{"Retry-After": {"60"}}, time.Minute, "403 Forbidden"},
		{"GitHub's limit", 403, limit("X-Ratelimit", "0", reset),
			17 * time.Minute, "limit of requests"},
		{"GitHub's limit with 429", 429, limit("X-Ratelimit", "0", reset),
			17 * time.Minute, "limit of requests"},
		{"a number of seconds", 429, limit("Ratelimit", "0", "30"), 30 * time.Second, "limit of requests"},
		{"a limit that is far away", 429, limit("X-Ratelimit", "0", "99999999999"), 24 * time.Hour, ""},
		{"a limit that has passed", 429, limit("X-Ratelimit", "0", "1500000000"), 0, ""},
		{"another refusal", 403, limit("X-Ratelimit", "12", reset),
			0, "403 Forbidden"},
		{"no repository", 404, nil, 0, "does not exist"},
	} {
		w := newWorld(t)
		w.put(url, page{status: c.status, header: c.header})
		_, err := try(t, w, patchsync.Options{}, recipe.Feed{Kind: "github", Repo: "o/r", Prereleases: true}, false)
		var failure *patchsync.FeedError
		if !errors.As(err, &failure) || failure.Status != c.status || failure.RetryAfter != c.wait ||
			!strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, wait %v, want %v", c.name, err, failure.RetryAfter, c.wait)
		}
	}
}

// Feeds with one request are asked once, whoever made the watches, unless the requests have different tokens.
func TestFeedsThatShareARequest(t *testing.T) {
	w := newWorld(t)
	w.lines(feedURL, "1.0")
	s := open(t, newStore(), w, withLines(patchsync.Options{}))
	for i, trusted := range []bool{true, false} {
		id := fmt.Sprint("T", i)
		s.create(application(t, id, "1.0"))
		opts := patchsync.WatchOptions{Trusted: trusted}
		if err := s.sync.Watches().Set(t.Context(), id, lineWatch(feedURL), opts); err != nil {
			t.Fatal(err)
		}
	}
	defer run(t, s)()
	eventually(t, "both checks", func() bool { return s.sync.Watches().Counts().Succeeded == 2 })
	expect(t, "requests", w.requests(feedURL), 1)
}
