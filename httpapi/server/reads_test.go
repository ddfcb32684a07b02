package server_test

import (
	"net"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/memstore"
)

// ownAddress returns an address of this machine other than that of loopback, or that of loopback if it has no other.
func ownAddress(t *testing.T) string {
	t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLoopback() &&
			prefix.Addr().Is4() {
			return prefix.Addr().String()
		}
	}
	return "127.0.0.1"
}

func TestLastRead(t *testing.T) {
	const client = "203.0.113.7"
	for _, test := range []struct {
		name, method, path, from, agent, forwarded string
		want                                       string // the client; empty: the request does not count
	}{
		{"the list", "GET", "/jamf/v1/software", client, "Java/17", "", client},
		{"a selection", "GET", "/jamf/v1/software/App,Other", client, "Java/17", "", client},
		{"at the root", "GET", "/software", client, "Java/17", "", client},
		{"without a name", "GET", "/jamf/v1/software", client, "", "", client},
		{"a browser", "GET", "/jamf/v1/software", client, "Mozilla/5.0", "", client},
		{"through a proxy", "GET", "/jamf/v1/software", "10.0.0.1", "Java/17", client, client},
		{"a proxy that is not trusted", "GET", "/jamf/v1/software", "203.0.113.9", "Java/17", client, "203.0.113.9"},
		{"over IPv6", "GET", "/jamf/v1/software", "2001:db8::7", "Java/17", "", "2001:db8::7"},
		{"a definition", "GET", "/jamf/v1/patch/App", client, "Java/17", "", ""},
		{"a change", "POST", "/jamf/v1/software", client, "Java/17", "", ""},
		{"the page", "GET", "/", client, "Java/17", "", ""},
		{"loopback", "GET", "/jamf/v1/software", "127.0.0.1", "Java/17", "", ""},
		{"loopback over IPv6", "GET", "/jamf/v1/software", "::1", "Java/17", "", ""},
		{"this machine", "GET", "/jamf/v1/software", ownAddress(t), "Java/17", "", ""},
		{"patchsource doctor", "GET", "/jamf/v1/software", client, "patchsource-doctor", "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := open(t, server.Config{Store: memstore.New(), RootFeed: true, TrustedProxies: []string{"10.0.0.0/8"}})
			r := httptest.NewRequest(test.method, test.path, nil)
			r.RemoteAddr = net.JoinHostPort(test.from, "1234")
			r.Header.Set("User-Agent", test.agent)
			if test.forwarded != "" {
				r.Header.Set("X-Forwarded-For", test.forwarded)
			}
			s.ServeHTTP(httptest.NewRecorder(), r)
			read, ok := s.LastRead()
			switch {
			case ok != (test.want != ""):
				t.Errorf("the request counts: %v", ok)
			case ok && (read.Client.String() != test.want || read.UserAgent != test.agent ||
				read.Browser != strings.HasPrefix(test.agent, "Mozilla/")):
				t.Errorf("the read is %+v", read)
			}
		})
	}
}

// Of many requests, the last counts, except within a second, and that of a browser only if there are no others.
func TestLastOfManyReads(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s := open(t, server.Config{Store: memstore.New(), Now: func() time.Time { return now }})
	for _, test := range []struct {
		name, from, agent string
		later             time.Duration
		want              string
	}{
		{"a browser", "203.0.113.1", "Mozilla/5.0", 0, "203.0.113.1"},
		{"a client within a second", "203.0.113.2", "Java/17", 0, "203.0.113.2"},
		{"another one within a second", "203.0.113.3", "Java/17", 999 * time.Millisecond, "203.0.113.2"},
		{"another one after a second", "203.0.113.3", "Java/17", time.Millisecond, "203.0.113.3"},
		{"a browser again", "203.0.113.1", "Mozilla/5.0", time.Hour, "203.0.113.3"},
		{"a long name", "203.0.113.4", strings.Repeat("é", 300), time.Hour, "203.0.113.4"},
	} {
		now = now.Add(test.later)
		r := httptest.NewRequest("GET", "/jamf/v1/software", nil)
		r.RemoteAddr = net.JoinHostPort(test.from, "1234")
		r.Header.Set("User-Agent", test.agent)
		s.ServeHTTP(httptest.NewRecorder(), r)
		read, _ := s.LastRead()
		if read.Client.String() != test.want || len(read.UserAgent) > 200 {
			t.Errorf("%s: the last read is %+v, want one of %s", test.name, read, test.want)
		}
	}
}
