package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A client that does not read its answer keeps nobody out: its turn to work ends when the answer begins.
func TestSlowReadersHoldNoTurn(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth})
	big := definition("Big", "1")
	big = big[:len(big)-1] + `,"x":"` + strings.Repeat("a", 5<<20) + `"}`
	if w := b.asAdmin("POST", "/api/v1/title", big); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if w := b.asAdmin("POST", "/api/v1/title/Big/version", versionJSON("2")); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	from := func(address, path string) *http.Request {
		r := httptest.NewRequest("GET", path, nil)
		r.RemoteAddr = address
		return r
	}
	for _, path := range []string{"/api/v1/titles/Big/history/1/diff", "/jamf/v1/patch/Big?pretty"} {
		t.Run(path, func(t *testing.T) {
			goOn := make(chan struct{})
			var group sync.WaitGroup
			defer group.Wait()
			defer close(goOn)
			for i := range 4 {
				w := &blocked{ResponseWriter: httptest.NewRecorder(), begun: make(chan struct{}), goOn: goOn}
				group.Go(func() { b.handler.ServeHTTP(w, from(fmt.Sprintf("192.0.2.%d:1", i+1), path)) })
				<-w.begun
			}
			w := httptest.NewRecorder()
			b.handler.ServeHTTP(w, from("192.0.2.9:1", path))
			if w.Code != 200 {
				t.Errorf("slow readers keep others out: %d %s", w.Code, w.Body)
			}
		})
	}
}

// Strangers who send large bodies slowly do not keep those out who have a token, be they no administrators.
func TestStrangersLeaveRoomForMembers(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1, LintLimit: -1})
	var group, ready sync.WaitGroup
	stop := make(chan struct{})
	for i := range 12 {
		r := httptest.NewRequest("POST", "/api/v1/lint", nil)
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i+1)
		body := &stalled{stop: stop, begun: make(chan struct{})}
		r.Body, r.ContentLength = body, 1<<20
		answered := make(chan struct{})
		group.Go(func() {
			p.handler.ServeHTTP(httptest.NewRecorder(), r)
			close(answered)
		})
		ready.Go(func() {
			select {
			case <-body.begun:
			case <-answered: // there is no room for more
			}
		})
	}
	defer group.Wait()
	defer close(stop)
	ready.Wait()
	large := definition("App", "1")
	large = large[:len(large)-1] + `,"x":"` + strings.Repeat("a", 100<<10) + `"}`
	for token, want := range map[string]int{"": 503, p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"}): 200} {
		r := httptest.NewRequest("POST", "/api/v1/lint", strings.NewReader(large))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		p.handler.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("with the token %q: %d %s, want %d", token, w.Code, w.Body, want)
		}
	}
}

// Who sends a large body slowly does not keep out who sends a small one, with a token or without.
func TestSlowLargeBodiesLeaveRoomForSmallOnes(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1, LintLimit: -1})
	p.create("App")
	member := p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"})
	var group sync.WaitGroup
	stop := make(chan struct{})
	defer group.Wait()
	defer close(stop)
	for i := range 12 {
		for _, token := range []string{"", member} {
			r := httptest.NewRequest("POST", "/api/v1/lint", nil)
			r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i+1)
			body := &stalled{stop: stop, begun: make(chan struct{})}
			r.Body, r.ContentLength = body, 1<<20
			if token != "" {
				r.ContentLength = 9 << 20
				r.Header.Set("Authorization", "Bearer "+token)
			}
			answered := make(chan struct{})
			group.Go(func() {
				p.handler.ServeHTTP(httptest.NewRecorder(), r)
				close(answered)
			})
			if i < 2 {
				select {
				case <-body.begun:
				case <-answered:
				}
			}
		}
	}
	for name, token := range map[string]string{"a stranger": "", "a contributor": member} {
		r := httptest.NewRequest("POST", "/api/v1/lint", strings.NewReader(definition("App", "1")))
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		p.handler.ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// A stalled body is broken off when stop is closed.
type stalled struct {
	once        sync.Once
	begun, stop chan struct{}
}

func (s *stalled) Read([]byte) (int, error) {
	s.once.Do(func() { close(s.begun) })
	<-s.stop
	return 0, fmt.Errorf("broken off")
}

func (s *stalled) Close() error { return nil }

// Large answers that are not read take a bounded amount of memory; small ones, and those of administrators, go on.
func TestLargeAnswersThatAreNotRead(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth})
	b.create("Small")
	big := definition("Big", "1")
	big = big[:len(big)-1] + `,"x":"` + strings.Repeat("a", 8<<20) + `"}`
	if w := b.asAdmin("POST", "/api/v1/title", big); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	goOn := make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	codes := make(chan int)
	for i := range 12 {
		r := httptest.NewRequest("GET", "/jamf/v1/patch/Big", nil)
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i%3+1)
		rec := httptest.NewRecorder()
		w := &blocked{ResponseWriter: rec, begun: make(chan struct{}), goOn: goOn}
		group.Go(func() { b.handler.ServeHTTP(w, r) })
		group.Go(func() {
			<-w.begun
			codes <- rec.Code
		})
	}
	held, refused := 0, 0
	for range 12 {
		if code := <-codes; code == 503 {
			refused++
		} else {
			held++
		}
	}
	if held > 8 || held < 7 || refused == 0 {
		t.Errorf("%d answers of 8 MiB are being sent, and %d were refused", held, refused)
	}
	if w := b.do("GET", "/jamf/v1/patch/Small", ""); w.Code != 200 {
		t.Errorf("a small one: %d %s", w.Code, w.Body)
	}
	if w := b.asAdmin("GET", "/api/v1/titles/Big", ""); w.Code != 200 {
		t.Errorf("an administrator's: %d", w.Code)
	}
	etag := `"` + "x" + `"`
	if w := b.do("HEAD", "/jamf/v1/patch/Big", "", "If-None-Match", etag); w.Code != 200 {
		t.Errorf("one without a body: %d", w.Code)
	}
	close(goOn)
	group.Wait()
	if w := b.do("GET", "/jamf/v1/patch/Big", ""); w.Code != 200 {
		t.Errorf("when they are gone: %d %s", w.Code, w.Body)
	}
}

// An indented answer that an administrator asks for, or that is at hand, waits for nobody's turn.
func TestPrettyWaitsForNobody(t *testing.T) {
	b := newBench(t, memstore.New())
	budget := newBudget(t)
	b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth, Budget: budget})
	for _, id := range []string{"Seen", "New"} {
		big := definition(id, "1")
		big = big[:len(big)-1] + `,"x":"` + strings.Repeat("a", 100<<10) + `"}`
		if w := b.asAdmin("POST", "/api/v1/title", big); w.Code != 201 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	if w := b.do("GET", "/jamf/v1/patch/Seen?pretty", ""); w.Code != 200 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	for i := range 2 { // all of it is taken
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i+101)
		_, leave, err := budget.Enter(r, 100<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
	}
	if w := b.do("GET", "/jamf/v1/patch/New?pretty", ""); w.Code != 503 {
		t.Errorf("one that is not at hand: %d", w.Code)
	}
	if w := b.do("GET", "/jamf/v1/patch/Seen?pretty", ""); w.Code != 200 {
		t.Errorf("one that is: %d %s", w.Code, w.Body)
	}
	if w := b.asAdmin("GET", "/api/v1/titles/New?pretty", ""); w.Code != 200 {
		t.Errorf("an administrator's: %d %s", w.Code, w.Body)
	}
}

// A large answer leaves no deadline behind on its connection.
func TestLargeAnswersLeaveNoDeadline(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth})
	big := definition("Big", "1")
	big = big[:len(big)-1] + `,"x":"` + strings.Repeat("a", 1<<20) + `"}`
	if w := b.asAdmin("POST", "/api/v1/title", big); w.Code != 201 {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	var last time.Time
	deadlines := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.handler.ServeHTTP(&deadlined{ResponseWriter: w, last: &last}, r)
	})
	server := httptest.NewServer(deadlines)
	defer server.Close()
	res, err := http.Get(server.URL + "/jamf/v1/patch/Big")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	server.Close() // it waits for the handler
	if err != nil || n < 1<<20 || !last.IsZero() {
		t.Errorf("%d bytes, %v; the deadline that is left: %v", n, err, last)
	}
}

// A deadlined writer remembers the last deadline that was set.
type deadlined struct {
	http.ResponseWriter
	last *time.Time
}

func (d *deadlined) SetWriteDeadline(at time.Time) error { *d.last = at; return nil }

func (d *deadlined) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// Sources that do not answer strangers keep no contributor from following one, and end with their calls.
func TestSlowSourcesOfStrangers(t *testing.T) {
	st := memstore.New()
	b := newBench(t, st)
	secret, _, err := auth.LoadSecret(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 100)
	sy, err := patchsync.New(
		b.cat,
		st,
		&patchsync.Options{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if strings.HasPrefix(r.URL.Host, "good") {
				return nil, errors.New("there is nothing here")
			}
			asked <- struct{}{}
			<-r.Context().Done()
			return nil, r.Context().Err()
		})},
	)
	if err != nil {
		t.Fatal(err)
	}
	comm, err := community.Open(t.Context(), community.Parts{
		Store: st, Catalog: b.cat, Tokens: b.auth, Mailer: &box{}, Secret: secret, Fetcher: sy.Fetcher(),
	}, &community.Options{Site: "https://patches.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	b.handler = newHandler(
		t,
		b.cat,
		&httpapi.Options{Tokens: b.auth, Community: services.Community(comm), Sync: services.Sync(sy), RateLimit: -1, Site: "https://patches.example.com"},
	)
	token, _, err := b.auth.Issue(t.Context(), auth.Grant{Kind: auth.Contributor, Contributor: "macman"})
	if err != nil {
		t.Fatal(err)
	}
	calls, hangUp := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer hangUp()
	publish := func(i int) *httptest.ResponseRecorder {
		body := fmt.Sprintf(
			`{"author_name":"Ann%d","author_email":"a%d@example.com","definition_url":"https://hang%d.example/d.json"}`,
			i,
			i,
			i,
		)
		r := httptest.NewRequestWithContext(calls, "POST", "/api/v1/title", strings.NewReader(body))
		r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", i/2+1)
		w := httptest.NewRecorder()
		b.handler.ServeHTTP(w, r)
		return w
	}
	for i := range 8 {
		group.Go(func() { publish(i) })
	}
	for range 8 {
		<-asked
	}
	if w := publish(8); w.Code != 503 {
		t.Errorf("a ninth source: %d %s", w.Code, w.Body)
	}
	w := b.do(
		"POST",
		"/api/v1/subscribe",
		`{"id":"Sub","json_url":"https://good.example/d.json"}`,
		"Authorization",
		"Bearer "+token,
	)
	if w.Code == 503 || !strings.Contains(w.Body.String(), "there is nothing here") && w.Code != 400 {
		t.Errorf("a contributor's: %d %s", w.Code, w.Body)
	}
}

// A transport is a function that answers requests.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
