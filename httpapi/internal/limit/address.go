// Package limit bounds the requests of clients: how often they come, and how much they hold at once. A client is known
// by its address.
package limit

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// An AddressFunc returns the address that a request comes from. An unknown address is the zero Addr.
type AddressFunc func(*http.Request) netip.Addr

// Address returns an AddressFunc that returns the address which the reverse proxies in these networks report, or that
// of the connection if there are none or they report none. It returns an error for a string that is no network.
func Address(proxies []string) (AddressFunc, error) {
	trusted := make(networks, 0, len(proxies))
	for _, proxy := range proxies {
		network, err := netip.ParsePrefix(proxy)
		if err != nil {
			return nil, fmt.Errorf(
				"the proxy %q is no network: add its mask, as in 10.0.0.0/8 or 192.0.2.1/32", proxy,
			)
		}
		trusted = append(trusted, network)
	}
	if len(trusted) == 0 {
		return peer, nil
	}
	return trusted.client, nil
}

// networks are those of trusted proxies.
type networks []netip.Prefix

// client returns the address that the proxies report: the last one in X-Forwarded-For that is not of a proxy, since
// each proxy appends the address that it was called from. It is that of the connection if this is no proxy, or if they
// report none.
func (n networks) client(r *http.Request) netip.Addr {
	from := peer(r)
	if !n.contain(from.WithZone("")) {
		return from
	}
	for _, line := range slices.Backward(r.Header["X-Forwarded-For"]) {
		for line != "" {
			at := strings.LastIndexByte(line, ',')
			text := strings.TrimSpace(line[at+1:])
			line = line[:max(at, 0)]
			if text == "" {
				continue
			}
			address, err := netip.ParseAddr(text)
			if err != nil {
				return from // whatever comes before it cannot be trusted
			}
			if address = address.Unmap().WithZone(""); !n.contain(address) {
				return address
			}
		}
	}
	return from
}

// contain reports whether an address is in one of the networks.
func (n networks) contain(address netip.Addr) bool {
	return slices.ContainsFunc(n, func(one netip.Prefix) bool { return one.Contains(address) })
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
	if at > 0 && strings.IndexByte(remote[:at], ':') < 0 && !strings.ContainsAny(remote, "[]") {
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
