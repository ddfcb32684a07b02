package httpapi_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
)

// Requests are limited by the address of the client: an IPv4 address, or a network of IPv6. A client's own statement of
// its address counts only if a trusted proxy forwards it.
func TestRateLimit(t *testing.T) {
	// A peer is the other end of a connection, and the client that it names.
	type peer struct{ address, forwarded string }
	ask := func(p *public, from peer) *httptest.ResponseRecorder {
		body := strings.NewReader(`{"author_email":"ann@example.com"}`)
		r := httptest.NewRequest("POST", "/api/v1/title/Nope/token", body)
		r.RemoteAddr = from.address
		if from.forwarded != "" {
			r.Header.Set("X-Forwarded-For", from.forwarded)
		}
		return answer(p.handler, r)
	}
	proxies := []string{"192.0.2.0/24"}
	for _, c := range []struct {
		name          string
		proxies       []string
		first, second peer
		another       bool // the second peer is another client
	}{
		{"same address", nil, peer{"192.0.2.1:1", ""}, peer{"192.0.2.1:2", ""}, false},
		{"another address", nil, peer{"192.0.2.1:1", ""}, peer{"192.0.2.2:1", ""}, true},
		{
			"false statement", nil,
			peer{"192.0.2.1:1", "198.51.100.1"}, peer{"192.0.2.1:1", "198.51.100.2"}, false,
		},
		{
			"trusted proxy", proxies,
			peer{"192.0.2.1:1", "198.51.100.1"}, peer{"192.0.2.1:1", "198.51.100.2"}, true,
		},
		{
			"false statement to a proxy", proxies,
			peer{"192.0.2.1:1", "1.1.1.1, 198.51.100.1"}, peer{"192.0.2.1:1", "2.2.2.2, 198.51.100.1"}, false,
		},
		{"same network of IPv6", nil, peer{"[2001:db8::1]:1", ""}, peer{"[2001:db8::2]:1", ""}, false},
		{"another network of IPv6", nil, peer{"[2001:db8::1]:1", ""}, peer{"[2001:db8:0:1::1]:1", ""}, true},
		{"unknown address", nil, peer{"", ""}, peer{"@", ""}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPublic(t, httpapi.Options{RateLimit: 9, TrustedProxies: c.proxies})
			for range 3 { // a third of an hour's requests may come at once
				require(t, ask(p, c.first), 404)
			}
			w := ask(p, c.first)
			expect(t, w, 429, `"rate_limited"`)
			if w.Header().Get("Retry-After") == "" {
				t.Errorf("the answer has no Retry-After: %v", w.Header())
			}
			want := 429
			if c.another {
				want = 404
			}
			expect(t, ask(p, c.second), want)
		})
	}
}
