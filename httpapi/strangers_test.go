package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A page of another site changes nothing here, whatever its visitor's browser sends along.
func TestChangesFromOtherSites(t *testing.T) {
	for _, c := range []struct {
		name, method, path string
		header             []string
		status             int
	}{
		{"a script, which sends neither header", "POST", "/api/v1/title", nil, 201},
		{"our own page", "POST", "/api/v1/title", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://patches.example.com"}, 201},
		{"our own page behind a proxy that changes the host", "POST", "/api/v1/title", []string{"Origin", "https://patches.example.com"}, 201},
		{"a form of another site", "POST", "/api/v1/title", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"an older browser", "POST", "/api/v1/title", []string{"Origin", "https://evil.example"}, 403},
		{"a neighbour of the same site", "POST", "/api/v1/title", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"a deletion", "DELETE", "/api/v1/title/There", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"a replacement", "PUT", "/api/v1/title/There", []string{"Origin", "https://evil.example"}, 403},
		{"a check", "POST", "/api/v1/lint", []string{"Origin", "https://evil.example"}, 403},
		{"reading", "GET", "/api/v1/titles", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 200},
		{"the link of a mail", "GET", "/api/v1/titles/There", []string{"Sec-Fetch-Site", "cross-site"}, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memstore.New())
			b.create("There")
			b.handler = newHandler(
				t,
				b.cat,
				&httpapi.Options{Authenticate: httpapi.BearerTokens(b.auth), Site: "https://patches.example.com"},
			)
			w := b.asAdmin(c.method, c.path, definition("New", "1"), c.header...)
			if w.Code != c.status {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, c.status)
			}
			if _, err := b.cat.Title("There"); err != nil {
				t.Error(err)
			}
			if c.status == 403 {
				if p := problem(t, w); p.Rest["forbidden"] == nil {
					t.Errorf("%s", w.Body)
				}
			}
		})
	}
}

// Without a token, a body has at most 1 MiB; with one, as much as the server takes.
func TestBodiesOfStrangers(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1, LintLimit: -1})
	filled := func(size int) string {
		d := definition("Big", "1")
		return d[:len(d)-1] + `,"x":"` + strings.Repeat("a", size-len(d)-7) + `"}`
	}
	for _, c := range []struct {
		name, path, token string
		size, status      int
		says              string
	}{
		{"the largest of a stranger", "/api/v1/lint", "", 1 << 20, 200, ""},
		{"one byte more", "/api/v1/lint", "", 1<<20 + 1, 413, "with"},
		{"a publication", "/api/v1/title", "", 1<<20 + 1, 413, "token"},
		{"a registration", "/api/v1/contributors/register", "", 1<<20 + 1, 413, "token"},
		{"a reset", "/api/v1/title/X/token", "", 1<<20 + 1, 413, "token"},
		{"with a token", "/api/v1/lint", p.admin, 1<<20 + 1, 200, ""},
		{"more than anybody may", "/api/v1/lint", p.admin, 10<<20 + 1, 413, "10 MiB"},
	} {
		var header []string
		if c.token != "" {
			header = []string{"Authorization", "Bearer " + c.token}
		}
		for _, chunked := range []bool{false, true} {
			r := httptest.NewRequest("POST", c.path, strings.NewReader(filled(c.size)))
			if chunked {
				r.ContentLength = -1
			}
			if len(header) > 0 {
				r.Header.Set(header[0], header[1])
			}
			w := httptest.NewRecorder()
			p.handler.ServeHTTP(w, r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
				t.Errorf("%s (chunked: %v): %d %.300s, want %d", c.name, chunked, w.Code, w.Body, c.status)
			}
		}
	}
}

// A caller is counted before anything of its body is read.
func TestLimitsComeBeforeTheBody(t *testing.T) {
	for _, c := range []struct{ name, path string }{
		{"publish", "/api/v1/title"}, {"register", "/api/v1/contributors/register"}, {"reset", "/api/v1/title/X/token"},
		{"contributor reset", "/api/v1/contributors/token"}, {"claim", "/api/v1/token"}, {"lint", "/api/v1/lint"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPublic(t, httpapi.Options{RateLimit: 3, LintLimit: 3})
			var last int
			for range 3 {
				r := httptest.NewRequest("POST", c.path, nil)
				body := &watched{}
				r.Body, r.ContentLength = body, 1000
				w := httptest.NewRecorder()
				p.handler.ServeHTTP(w, r)
				if last = w.Code; last == 429 && body.read {
					t.Error("the body was read")
				}
			}
			if last != 429 {
				t.Errorf("the third request of an address: %d", last)
			}
		})
	}
}

// A watched body says whether it was read.
type watched struct{ read bool }

func (w *watched) Read([]byte) (int, error) { w.read = true; return 0, fmt.Errorf("broken off") }
func (w *watched) Close() error             { return nil }

// A network of IPv6 that has many addresses, or many networks, is counted as one client, or as a few.
func TestLimitsCountNetworks(t *testing.T) {
	for _, c := range []struct {
		name    string
		address func(i int) string
		most    int
	}{
		{"one address", func(int) string { return "[2001:db8::1]:1" }, 10},
		{"a /64", func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) }, 10},
		{"a /48", func(i int) string { return fmt.Sprintf("[2001:db8:0:%x::1]:1", i+1) }, 160},
		{"many IPv4 addresses", func(i int) string { return fmt.Sprintf("192.0.%d.%d:1", i/250, i%250+1) }, 500},
	} {
		p := newPublic(t, httpapi.Options{LintLimit: 30})
		passed := 0
		for i := range 500 {
			r := httptest.NewRequest("POST", "/api/v1/lint", strings.NewReader("{}"))
			r.RemoteAddr = c.address(i)
			w := httptest.NewRecorder()
			p.handler.ServeHTTP(w, r)
			if w.Code == 200 {
				passed++
			}
		}
		if passed < min(c.most, 500)-2 || passed > c.most+10 {
			t.Errorf("%s: %d of 500 requests passed, want about %d", c.name, passed, c.most)
		}
	}
}

// Bodies that arrive slowly, or not at all, hold a bounded number of places, and nobody else's.
func TestStalledBodies(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1, LintLimit: -1})
	server := httptest.NewServer(p.handler)
	defer server.Close()
	const sent = 30
	answers := make(chan string, sent)
	for range sent {
		conn, err := net.Dial("tcp", server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST /api/v1/lint HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", 1<<20)
		go func() {
			line, _ := bufio.NewReader(conn).ReadString('\n') // what is never answered is not counted
			answers <- line
		}()
	}
	for range 20 { // the others hold a place
		if line := <-answers; !strings.Contains(line, "503") {
			t.Errorf("%q", line)
		}
	}
	r, err := http.NewRequest("POST", server.URL+"/api/v1/title", strings.NewReader(definition("Own", "1")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.admin)
	res, err := http.DefaultClient.Do(r)
	if err != nil || res.StatusCode != 201 {
		t.Fatalf("strangers keep an administrator out: %v %v", res, err)
	}
	_ = res.Body.Close()
}

// Indented JSON is for people who cut it with grep; it says the same, and is told apart.
func TestPretty(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App", "Other")
	for _, c := range []struct {
		name, path string
		header     []string
		pretty     bool
	}{
		{"the list", "/jamf/v1/software?pretty", nil, true},
		{"a selection", "/jamf/v1/software/App,Other?pretty", nil, true},
		{"a definition", "/jamf/v1/patch/App?pretty=1", nil, true},
		{"of the API", "/api/v1/titles/App?pretty", nil, true},
		{"by Accept", "/jamf/v1/patch/App", []string{"Accept", "text/html, application/json; indent=2"}, true},
		{"not asked for", "/jamf/v1/patch/App", []string{"Accept", "application/json"}, false},
		{"refused", "/jamf/v1/patch/App?pretty=0", nil, false},
		{"another word", "/jamf/v1/patch/App?prettyplease", nil, false},
	} {
		w := b.do("GET", c.path, "", c.header...)
		compact := b.do("GET", strings.SplitN(c.path, "?", 2)[0], "")
		if got := bytes.Contains(w.Body.Bytes(), []byte("\n  ")); w.Code != 200 || got != c.pretty ||
			!strings.Contains(w.Header().Get("Vary"), "Accept") {
			t.Errorf("%s: %d %v %.200s", c.name, w.Code, w.Header(), w.Body)
		}
		if same := w.Header().Get("ETag") == compact.Header().Get("ETag"); same == c.pretty {
			t.Errorf("%s: the same ETag: %v", c.name, same)
		}
		again := b.do("GET", c.path, "", append(c.header, "If-None-Match", w.Header().Get("ETag"))...)
		if again.Code != 304 {
			t.Errorf("%s: asked again with its ETag: %d", c.name, again.Code)
		}
		zipped := b.do("GET", c.path, "", append(c.header, "Accept-Encoding", "gzip")...)
		if c.pretty &&
			(zipped.Header().Get("Content-Encoding") != "gzip" || zipped.Header().Get("ETag") == w.Header().Get("ETag")) {
			t.Errorf("%s: compressed: %v", c.name, zipped.Header())
		}
	}
}

// A token that stands in a path by mistake does not get into the log.
func TestTokensStayOutOfTheLog(t *testing.T) {
	b := withTokens(t)
	logged := newAccessLog(t, b.handler, b.logger(), nil)
	w := httptest.NewRecorder()
	logged.ServeHTTP(w, httptest.NewRequest("POST", "/api/v1/tokens/"+b.admin+"/invalidate", nil))
	if log := b.log.String(); strings.Contains(log, b.admin) ||
		!strings.Contains(log, "/api/v1/tokens/pst_…/invalidate") {
		t.Errorf("%d: %s", w.Code, log)
	}
}

// The states of sources are told to those who may change the titles, and secrets of their addresses to nobody.
func TestSyncStatesAreNotForStrangers(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	const source = "https://user:hidden@vendor.example/d.json?key=hidden#hidden"
	p.outside.pages.Store(source, 503)
	def := parse(t, definition("Followed", "1"))
	res, err := p.cat.Create(
		t.Context(),
		def,
		&catalog.CreateOptions{Follows: source, Contributor: "macman", Author: "macman"},
	)
	if err != nil {
		t.Fatal(err)
	}
	p.create("Other")
	other, err := p.cat.Title("Other")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, token string
		told        bool
	}{
		{"its own token", p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{res.Title.UID}}), true},
		{"its contributor", p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"}), true},
		{"another title's token", p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{other.UID}}), false},
		{"another contributor", p.token(auth.Grant{Kind: auth.Contributor, Contributor: "winman"}), false},
		{"an editor", p.token(auth.Grant{Kind: auth.Editor}), true},
		{"an administrator", p.admin, true},
	} {
		w := p.do("GET", "/api/v1/sync", "", "Authorization", "Bearer "+c.token)
		if w.Code != 200 || strings.Contains(w.Body.String(), "hidden") {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
		if mirror := strings.Contains(w.Body.String(), `"mirror":"mirror"`); mirror != (c.name == "an editor" || c.name == "an administrator") {
			t.Errorf("%s is told of a whole source: %v", c.name, mirror)
		}
	}
	for _, call := range []string{"GET /api/v1/titles", "PUT /api/v1/title/Followed", "POST /api/v1/title/Followed/sync"} {
		method, path, _ := strings.Cut(call, " ")
		if w := p.asAdmin(method, path, definition("Followed", "2")); strings.Contains(w.Body.String(), "hidden") {
			t.Errorf("%s: %d %s", call, w.Code, w.Body)
		}
	}
	if strings.Contains(p.log.String(), "hidden") {
		t.Errorf("logged: %s", p.log.String())
	}
}

// What is sent to the wrong one of two calls is answered by one sentence that names the right one.
func TestWhatIsSentToTheWrongCall(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("App")
	for _, c := range []struct{ name, path, body, says string }{
		{"a version as a title", "/api/v1/title", versionJSON("2"), "/api/v1/title/{id}/version"},
		{"versions as an array", "/api/v1/title/App/version", "[" + versionJSON("2") + "]", `{"items":[…]}`},
	} {
		w := b.asAdmin("POST", c.path, c.body)
		if e := problem(t, w).Errors; w.Code != 400 || len(e) != 1 || !strings.Contains(e[0].Message, c.says) {
			t.Errorf("%s: %d %s", c.name, w.Code, w.Body)
		}
	}
}
