package server

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/limit"
)

// A Read is a request for a list of titles, as Jamf Pro makes one again and again.
type Read struct {
	At time.Time
	// Client is the address of the client, as Config.TrustedProxies report it.
	Client netip.Addr
	// UserAgent is what the client calls itself, shortened. Nothing checks it.
	UserAgent string
	// Browser reports whether the client calls itself a web browser.
	Browser bool
}

// LastRead returns the last request for a list of titles that this server has answered since it was opened, and false
// if there was none. Requests from this machine, and from programs of this project, do not count; those of browsers
// count only if there are no others. Of requests within a second, it knows only the first one.
func (s *Server) LastRead() (Read, bool) {
	for _, last := range []*Read{s.reads.other.Load(), s.reads.browser.Load()} {
		if last != nil {
			return *last, true
		}
	}
	return Read{}, false
}

// reads remembers the last request for a list. Requests for lists are nearly all requests, so it writes at most once a
// second.
type reads struct {
	client         limit.AddressFunc
	own            map[netip.Addr]bool // the addresses of this machine
	now            func() time.Time
	browser, other atomic.Pointer[Read]
	second         atomic.Int64 // the Unix time of the last request of any client; 0 if there was none
}

const (
	// readInterval is the time in which at most one request is remembered.
	readInterval = time.Second
	// maxUserAgent limits the length of a User-Agent that is remembered.
	maxUserAgent = 200
	// ownUserAgent begins the User-Agents of the programs of this project.
	ownUserAgent = "patchsource"
)

// newReads returns a reads that knows no request yet.
func newReads(c *Config) (*reads, error) {
	client, err := limit.Address(c.TrustedProxies)
	if err != nil {
		return nil, err
	}
	r := &reads{client: client, own: map[netip.Addr]bool{}, now: c.Now}
	addresses, _ := net.InterfaceAddrs() // without them, requests of this machine count unless they are for loopback
	for _, a := range addresses {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil {
			r.own[prefix.Addr().Unmap()] = true
		}
	}
	return r, nil
}

// note remembers a request that was answered with a list.
func (r *reads) note(req *http.Request) {
	agent := req.UserAgent()
	last, browser := &r.other, strings.HasPrefix(agent, "Mozilla/") // as every browser says
	if browser {
		last = &r.browser
	}
	now := r.now()
	if second := now.Unix(); r.second.Load() != second {
		r.second.Store(second)
	}
	if before := last.Load(); before != nil && now.Sub(before.At) < readInterval {
		return
	}
	client := r.client(req)
	here := !client.IsValid() || client.IsLoopback() || r.own[client.WithZone("")]
	if here || strings.HasPrefix(agent, ownUserAgent) {
		return
	}
	agent = strings.ToValidUTF8(agent[:min(len(agent), maxUserAgent)], "")
	last.Store(&Read{At: now, Client: client, UserAgent: strings.Clone(agent), Browser: browser})
}
