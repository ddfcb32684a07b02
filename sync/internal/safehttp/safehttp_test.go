package safehttp

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// In these tests, the loopback network takes the place of the internet: 127.0.0.2 is a public address, and 127.0.0.1
// is an address in the private network.
const public, inside = "127.0.0.2", "127.0.0.1"

// newClient returns a Client for which the address public is a public one.
func newClient(t *testing.T, opts Options) *Client {
	t.Helper()
	opts.allow = []netip.Prefix{netip.MustParsePrefix(public + "/32")}
	c := New(&opts)
	t.Cleanup(c.Close)
	return c
}

// serve runs a server at an address of this machine and returns its port.
func serve(t *testing.T, address string, h http.HandlerFunc) (port string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(h)
	_ = s.Listener.Close()
	s.Listener = l
	s.Start()
	t.Cleanup(s.Close)
	_, port, _ = net.SplitHostPort(l.Addr().String())
	return port
}

// newResolver returns a resolver that answers each question for an A record with the addresses that answers returns.
func newResolver(t *testing.T, answers func(name string) []string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(dnsAnswer(buf[:n], answers), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

// dnsAnswer returns the reply to a question (RFC 1035, section 4).
func dnsAnswer(question []byte, answers func(name string) []string) []byte {
	end := 12
	var labels []string
	for question[end] != 0 {
		labels = append(labels, string(question[end+1:end+1+int(question[end])]))
		end += 1 + int(question[end])
	}
	end += 5
	var addresses []string
	if binary.BigEndian.Uint16(question[end-4:]) == 1 { // A
		addresses = answers(strings.Join(labels, "."))
	}
	reply := bytes.Clone(question[:end])
	binary.BigEndian.PutUint16(reply[2:], 0x8180)
	binary.BigEndian.PutUint16(reply[6:], uint16(len(addresses)))
	binary.BigEndian.PutUint32(reply[8:], 0)
	for _, a := range addresses {
		reply = append(reply, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
		reply = append(reply, netip.MustParseAddr(a).AsSlice()...)
	}
	return reply
}

// listenOnBoth listens on the public and on the private address, at the same port.
func listenOnBoth(t *testing.T) (outer, inner net.Listener, port string) {
	t.Helper()
	for inner == nil {
		var err error
		if outer, err = net.Listen("tcp", public+":0"); err != nil {
			t.Fatal(err)
		}
		_, port, _ = net.SplitHostPort(outer.Addr().String())
		if inner, err = net.Listen("tcp", inside+":"+port); err != nil {
			_ = outer.Close()
		}
	}
	t.Cleanup(func() { _ = inner.Close() })
	t.Cleanup(func() { _ = outer.Close() })
	return outer, inner, port
}

// A name that resolves to a public address when it is checked, and to a private one when it is connected to, is
// refused.
func TestNameThatChanges(t *testing.T) {
	var reached atomic.Int32
	outer, inner, port := listenOnBoth(t)
	go func() {
		_ = http.Serve(outer, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Connection", "close") // so that the next request resolves the name again
			_, _ = io.WriteString(w, "public")
		}))
	}()
	go func() {
		_ = http.Serve(inner, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	}()

	var lookups atomic.Int32
	c := newClient(t, Options{Resolver: newResolver(t, func(name string) []string {
		switch name {
		case "rebinds.example":
			if lookups.Add(1) > 1 {
				return []string{inside}
			}
			return []string{public}
		case "both.example": // a client that fails at the first must not try the second
			return []string{inside, public}
		case "inside.example":
			return []string{inside}
		}
		return nil
	})})
	get := func(host string) (string, error) {
		r, err := c.Do(t.Context(), Request{URL: "http://" + host + ":" + port + "/"})
		if err != nil {
			return "", err
		}
		return string(r.Body), nil
	}
	if body, err := get("rebinds.example"); err != nil || body != "public" {
		t.Fatalf("%q, %v", body, err)
	}
	if _, err := get("rebinds.example"); !errors.Is(err, ErrRefused) {
		t.Errorf("second request: %v, want ErrRefused", err)
	}
	if body, err := get("both.example"); err == nil && body != "public" {
		t.Errorf("a name with two addresses: got %q", body)
	}
	_, private := get("inside.example")
	_, missing := get("missing.example")
	if !errors.Is(private, ErrRefused) || !errors.Is(missing, ErrRefused) || private.Error() != missing.Error() {
		t.Errorf("the error of a private name (%v) differs from that of a missing one (%v)", private, missing)
	}
	if n := reached.Load(); n != 0 {
		t.Errorf("the private address got %d requests", n)
	}
}

// Redirects are followed within bounds, and each address is checked.
func TestRedirects(t *testing.T) {
	var reached atomic.Int32
	inner := serve(t, inside+":0", func(http.ResponseWriter, *http.Request) { reached.Add(1) })
	var referer atomic.Pointer[string]
	mux := http.NewServeMux()
	port := serve(t, public+":0", mux.ServeHTTP)
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", r.URL.Query().Get("u"))
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/hop/", func(w http.ResponseWriter, r *http.Request) {
		var n int
		_, _ = fmt.Sscanf(r.URL.Path, "/hop/%d", &n)
		if n == 0 {
			h := r.Header.Get("Referer")
			referer.Store(&h)
			_, _ = io.WriteString(w, "end")
			return
		}
		http.Redirect(w, r, fmt.Sprintf("/hop/%d", n-1), http.StatusFound)
	})
	c := newClient(t, Options{})
	base := "http://" + public + ":" + port
	for _, test := range []struct {
		name, url string
		ok        bool
	}{
		{"five hops", base + "/hop/5?secret", true},
		{"six hops", base + "/hop/6", false},
		{"to a private address", base + "/to?u=http://" + inside + ":" + inner, false},
		{"to another scheme", base + "/to?u=file:///etc/passwd", false},
		{"with a password", base + "/to?u=http://u:p@" + public + ":" + port, false},
		{"to nothing", base + "/to", false},
	} {
		r, err := c.Do(t.Context(), Request{URL: test.url})
		if test.ok != (err == nil && r.Status == 200) {
			t.Errorf("%s: %+v, %v", test.name, r, err)
		}
	}
	if reached.Load() != 0 {
		t.Error("the private address got a request")
	}
	if r := referer.Load(); r == nil || *r != "" {
		t.Errorf("Referer is %v, want none", r)
	}
}

// gzipped returns data compressed.
func gzipped(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data)
	_ = z.Close()
	return b.Bytes()
}

// The size, the encoding and the duration of an answer are bounded.
func TestBounds(t *testing.T) {
	const limit = 10_000
	body := func(data []byte, header ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			_, _ = w.Write(data)
		}
	}
	for _, test := range []struct {
		name string
		h    http.HandlerFunc
		err  error // nil: none, or any error if want is empty
		want string
	}{
		{"plain", body([]byte("x")), nil, "x"},
		{"gzip", body(gzipped([]byte("x")), "Content-Encoding", "gzip"), nil, "x"},
		{"as large as the limit", body(make([]byte, limit)), nil, string(make([]byte, limit))},
		{"a byte more than the limit", body(make([]byte, limit+1)), ErrTooLarge, ""},
		{"a byte more, compressed", body(gzipped(make([]byte, limit+1)), "Content-Encoding", "gzip"), ErrTooLarge, ""},
		{"a compression bomb", body(gzipped(make([]byte, 50<<20)), "Content-Encoding", "gzip"), ErrTooLarge, ""},
		{"an endless body", func(w http.ResponseWriter, _ *http.Request) {
			for {
				if _, err := w.Write(make([]byte, 4096)); err != nil {
					return
				}
			}
		}, ErrTooLarge, ""},
		{"truncated gzip", body(gzipped(bytes.Repeat([]byte("abc"), 100))[:20], "Content-Encoding", "gzip"), nil, ""},
		{"invalid gzip", body([]byte("x"), "Content-Encoding", "gzip"), nil, ""},
		{"an encoding that was not requested", body([]byte("x"), "Content-Encoding", "br"), nil, ""},
		{"a slow body", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("x"))
				_ = http.NewResponseController(w).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, ErrTimeout, ""},
		{"no answer", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, ErrTimeout, ""},
		{"a huge header", body(nil, "X", strings.Repeat("x", 100<<10)), nil, ""},
		{"a broken connection", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, nil, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			port := serve(t, public+":0", test.h)
			timeout := time.Minute // enough for a slow machine; an answer that is slow on purpose gets less
			if test.err == ErrTimeout {
				timeout = 100 * time.Millisecond
			}
			c := newClient(t, Options{MaxBytes: limit, Timeout: timeout, UserAgent: "test"})
			r, err := c.Do(t.Context(), Request{URL: "http://" + public + ":" + port})
			if test.want != "" {
				if err != nil || string(r.Body) != test.want {
					t.Errorf("%v, %v", r, err)
				}
				return
			}
			if err == nil || test.err != nil && !errors.Is(err, test.err) {
				t.Errorf("%v, want %v", err, test.err)
			}
		})
	}
}

// A request has the User-Agent, asks for gzip and keeps the caller's header.
func TestRequestHeader(t *testing.T) {
	var seen http.Header
	port := serve(t, public+":0", func(w http.ResponseWriter, r *http.Request) {
		seen = r.Header
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusNotModified)
	})
	c := newClient(t, Options{UserAgent: "patchsource/test (+https://example.com)"})
	r, err := c.Do(
		t.Context(),
		Request{URL: "http://" + public + ":" + port, Header: http.Header{"If-None-Match": {`"x"`}}},
	)
	if err != nil || r.Status != http.StatusNotModified {
		t.Fatalf("%+v, %v", r, err)
	}
	if seen.Get("User-Agent") != "patchsource/test (+https://example.com)" || seen.Get("Accept-Encoding") != "gzip" ||
		seen.Get("If-None-Match") != `"x"` {
		t.Errorf("%v", seen)
	}
}

// A redirect from https to http is refused.
func TestNoDowngrade(t *testing.T) {
	for to, ok := range map[string]bool{"https://other.example/": true, "http://other.example/": false} {
		c := New(&Options{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			res := &http.Response{StatusCode: 302, Header: http.Header{"Location": {to}}, Body: http.NoBody, Request: r}
			if r.URL.Host == "other.example" {
				res.StatusCode = 200
			}
			return res, nil
		})})
		if _, err := c.Do(t.Context(), Request{URL: "https://first.example/"}); (err == nil) != ok {
			t.Errorf("redirect to %s: %v", to, err)
		}
	}
}

// A roundTripper is an [http.RoundTripper] that is a function.
type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements [http.RoundTripper].
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A request can have its own limit, its own User-Agent, and keep redirects; what the client has is never exceeded.
func TestOwnRequest(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("/body", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 100)+r.UserAgent())
	})
	mux.HandleFunc("/to", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+inside+"/private", http.StatusFound)
	})
	base := "http://" + public + ":" + serve(t, public+":0", mux.ServeHTTP)
	c := newClient(t, Options{MaxBytes: 200, UserAgent: "own"})
	for _, test := range []struct {
		name   string
		q      Request
		status int // 0: an error
		body   string
	}{
		{"the client's limit", Request{URL: base + "/body"}, 200, strings.Repeat("x", 100) + "own"},
		{"a lower limit", Request{URL: base + "/body", MaxBytes: 50}, 0, ""},
		{"a higher limit", Request{URL: base + "/body", MaxBytes: 1000,
			Header: http.Header{"User-Agent": {strings.Repeat("y", 200)}}}, 0, ""},
		{"a User-Agent", Request{URL: base + "/body", Header: http.Header{"User-Agent": {"curl"}}}, 200,
			strings.Repeat("x", 100) + "curl"},
		{"HEAD", Request{URL: base + "/body", Method: http.MethodHead, MaxBytes: 50}, 200, ""},
		{"a redirect", Request{URL: base + "/to"}, 0, ""},
		{"a redirect that is kept", Request{URL: base + "/to", KeepRedirects: true, IgnoreBody: true}, 302, ""},
	} {
		r, err := c.Do(t.Context(), test.q)
		if test.status == 0 {
			if err == nil {
				t.Errorf("%s: no error", test.name)
			}
			continue
		}
		if err != nil || r.Status != test.status || string(r.Body) != test.body {
			t.Errorf("%s: %+v, %v", test.name, r, err)
		}
	}
}
