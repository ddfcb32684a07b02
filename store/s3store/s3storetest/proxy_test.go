package s3storetest_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/patchsource/patchsource/store/s3store/s3storetest"
)

// A middlebox is a proxy that understands HTTP. Its fields may be changed by set.
type middlebox struct {
	mu sync.Mutex
	// cut, if not nil, reports whether the connection of a request is closed in place of an answer.
	cut func(r *http.Request) bool
	// observe, if not nil, is called with each answer.
	observe func(a answer)
	// strip are headers that are removed from requests.
	strip []string
	// statuses counts the answers by method, path and status.
	statuses map[answer]int
}

// An answer is the status of an answer, with the method and the path of its request.
type answer struct {
	method, path string
	status       int
}

// newMiddlebox returns a middlebox in front of a server, and the URL of its endpoint.
func newMiddlebox(t testing.TB, s *s3storetest.Server) (m *middlebox, endpoint string) {
	m = &middlebox{statuses: map[answer]int{}}
	target, err := url.Parse(s.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is signed
		},
		ModifyResponse: m.answered,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		m.mu.Lock()
		for _, header := range m.strip {
			r.Header.Del(header)
		}
		m.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return m, server.URL
}

// answered counts an answer of the server, or cuts the connection instead of passing it on.
func (m *middlebox) answered(r *http.Response) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	a := answer{r.Request.Method, strings.TrimPrefix(r.Request.URL.Path, "/"+s3storetest.Bucket+"/"), r.StatusCode}
	m.statuses[a]++
	if m.observe != nil {
		m.observe(a)
	}
	if m.cut != nil && m.cut(r.Request) {
		panic(http.ErrAbortHandler)
	}
	return nil
}

// set changes the fields.
func (m *middlebox) set(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

// count returns the number of answers to requests with a method and the end of a path.
func (m *middlebox) count(method, path string) (statuses map[int]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	statuses = map[int]int{}
	for a, n := range m.statuses {
		if a.method == method && strings.HasSuffix(a.path, path) {
			statuses[a.status] += n
		}
	}
	return statuses
}
