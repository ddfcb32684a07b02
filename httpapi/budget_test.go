package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/store/memstore"
)

// padded returns the definition of a title with so many more bytes.
func padded(id string, bytes int) string {
	d := definition(id, "1")
	return d[:len(d)-1] + `,"x":"` + strings.Repeat("a", bytes) + `"}`
}

// clientRequest returns a request of the client with a number, and with a token unless it is empty.
func clientRequest(client int, method, path, body, token string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = fmt.Sprintf("192.0.2.%d:1", client)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// answer returns the answer of a handler.
func answer(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// A client that does not read its answer does not keep others out: its turn to work ends when the answer begins.
func TestSlowReadersHoldNoTurn(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth})
	require(t, b.asAdmin("POST", "/api/v1/title", padded("Big", 5<<20)), 201)
	require(t, b.asAdmin("POST", "/api/v1/title/Big/version", versionJSON("2")), 201)
	for _, path := range []string{"/api/v1/titles/Big/history/1/diff", "/jamf/v1/patch/Big?pretty"} {
		t.Run(path, func(t *testing.T) {
			release := make(chan struct{})
			var group sync.WaitGroup
			defer group.Wait()
			defer close(release)
			for i := range 4 {
				w := &blockedWriter{
					ResponseWriter: httptest.NewRecorder(), begun: make(chan struct{}), release: release,
				}
				group.Go(func() { b.handler.ServeHTTP(w, clientRequest(i+1, "GET", path, "", "")) })
				<-w.begun
			}
			expect(t, answer(b.handler, clientRequest(9, "GET", path, "", "")), 200)
		})
	}
}

// A stalledBody is the body of a client that sends nothing, until stop is closed.
type stalledBody struct {
	once        sync.Once
	begun, stop chan struct{}
}

func (s *stalledBody) Read([]byte) (int, error) {
	s.once.Do(func() { close(s.begun) })
	<-s.stop
	return 0, errors.New("the connection was closed")
}

func (s *stalledBody) Close() error { return nil }

// stall has a client begin a body of so many bytes that it does not send, and waits until the body is read or the
// request is answered. The request ends when stop is closed.
func stall(h http.Handler, group *sync.WaitGroup, stop chan struct{}, client, bytes int, token string) {
	r := clientRequest(client, "POST", "/api/v1/lint", "", token)
	body := &stalledBody{stop: stop, begun: make(chan struct{})}
	r.Body, r.ContentLength = body, int64(bytes)
	answered := make(chan struct{})
	group.Go(func() {
		h.ServeHTTP(httptest.NewRecorder(), r)
		close(answered)
	})
	select {
	case <-body.begun:
	case <-answered: // there is no room for another
	}
}

// Anonymous clients that send large bodies slowly do not keep out clients with a token.
func TestAnonymousClientsLeaveRoomForMembers(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1, LintLimit: -1})
	var group, ready sync.WaitGroup
	stop := make(chan struct{})
	for i := range 12 {
		ready.Go(func() { stall(p.handler, &group, stop, i+1, 1<<20, "") })
	}
	ready.Wait()
	defer group.Wait()
	defer close(stop)
	member := p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"})
	large := padded("App", 100<<10)
	expect(t, answer(p.handler, clientRequest(100, "POST", "/api/v1/lint", large, "")), 503)
	expect(t, answer(p.handler, clientRequest(100, "POST", "/api/v1/lint", large, member)), 200)
}

// Clients that send large bodies slowly do not keep out those that send small ones, with a token or without.
func TestSlowLargeBodiesLeaveRoomForSmallOnes(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1, LintLimit: -1})
	p.create("App")
	member := p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"})
	var group, ready sync.WaitGroup
	stop := make(chan struct{})
	for i := range 12 {
		ready.Go(func() { stall(p.handler, &group, stop, i+1, 1<<20, "") })
		ready.Go(func() { stall(p.handler, &group, stop, i+1, 9<<20, member) })
	}
	ready.Wait()
	defer group.Wait()
	defer close(stop)
	for _, token := range []string{"", member} {
		expect(t, answer(p.handler, clientRequest(100, "POST", "/api/v1/lint", definition("App", "1"), token)), 200)
	}
}

// Large answers that are not read take a bounded amount of memory. Small ones, and those of administrators, are sent
// all the same.
func TestLargeAnswersThatAreNotRead(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth})
	b.create("Small")
	require(t, b.asAdmin("POST", "/api/v1/title", padded("Big", 8<<20)), 201)
	release := make(chan struct{})
	var group sync.WaitGroup
	defer group.Wait()
	codes := make(chan int)
	for i := range 12 {
		r := clientRequest(i%3+1, "GET", "/jamf/v1/patch/Big", "", "")
		rec := httptest.NewRecorder()
		w := &blockedWriter{ResponseWriter: rec, begun: make(chan struct{}), release: release}
		group.Go(func() { b.handler.ServeHTTP(w, r) })
		group.Go(func() {
			<-w.begun
			codes <- rec.Code
		})
	}
	sent, refused := 0, 0
	for range 12 {
		if code := <-codes; code == 503 {
			refused++
		} else {
			sent++
		}
	}
	if sent > 8 || sent < 7 || refused == 0 {
		t.Errorf("%d answers of 8 MiB are being sent and %d were refused, want 7 or 8 and the rest", sent, refused)
	}
	expect(t, b.do("GET", "/jamf/v1/patch/Small", ""), 200)
	expect(t, b.asAdmin("GET", "/api/v1/titles/Big", ""), 200)
	expect(t, b.do("HEAD", "/jamf/v1/patch/Big", "", "If-None-Match", `"x"`), 200)
	close(release)
	group.Wait()
	expect(t, b.do("GET", "/jamf/v1/patch/Big", ""), 200)
}

// An indented answer that an administrator asks for, or that was made before, waits for no turn.
func TestPrettyWaitsForNoTurn(t *testing.T) {
	b := newBench(t, memstore.New())
	budget := newBudget(t)
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth, Budget: budget})
	for _, id := range []string{"Seen", "New"} {
		require(t, b.asAdmin("POST", "/api/v1/title", padded(id, 100<<10)), 201)
	}
	require(t, b.do("GET", "/jamf/v1/patch/Seen?pretty", ""), 200)
	for i := range 2 { // they take all of the budget
		_, leave, err := budget.Enter(clientRequest(i+101, "GET", "/", "", ""), 100<<20)
		if err != nil {
			t.Fatal(err)
		}
		defer leave()
	}
	expect(t, b.do("GET", "/jamf/v1/patch/New?pretty", ""), 503)
	expect(t, b.do("GET", "/jamf/v1/patch/Seen?pretty", ""), 200)
	expect(t, b.asAdmin("GET", "/api/v1/titles/New?pretty", ""), 200)
}

// A large answer leaves no deadline on its connection.
func TestLargeAnswersLeaveNoDeadline(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.catalog, &httpapi.Options{Tokens: b.auth})
	require(t, b.asAdmin("POST", "/api/v1/title", padded("Big", 1<<20)), 201)
	var last time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.handler.ServeHTTP(&deadlineWriter{ResponseWriter: w, last: &last}, r)
	}))
	defer server.Close()
	res, err := http.Get(server.URL + "/jamf/v1/patch/Big")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	server.Close() // it waits for the handler
	if err != nil || n < 1<<20 {
		t.Errorf("got %d bytes, %v", n, err)
	}
	if !last.IsZero() {
		t.Errorf("the connection is left with the deadline %v", last)
	}
}

// A deadlineWriter remembers the last deadline that was set.
type deadlineWriter struct {
	http.ResponseWriter
	last *time.Time
}

func (d *deadlineWriter) SetWriteDeadline(at time.Time) error { *d.last = at; return nil }

func (d *deadlineWriter) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// A roundTripper is a function that answers requests.
type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Upstreams that anonymous clients name and that do not answer keep no contributor from following one, and end with
// their requests.
func TestSlowUpstreamsOfAnonymousClients(t *testing.T) {
	asked := make(chan struct{}, 100)
	p := newPublicOver(t, roundTripper(func(r *http.Request) (*http.Response, error) {
		if strings.HasPrefix(r.URL.Host, "good") {
			return nil, errors.New("nothing is here")
		}
		asked <- struct{}{}
		<-r.Context().Done()
		return nil, r.Context().Err()
	}), httpapi.Options{RateLimit: -1})
	member := p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"})
	requests, hangUp := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer hangUp()
	publish := func(i int) *httptest.ResponseRecorder {
		body := fmt.Sprintf(
			`{"author_name":"Ann%d","author_email":"a%d@example.com","definition_url":"https://hang%d.example/d.json"}`,
			i, i, i,
		)
		return answer(p.handler, clientRequest(i/2+1, "POST", "/api/v1/title", body, "").WithContext(requests))
	}
	for i := range 8 {
		group.Go(func() { publish(i) })
	}
	for range 8 {
		<-asked
	}
	expect(t, publish(8), 503)
	body := `{"id":"Sub","json_url":"https://good.example/d.json"}`
	w := answer(p.handler, clientRequest(100, "POST", "/api/v1/subscribe", body, member))
	expect(t, w, 400, "nothing is here")
}
