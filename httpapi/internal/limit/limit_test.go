package limit_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/go-chi/chi/v5/middleware"

	"github.com/patchsource/patchsource/httpapi/internal/limit"
)

func ExampleAddress() {
	address, err := limit.Address([]string{"10.0.0.0/8"})
	if err != nil {
		fmt.Println(err)
		return
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr = "10.0.0.1:1234"
	r.Header.Set("X-Forwarded-For", "203.0.113.9, 10.0.0.2")
	fmt.Println(address(r))

	_, err = limit.Address([]string{"10.0.0.1"})
	fmt.Println(err)
	// Output:
	// 203.0.113.9
	// the proxy "10.0.0.1" is no network: add its mask, as in 10.0.0.0/8 or 192.0.2.1/32
}

// Without proxies, the address is that of the connection, as the middleware of chi finds it.
func TestPeer(t *testing.T) {
	address, err := limit.Address(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, remote := range []string{
		"192.0.2.1:1234", "192.0.2.1", "192.0.2.1:", "[2001:db8::1]:80", "2001:db8::1", "[::ffff:192.0.2.1]:80",
		"[2001:db8:0:0:0:0:0:1]:80", "[fe80::1%eth0]:80", "[192.0.2.1]:80", "", ":80", "pipe", "@", "a:b:c", "[::1",
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		var want string
		middleware.ClientIPFromRemoteAddr(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			want = middleware.GetClientIPAddr(r.Context()).String()
		})).ServeHTTP(nil, r)
		if got := address(r).String(); got != want {
			t.Errorf("%q: got the address %s, want %s", remote, got, want)
		}
		if got := limit.Text(address(r), r); got != want {
			t.Errorf("%q: got the text %s, want %s", remote, got, want)
		}
	}
}

// FuzzForwarded checks that the address which proxies report is the one that the middleware of chi finds.
func FuzzForwarded(f *testing.F) {
	f.Add("10.0.0.1:80", "203.0.113.9", "")
	f.Add("192.0.2.1:80", "203.0.113.9", "")
	f.Add("10.0.0.1:80", "198.51.100.1, 203.0.113.9,10.0.0.2", " , 10.0.0.3,")
	f.Add("10.0.0.1:80", "203.0.113.9, unknown", "10.0.0.2")
	f.Add("[::ffff:10.0.0.1]:80", "::ffff:203.0.113.9", "::ffff:10.1.2.3")
	f.Add("[fe80::1%eth0]:80", "fe80::2%eth0, fe81::1", ",")
	f.Add("pipe", "203.0.113.9", "")
	f.Add("10.0.0.1:80", "", "10.0.0.2")
	f.Add("0.0.2.1:]", "203.0.113.9", "")
	f.Add("10.0.0.1:80", ",203.0.113.9:80", "")
	proxies := []string{"10.0.0.0/8", "fe80::/16"}
	address, err := limit.Address(proxies)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, remote, first, second string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = remote
		r.Header["X-Forwarded-For"] = []string{first, second}
		var want netip.Addr
		found := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			want = middleware.GetClientIPAddr(r.Context())
		})
		middleware.ClientIPFromXFF(proxies...)(found).ServeHTTP(nil, r)
		if !want.IsValid() {
			middleware.ClientIPFromRemoteAddr(found).ServeHTTP(nil, r)
		}
		if got := address(r); got != want {
			t.Errorf("%q, %q, %q: got the address %s, want %s", remote, first, second, got, want)
		}
	})
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.1":         "192.0.2.1/32",
		"2001:db8:1:2:3::4": "2001:db8:1:2::/64",
	} {
		if got := limit.Network(netip.MustParseAddr(address)); got.String() != want {
			t.Errorf("%s is of the network %s, want %s", address, got, want)
		}
	}
	if got := limit.Network(netip.Addr{}); got != (netip.Prefix{}) {
		t.Errorf("an unknown address is of the network %s", got)
	}
}

func TestRate(t *testing.T) {
	address, err := limit.Address(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", "/", nil)
	few, all := limit.NewRate(3, address), limit.NewRate(-1, address)
	if after := few.Take(r); after != 0 {
		t.Errorf("the first request has to wait for %v", after)
	}
	if after := few.Take(r); after < 10*time.Minute || after > 20*time.Minute {
		t.Errorf("the second request has to wait for %v, want about 20 minutes", after)
	}
	for range 100 {
		if after := all.Take(r); after != 0 {
			t.Fatalf("without a limit, a request has to wait for %v", after)
		}
	}
}

func TestShare(t *testing.T) {
	one, two := netip.MustParsePrefix("192.0.2.1/32"), netip.MustParsePrefix("192.0.2.2/32")
	three := netip.MustParsePrefix("192.0.2.3/32")
	s := limit.NewShare(4, 2, 0)
	enter := func(client netip.Prefix, n int64, want error) (leave func()) {
		t.Helper()
		leave, err := s.Enter(t.Context(), client, n)
		if !errors.Is(err, want) {
			t.Errorf("%s takes %d: got error %v, want %v", client, n, err, want)
		}
		return leave
	}
	leave := enter(one, 100, nil) // it gets as much as a client may hold
	enter(one, 1, limit.ErrBusy)
	enter(two, 2, nil)
	enter(three, 1, limit.ErrBusy)
	leave()
	leave() // the second call does nothing
	enter(three, 2, nil)
	enter(one, 1, limit.ErrBusy)
}

// A call that waits ends with its context.
func TestShareWaits(t *testing.T) {
	client := netip.MustParsePrefix("192.0.2.1/32")
	s := limit.NewShare(1, 1, time.Hour)
	leave, err := s.Enter(t.Context(), client, 1)
	if err != nil {
		t.Fatal(err)
	}
	gone := errors.New("the client is gone")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(gone)
	if _, err := s.Enter(ctx, client, 1); !errors.Is(err, gone) {
		t.Errorf("got error %v, want %v", err, gone)
	}
	entered := make(chan error)
	go func() {
		_, err := s.Enter(t.Context(), client, 1)
		entered <- err
	}()
	leave()
	if err := <-entered; err != nil {
		t.Errorf("after the other one has left: %v", err)
	}
}
