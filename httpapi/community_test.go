package httpapi_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A box is a mailer that keeps what it is given.
type box struct {
	mu    sync.Mutex
	mails []mail.Message
	fail  error
}

func (b *box) Send(_ context.Context, m mail.Message) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return b.fail
	}
	b.mails = append(b.mails, m)
	return nil
}

func (b *box) last(t *testing.T) mail.Message {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.mails) == 0 {
		t.Fatal("no mail")
	}
	return b.mails[len(b.mails)-1]
}

func tokenIn(m mail.Message) string { return regexp.MustCompile(`pst_[A-Z2-7]{59}`).FindString(m.Text) }

// A public bench has the public service.
type public struct {
	*bench
	box  *box
	comm *community.Service
	sync *patchsync.Runner
	// outside is what there is elsewhere, by URL: a string, or a status.
	outside *outside
}

// An outside is the world without a network.
type outside struct{ pages sync.Map }

// RoundTrip implements http.RoundTripper.
func (o *outside) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	switch page, _ := o.pages.Load(r.URL.String()); page := page.(type) {
	case string:
		_, _ = io.WriteString(w, page)
	case int:
		w.WriteHeader(page)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	res := w.Result()
	res.Request = r
	return res, nil
}

func newPublic(t *testing.T, opts httpapi.Options) *public {
	t.Helper()
	s := memstore.New()
	p := &public{bench: newBench(t, s), box: &box{}, outside: &outside{}}
	secret, _, err := auth.LoadSecret(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	if p.sync, err = patchsync.New(p.cat, s, &patchsync.Options{Transport: p.outside, Mirrors: []patchsync.Mirror{{Name: "mirror", Source: patchsync.PatchSource("https://mirror.example", nil)}}}); err != nil {
		t.Fatal(err)
	}
	p.comm, err = community.Open(
		t.Context(),
		community.Parts{
			Store:   s,
			Catalog: p.cat,
			Tokens:  p.auth,
			Mailer:  p.box,
			Secret:  secret,
			Fetcher: p.sync.Fetcher(),
		},
		&community.Options{Site: "https://patches.example.com", MailsPerHour: -1},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.comm.Close() })
	opts.Tokens, opts.Community, opts.Sync, opts.Site = p.auth, services.Community(p.comm), services.Sync(p.sync), "https://patches.example.com/"
	p.handler = newHandler(t, p.cat, &opts)
	return p
}

func publish(author, address, id string) string {
	return fmt.Sprintf(`{"author_name":%q,"author_email":%q,"definition":%s}`, author, address, definition(id, "1"))
}

func TestPublishByHTTP(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	w := p.do("POST", "/api/v1/title", publish("Ann Lee", "ann@example.com", "Xcode"))
	if w.Code != 201 || !strings.Contains(w.Body.String(), `"id":"Xcode_Ann_Lee","name":"Xcode App (Ann Lee)"`) ||
		strings.Contains(w.Body.String(), "pst_") {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	token := "Bearer " + tokenIn(p.box.last(t))
	if w := p.do("POST", "/api/v1/title/Xcode_Ann_Lee/version", versionJSON("2"), "Authorization", token); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := p.do("GET", "/api/v1/titles?author=ann%20lee", ""); !strings.Contains(
		w.Body.String(),
		`"author":"Ann Lee"`,
	) ||
		strings.Contains(w.Body.String(), "mailbox") ||
		strings.Contains(w.Body.String(), "hash") {
		t.Errorf("%s", w.Body)
	}
	for _, c := range []struct {
		name, body string
		status     int
		places     string
	}{
		{"again", publish("Ann Lee", "ann@example.com", "Xcode"), 409, ""},
		{"nothing but a name", `{"author_name":"A"}`, 400, "/author_email /definition"},
		{"wrong types", `{"author_name":1,"author_email":null,"definition":"x"}`, 400, "/author_name /author_email /definition"},
		{"no author", publish("  ", "ann@example.com", "A"), 400, "/author_name"},
		{"no address", publish("A", "a@b", "A"), 400, "/author_email"},
		{"a wrong definition", strings.Replace(publish("A", "a@b.cc", "A"), `"Example"`, "7", 1), 400, "/definition/publisher"},
		{"an empty URL", `{"author_name":"A","author_email":"a@b.cc","definition_url":""}`, 400, "/definition_url"},
		{"a URL that is none", `{"author_name":"A","author_email":"a@b.cc","definition_url":7}`, 400, "/definition_url"},
		{"a URL and a definition", strings.Replace(publish("A", "a@b.cc", "A"), "{", `{"definition_url":"https://vendor.example/d.json",`, 1), 400, "/definition_url"},
	} {
		w := p.do("POST", "/api/v1/title", c.body)
		var places []string
		for _, f := range problem(t, w).Errors {
			places = append(places, f.Path)
		}
		if w.Code != c.status || strings.Join(places, " ") != c.places {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
	if w := p.do("POST", "/api/v1/title", `{"author_name":"A","author_name":"A"}`); w.Code != 400 {
		t.Errorf("no JSON: %d %s", w.Code, w.Body)
	}
	p.box.fail = fmt.Errorf("hunter2: %w", context.DeadlineExceeded)
	w = p.do("POST", "/api/v1/title", publish("Bob", "bob@example.com", "Xcode"))
	if w.Code != 502 || problem(t, w).Rest["mail_failure"] == nil || strings.Contains(w.Body.String(), "hunter2") ||
		p.cat.Len() != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPublicServiceSwitchedOff(t *testing.T) {
	b := withTokens(t)
	for _, c := range [][2]string{{"/api/v1/title", publish("Ann", "ann@example.com", "Xcode")}, {"/api/v1/title/Xcode/token", `{"author_email":"ann@example.com"}`}} {
		if w := b.do("POST", c[0], c[1]); w.Code != 403 || !strings.Contains(problem(t, w).Message, "token") {
			t.Errorf("%s: %d %s", c[0], w.Code, w.Body)
		}
	}
	if w := b.do("POST", "/api/v1/contributors/register", `{"name":"ann","email":"ann@example.com"}`); w.Code != 404 {
		t.Errorf("%d", w.Code)
	}
}

func TestTitleToken(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.create("Plain")
	if w := p.do("POST", "/api/v1/title", publish("Ann", "ann@example.com", "Xcode")); w.Code != 201 {
		t.Fatal(w.Body)
	}
	first := tokenIn(p.box.last(t))
	var answers []string
	for _, address := range []string{"stranger@example.com", "ann@example.com"} {
		w := p.do("POST", "/api/v1/title/Xcode_Ann/token", `{"author_email":"`+address+`"}`)
		answers = append(answers, fmt.Sprint(w.Code, w.Header(), w.Body))
	}
	if answers[0] != answers[1] || !strings.HasPrefix(answers[0], "202") {
		t.Errorf("%s\n%s", answers[0], answers[1])
	}
	if w := p.do("POST", "/api/v1/title/Plain/token", `{"author_email":"ann@example.com"}`); w.Code != 202 { // which nobody published
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if err := p.comm.Close(); err != nil {
		t.Fatal(err)
	}
	if len(p.box.mails) != 2 {
		t.Fatalf("%d mails", len(p.box.mails))
	}
	second := tokenIn(p.box.last(t))
	w := p.do("POST", "/api/v1/title/Xcode_Ann/token", "{}", "Authorization", "Bearer "+second)
	var body struct {
		APIToken string `json:"api_token"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, c := range []struct {
		token  string
		status int
	}{{first, 401}, {second, 401}, {body.APIToken, 204}} {
		if w := p.do("DELETE", "/api/v1/title/Xcode_Ann", "", "Authorization", "Bearer "+c.token); w.Code != c.status {
			t.Errorf("%d %s, want %d", w.Code, w.Body, c.status)
		}
	}
	for _, c := range []struct {
		path, body, token string
		status            int
	}{
		{"/api/v1/title/Nope/token", `{"author_email":"ann@example.com"}`, "", 404},
		{"/api/v1/title/Plain/token", `{"author_email":"nobody"}`, "", 400},
		{"/api/v1/title/Plain/token", `{}`, "", 400},
		{"/api/v1/title/Plain/token", `{}`, p.admin, 403},
		{"/api/v1/title/Plain/token", `{}`, "x", 401},
	} {
		header := []string{}
		if c.token != "" {
			header = []string{"Authorization", "Bearer " + c.token}
		}
		if w := p.do("POST", c.path, c.body, header...); w.Code != c.status {
			t.Errorf("%+v: %d %s", c, w.Code, w.Body)
		}
	}
}

func TestRateLimit(t *testing.T) {
	ask := func(p *public, remote, forwarded string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(
			"POST",
			"/api/v1/title/Nope/token",
			strings.NewReader(`{"author_email":"ann@example.com"}`),
		)
		r.RemoteAddr = remote
		if forwarded != "" {
			r.Header.Set("X-Forwarded-For", forwarded)
		}
		w := httptest.NewRecorder()
		p.handler.ServeHTTP(w, r)
		return w
	}
	for _, c := range []struct {
		name             string
		proxies          []string
		first, second    [2]string // address, X-Forwarded-For
		secondIsAnother  bool
		requestsAtOnceOK int
	}{
		{"one address", nil, [2]string{"192.0.2.1:1", ""}, [2]string{"192.0.2.1:2", ""}, false, 3},
		{"another address", nil, [2]string{"192.0.2.1:1", ""}, [2]string{"192.0.2.2:1", ""}, true, 3},
		{"who only says so", nil, [2]string{"192.0.2.1:1", "198.51.100.1"}, [2]string{"192.0.2.1:1", "198.51.100.2"}, false, 3},
		{"a proxy that is trusted", []string{"192.0.2.0/24"}, [2]string{"192.0.2.1:1", "198.51.100.1"}, [2]string{"192.0.2.1:1", "198.51.100.2"}, true, 3},
		{"who lies to a proxy", []string{"192.0.2.0/24"}, [2]string{"192.0.2.1:1", "1.1.1.1, 198.51.100.1"}, [2]string{"192.0.2.1:1", "2.2.2.2, 198.51.100.1"}, false, 3},
		{"one network of IPv6", nil, [2]string{"[2001:db8::1]:1", ""}, [2]string{"[2001:db8::2]:1", ""}, false, 3},
		{"another network of IPv6", nil, [2]string{"[2001:db8::1]:1", ""}, [2]string{"[2001:db8:0:1::1]:1", ""}, true, 3},
		{"no address at all", nil, [2]string{"", ""}, [2]string{"@", ""}, false, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPublic(t, httpapi.Options{RateLimit: 9, TrustedProxies: c.proxies})
			for i := range c.requestsAtOnceOK {
				if w := ask(p, c.first[0], c.first[1]); w.Code != 404 {
					t.Fatalf("request %d: %d", i, w.Code)
				}
			}
			w := ask(p, c.first[0], c.first[1])
			if w.Code != 429 || w.Header().Get("Retry-After") == "" || problem(t, w).Rest["rate_limited"] == nil {
				t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
			}
			if w := ask(p, c.second[0], c.second[1]); (w.Code == 404) != c.secondIsAnother {
				t.Errorf("the second: %d", w.Code)
			}
		})
	}
}

func TestContributorsByHTTP(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	if w := p.do("POST", "/api/v1/contributors/register", `{"name":"MacMan","email":"mac@example.com"}`); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for _, c := range []struct {
		body   string
		status int
		places string
	}{
		{`{"name":"macman","email":"x@example.com"}`, 409, ""},
		{`{"name":"a b","email":"x@example.com"}`, 400, "/name"},
		{`{"name":"software","email":"x@example.com"}`, 400, "/name"},
		{`{"name":"ok","email":"nope"}`, 400, "/email"},
		{`{}`, 400, "/name /email"},
	} {
		w := p.do("POST", "/api/v1/contributors/register", c.body)
		var places []string
		for _, f := range problem(t, w).Errors {
			places = append(places, f.Path)
		}
		if w.Code != c.status || strings.Join(places, " ") != c.places {
			t.Errorf("%s: %d %s", c.body, w.Code, w.Body)
		}
	}
	link := regexp.MustCompile(`https://patches.example.com(/api/v1/contributors/verify\?\S+)`).FindStringSubmatch(p.box.last(t).Text)[1]
	if w := p.do("HEAD", link, ""); w.Code != 405 { // what looks ahead uses nothing up
		t.Errorf("%d", w.Code)
	}
	if w := p.do("GET", link+"x", ""); w.Code != 403 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := p.do("GET", "/jamf/v1/macman/software", ""); w.Code != 404 {
		t.Errorf("before it is confirmed: %d", w.Code)
	}
	if w := p.do("GET", link, ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := p.do("GET", link, ""); w.Code != 403 {
		t.Errorf("again: %d %s", w.Code, w.Body)
	}
	token := "Bearer " + tokenIn(p.box.last(t))
	for _, id := range []string{"Slack", "Zoom"} {
		if w := p.do("POST", "/api/v1/titles", definition(id, "1"), "Authorization", token); w.Code != 201 ||
			!strings.Contains(w.Body.String(), id+"_MacMan") {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	// A title of another author whose id happens to end in the contributor's name.
	if w := p.do("POST", "/api/v1/title", publish("b MacMan", "b@example.com", "Xcode")); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	w := p.do("POST", "/api/v1/titles", definition("Xcode_b", "1"), "Authorization", token)
	if w.Code != 409 || !strings.Contains(problem(t, w).Message, "Another author") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	p.create("Other")
	if w := p.do("DELETE", "/api/v1/title/Other", "", "Authorization", token); w.Code != 403 {
		t.Errorf("%d", w.Code)
	}
	if w := p.do("POST", "/api/v1/titles/slack_macman/versions", versionJSON("2"), "Authorization", token); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := p.do("GET", "/api/v1/contributors", ""); strings.TrimSpace(
		w.Body.String(),
	) != `[{"id":"macman","display_name":"MacMan","title_count":2,"urn":"jamf/v1/macman/software","url":"https://patches.example.com/jamf/v1/macman/software"}]` {
		t.Errorf("%s", w.Body)
	}
	var list []patch.Summary
	w = p.do("GET", "/jamf/v1/MACMAN//software/", "")
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || len(list) != 2 || list[0].ID != "Slack" ||
		list[0].Name != "Slack App" ||
		list[0].CurrentVersion != "2" ||
		list[1].ID != "Zoom" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	// Nobody can put another's answer into a contributor's feed.
	for _, odd := range []string{"/jamf/v1/software/%00macman%00Slack,Other", "/jamf/v1/software/list%20macman%20Slack,Other"} {
		_ = p.do("GET", odd, "")
	}
	if w := p.do("GET", "/jamf/v1/macman/software/Slack,Other", ""); strings.Contains(w.Body.String(), "Other") ||
		!strings.Contains(w.Body.String(), "Slack") {
		t.Errorf("%s", w.Body)
	}
	if w := p.do("POST", "/api/v1/title", publish("macMAN", "x@example.com", "Xcode")); w.Code != 400 {
		t.Errorf("a stranger under a contributor's name: %d %s", w.Code, w.Body)
	}
	if w := p.do("GET", "/jamf/v1/macman/software/zoom,No,SLACK,Zoom", ""); !strings.HasPrefix(
		w.Body.String(),
		`[{"name":"Zoom App"`,
	) ||
		strings.Count(w.Body.String(), `"id"`) != 2 {
		t.Errorf("%s", w.Body)
	}
	for _, c := range []struct {
		path   string
		status int
		begins string
	}{
		{"/jamf/v1/macman/patch/Slack", 200, `{"id":"Slack","name":"Slack App"`},
		{"/jamf/v1/macman/patch/sLACK", 200, `{"id":"Slack","name":"Slack App"`},
		{"/jamf/v1/patch/Slack_MacMan", 200, `{"id":"Slack_MacMan","name":"Slack App (MacMan)"`},
		{"/jamf/v1/macman/patch/Other", 404, ""},
		{"/jamf/v1/macman/patch/Slack_MacMan", 404, ""},
		{"/jamf/v1/macman/software/Other", 200, `[]`},
		{"/jamf/v1/nobody/software", 404, ""},
		{"/jamf/v1/macman", 404, ""},
	} {
		w := p.do("GET", c.path, "")
		if w.Code != c.status || !strings.HasPrefix(w.Body.String(), c.begins) {
			t.Errorf("%s: %d %s", c.path, w.Code, w.Body)
		}
		if c.status == 200 {
			if w := p.do("GET", c.path, "", "If-None-Match", w.Header().Get("ETag")); w.Code != 304 {
				t.Errorf("%s: %d", c.path, w.Code)
			}
		}
	}
	// One stored title: a change shows in both feeds at once.
	if w := p.do("POST", "/api/v1/title/Slack_MacMan/version", versionJSON("3"), "Authorization", token); w.Code != 201 {
		t.Fatal(w.Body)
	}
	for _, path := range []string{"/jamf/v1/macman/patch/Slack", "/jamf/v1/macman/software", "/jamf/v1/software"} {
		if w := p.do("GET", path, ""); !strings.Contains(w.Body.String(), `"currentVersion":"3"`) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	if w := p.do("POST", "/api/v1/tokens", `{"titles_in_scope":["Slack_MacMan"],"expires_in_days":1}`, "Authorization", token); w.Code != 201 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := p.do("POST", "/api/v1/tokens", `{"titles_in_scope":["Other"]}`, "Authorization", token); w.Code != 403 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
