// Package limit bounds the requests of clients: how often they come, and how much they hold at once. A client is known
// by its address.
package limit

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/go-chi/chi/v5/middleware"
)

// An AddressFunc returns the address that a request comes from. An unknown address is the zero Addr.
type AddressFunc func(*http.Request) netip.Addr

// Address returns an AddressFunc that returns the address which the reverse proxies in these networks report, or that
// of the connection if there are none or they report none. It returns an error for a string that is no network.
func Address(proxies []string) (AddressFunc, error) {
	for _, network := range proxies {
		if _, err := netip.ParsePrefix(network); err != nil {
			return nil, fmt.Errorf(
				"the proxy %q is no network: add its mask, as in 10.0.0.0/8 or 192.0.2.1/32", network,
			)
		}
	}
	if len(proxies) == 0 {
		return peer, nil
	}
	forwarded := middleware.ClientIPFromXFF(proxies...)
	return func(r *http.Request) netip.Addr {
		if address := find(forwarded, r); address.IsValid() {
			return address
		}
		return peer(r)
	}, nil
}

// peer returns the address at the other end of the connection.
func peer(r *http.Request) netip.Addr {
	address, err := netip.ParseAddr(host(r.RemoteAddr))
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap()
}

// host returns the host of a host and a port. It returns a host without a port as it is, as tests have it.
func host(remote string) string {
	at := strings.LastIndexByte(remote, ':')
	if at > 0 && remote[0] != '[' && strings.IndexByte(remote[:at], ':') < 0 {
		return remote[:at] // of IPv4, as nearly always
	}
	if host, _, err := net.SplitHostPort(remote); err == nil {
		return host
	}
	return remote
}

// Text returns the address that a request comes from as text. Most texts are a part of the request's RemoteAddr, which
// stays the same while the connection lasts.
func Text(address netip.Addr, r *http.Request) string {
	var buffer [64]byte
	if name := host(r.RemoteAddr); address.IsValid() && name == string(address.AppendTo(buffer[:0])) {
		return name
	}
	return address.String()
}

// find returns the address that a middleware finds.
func find(middlewareOf func(http.Handler) http.Handler, r *http.Request) (address netip.Addr) {
	middlewareOf(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		address = middleware.GetClientIPAddr(r.Context())
	})).ServeHTTP(nil, r)
	return address
}

// Network returns the network that counts as one client: an IPv4 address, or a /64 of IPv6, which a site gives to one
// network. Clients whose address is unknown count as one.
func Network(address netip.Addr) netip.Prefix {
	bits := address.BitLen()
	if address.Is6() {
		bits = 64
	}
	network, _ := address.Prefix(bits)
	return network
}

// siteOf returns the /48 of an IPv6 address, which a provider gives to one customer and which has 65,536 networks.
func siteOf(address netip.Addr) (netip.Prefix, bool) {
	if !address.Is6() {
		return netip.Prefix{}, false
	}
	site, err := address.Prefix(48)
	return site, err == nil
}
