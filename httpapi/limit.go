package httpapi

import (
	"fmt"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/go-chi/chi/v5/middleware"
	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

const (
	// DefaultRateLimit is how many limited requests a client address may make in
	// an hour when [Options] says nothing else.
	DefaultRateLimit = 60
	// DefaultLintLimit is how many definitions a client address may have checked in an hour without a token when
	// [Options] says nothing else.
	DefaultLintLimit = 600
	// mostAddresses is how many addresses are remembered; the one that was seen
	// longest ago is forgotten first.
	mostAddresses = 10_000
)

// A limiter counts requests by client address, in bounded memory.
type limiter struct {
	perHour int // negative: no limit
	client  func(*http.Request) netip.Addr

	mu        sync.Mutex
	addresses *simplelru.LRU[netip.Prefix, *rate.Limiter]
}

func newLimiter(perHour int, client func(*http.Request) netip.Addr) *limiter {
	l := &limiter{perHour: perHour, client: client}
	l.addresses, _ = simplelru.NewLRU[netip.Prefix, *rate.Limiter](
		mostAddresses,
		nil,
	) // the error is about a size that is not positive
	return l
}

// allow counts a request. The error is a *LimitedError.
func (l *limiter) allow(r *http.Request) error {
	if l.perHour < 0 {
		return nil
	}
	client := l.client(r)
	after := l.take(networkOf(client), 1)
	if site, ok := siteOf(client); ok && after == 0 {
		after = l.take(site, clientsOfSite)
	}
	if after > 0 {
		return &LimitedError{After: after}
	}
	return nil
}

// take counts a request of a network that may make times as many as an address. It returns how long the network has
// to wait, zero if the request may be made.
func (l *limiter) take(network netip.Prefix, times int) time.Duration {
	l.mu.Lock()
	limit, ok := l.addresses.Get(network)
	if !ok {
		perHour := l.perHour * times
		limit = rate.NewLimiter(rate.Every(time.Hour/time.Duration(perHour)), max(1, perHour/3))
		l.addresses.Add(network, limit)
	}
	l.mu.Unlock()
	reservation := limit.Reserve()
	after := reservation.Delay()
	if after > 0 {
		reservation.Cancel()
	}
	return after
}

// networkOf is what counts as one client: an IPv4 address, or a /64 of IPv6, which is what a site gives to one
// network. Clients whose address is not known count as one.
func networkOf(address netip.Addr) netip.Prefix {
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits)
	return network
}

// clientsOfSite is how many clients' worth of requests a /48 of IPv6 may make: it is what one customer is given, and
// has 65,536 networks.
const clientsOfSite = 16

// siteOf returns the /48 of an IPv6 address.
func siteOf(address netip.Addr) (netip.Prefix, bool) {
	if !address.Is6() {
		return netip.Prefix{}, false
	}
	site, err := address.Prefix(48)
	return site, err == nil
}

// clientAddress returns a function that returns the address a request comes from: the one that the reverse proxies in
// these networks report, or that of the connection if there are none or they report none. An unknown address is the zero
// Addr. It returns an error for what is no network.
func clientAddress(proxies []string) (func(*http.Request) netip.Addr, error) {
	for _, network := range proxies {
		if _, err := netip.ParsePrefix(network); err != nil {
			return nil, fmt.Errorf(
				"httpapi: TrustedProxies: %q is no network: write it with its mask, such as 10.0.0.0/8 or 192.0.2.1/32",
				network,
			)
		}
	}
	ask := func(find func(http.Handler) http.Handler, r *http.Request) (address netip.Addr) {
		find(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			address, _ = netip.ParseAddr(middleware.GetClientIP(r.Context()))
		})).ServeHTTP(nil, r)
		return address
	}
	if len(proxies) == 0 {
		return func(r *http.Request) netip.Addr { return ask(middleware.ClientIPFromRemoteAddr, r) }, nil
	}
	forwarded := middleware.ClientIPFromXFF(proxies...)
	return func(r *http.Request) netip.Addr {
		if address := ask(forwarded, r); address.IsValid() {
			return address
		}
		return ask(middleware.ClientIPFromRemoteAddr, r)
	}, nil
}
