package limit

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
	"golang.org/x/time/rate"
)

const (
	// maxAddresses bounds the addresses that are remembered. The one that was seen longest ago is forgotten first.
	maxAddresses = 10_000
	// clientsPerSite is how many clients' requests a site of IPv6 may make.
	clientsPerSite = 16
)

// A Rate limits the requests of each client, in bounded memory. It is safe for concurrent use.
type Rate struct {
	perHour int // negative: no limit
	address AddressFunc

	mu        sync.Mutex
	addresses *simplelru.LRU[netip.Prefix, *rate.Limiter]
}

// NewRate returns a limit of so many requests per hour, and no limit if it is negative.
func NewRate(perHour int, address AddressFunc) *Rate {
	l := &Rate{perHour: perHour, address: address}
	l.addresses, _ = simplelru.NewLRU[netip.Prefix, *rate.Limiter](maxAddresses, nil) // it fails for a negative size
	return l
}

// Take counts a request. It returns the time that the client has to wait, and 0 if the request is allowed.
func (l *Rate) Take(r *http.Request) time.Duration {
	if l.perHour < 0 {
		return 0
	}
	client := l.address(r)
	after := l.take(Network(client), 1)
	if site, ok := siteOf(client); ok && after == 0 {
		after = l.take(site, clientsPerSite)
	}
	return after
}

// take counts a request of a network of so many clients.
func (l *Rate) take(network netip.Prefix, clients int) time.Duration {
	l.mu.Lock()
	limiter, ok := l.addresses.Get(network)
	if !ok {
		perHour := l.perHour * clients
		limiter = rate.NewLimiter(rate.Every(time.Hour/time.Duration(perHour)), max(1, perHour/3))
		l.addresses.Add(network, limiter)
	}
	l.mu.Unlock()
	reservation := limiter.Reserve()
	after := reservation.Delay()
	if after > 0 {
		reservation.Cancel()
	}
	return after
}
