package httpapi_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/store/memstore"
)

// A page of another site changes nothing, whatever its visitor's browser sends along.
func TestChangesFromOtherSites(t *testing.T) {
	own := []string{"Origin", "https://patches.example.com"}
	evil := []string{"Origin", "https://evil.example"}
	cross := []string{"Sec-Fetch-Site", "cross-site"}
	for _, c := range []struct {
		name, method, path string
		header             []string
		status             int
	}{
		{"script", "POST", "/api/v1/title", nil, 201},
		{"own page", "POST", "/api/v1/title", append([]string{"Sec-Fetch-Site", "same-origin"}, own...), 201},
		{"own page behind a proxy that changes the host", "POST", "/api/v1/title", own, 201},
		{"form of another site", "POST", "/api/v1/title", append(cross, evil...), 403},
		{"older browser", "POST", "/api/v1/title", evil, 403},
		{"neighbor of the same site", "POST", "/api/v1/title", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"deletion", "DELETE", "/api/v1/title/There", cross, 403},
		{"replacement", "PUT", "/api/v1/title/There", evil, 403},
		{"lint", "POST", "/api/v1/lint", evil, 403},
		{"read", "GET", "/api/v1/titles", append(cross, evil...), 200},
		{"link in a mail", "GET", "/api/v1/titles/There", cross, 200},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memstore.New())
			b.create("There")
			b.handler = newHandler(t, b.catalog, &httpapi.Options{
				Authenticate: httpapi.BearerTokens(b.auth),
				Site:         "https://patches.example.com",
			})
			w := b.asAdmin(c.method, c.path, definition("New", "1"), c.header...)
			require(t, w, c.status)
			if _, err := b.catalog.Title("There"); err != nil {
				t.Error(err)
			}
			if c.status == 403 && problem(t, w).Rest["forbidden"] == nil {
				t.Errorf("the error has no member forbidden: %s", w.Body)
			}
		})
	}
}

// A body has at most 1 MiB without a token, and as much as the server accepts with one.
func TestLargeBodies(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1, LintLimit: -1})
	filled := func(size int) string { return padded("Big", size-len(padded("Big", 0))) }
	for _, c := range []struct {
		name, path, token string
		size, status      int
		says              string
	}{
		{"largest without a token", "/api/v1/lint", "", 1 << 20, 200, ""},
		{"one byte more", "/api/v1/lint", "", 1<<20 + 1, 413, "without a token"},
		{"publication", "/api/v1/title", "", 1<<20 + 1, 413, "token"},
		{"registration", "/api/v1/contributors/register", "", 1<<20 + 1, 413, "token"},
		{"reset", "/api/v1/title/X/token", "", 1<<20 + 1, 413, "token"},
		{"token", "/api/v1/lint", p.admin, 1<<20 + 1, 200, ""},
		{"more than the server accepts", "/api/v1/lint", p.admin, 10<<20 + 1, 413, "10 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, chunked := range []bool{false, true} {
				r := clientRequest(1, "POST", c.path, filled(c.size), c.token)
				if chunked {
					r.ContentLength = -1
				}
				w := answer(p.handler, r)
				if w.Code != c.status || !strings.Contains(w.Body.String(), c.says) {
					t.Errorf("chunked %v: got status %d, want %d and %q: %.300s",
						chunked, w.Code, c.status, c.says, w.Body)
				}
			}
		})
	}
}

// A client is counted before anything of its body is read.
func TestLimitsComeBeforeTheBody(t *testing.T) {
	for _, path := range []string{
		"/api/v1/title", "/api/v1/contributors/register", "/api/v1/title/X/token", "/api/v1/contributors/token",
		"/api/v1/token", "/api/v1/lint",
	} {
		t.Run(path, func(t *testing.T) {
			p := newPublic(t, httpapi.Options{RateLimit: 3, LintLimit: 3})
			last := 0
			for range 3 {
				body := &watchedBody{}
				r := clientRequest(1, "POST", path, "", "")
				r.Body, r.ContentLength = body, 1000
				if last = answer(p.handler, r).Code; last == 429 && body.read {
					t.Error("the body of a request beyond the limit was read")
				}
			}
			if last != 429 {
				t.Errorf("the third request of an address: got status %d, want 429", last)
			}
		})
	}
}

// A watchedBody fails, and notes that it was read.
type watchedBody struct{ read bool }

func (w *watchedBody) Read([]byte) (int, error) {
	w.read = true
	return 0, errors.New("the connection was closed")
}

func (w *watchedBody) Close() error { return nil }

// The addresses of a network of IPv6 count as one client, and the networks of a site as a few.
func TestLimitsCountNetworks(t *testing.T) {
	for _, c := range []struct {
		name    string
		address func(i int) string
		want    int // about
	}{
		{"one address", func(int) string { return "[2001:db8::1]:1" }, 10},
		{"a /64", func(i int) string { return fmt.Sprintf("[2001:db8::%x]:1", i+1) }, 10},
		{"a /48", func(i int) string { return fmt.Sprintf("[2001:db8:0:%x::1]:1", i+1) }, 160},
		{"many IPv4 addresses", func(i int) string { return fmt.Sprintf("192.0.%d.%d:1", i/250, i%250+1) }, 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPublic(t, httpapi.Options{LintLimit: 30})
			got := 0
			for i := range 500 {
				r := clientRequest(1, "POST", "/api/v1/lint", "{}", "")
				r.RemoteAddr = c.address(i)
				if answer(p.handler, r).Code == 200 {
					got++
				}
			}
			if got < min(c.want, 500)-2 || got > c.want+10 {
				t.Errorf("%d of 500 requests were answered, want about %d", got, c.want)
			}
		})
	}
}

// Bodies that stall hold a bounded number of places, and none of those of clients with a token.
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
			line, _ := bufio.NewReader(conn).ReadString('\n') // a request that holds a place is not answered
			answers <- line
		}()
	}
	for range 20 { // the other requests hold a place
		if line := <-answers; !strings.Contains(line, "503") {
			t.Errorf("got %q, want a status 503", line)
		}
	}
	r, err := http.NewRequest("POST", server.URL+"/api/v1/title", strings.NewReader(definition("Own", "1")))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.admin)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 201 {
		t.Errorf("an administrator's request: got %s", res.Status)
	}
}
