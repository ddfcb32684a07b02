package safehttp

import (
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"code.dny.dev/ssrf"
)

// privateNetworks returns the addresses that a lab has: private networks and this machine.
func privateNetworks() []netip.Prefix {
	var all []netip.Prefix
	for _, p := range []string{
		"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7",
	} {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// metadata are the addresses where clouds serve metadata to their machines. They are never contacted. Most clouds use
// a link-local address, which is not contacted either.
var metadata = []netip.Addr{
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google
}

// newGuardian returns a check of the addresses that may be contacted: those of the internet, without all that IANA
// has reserved for another purpose, and those of allow.
func newGuardian(allow []netip.Prefix) *ssrf.Guardian {
	var v4, v6 []netip.Prefix
	for _, p := range allow {
		if p.Addr().Is4() {
			v4 = append(v4, p)
		} else {
			v6 = append(v6, p)
		}
	}
	return ssrf.New(ssrf.WithAnyPort(), ssrf.WithAllowedV4Prefixes(v4...), ssrf.WithAllowedV6Prefixes(v6...))
}

// control is the Control function of a [net.Dialer]: it checks an address before it is connected to.
func (c *Client) control(network, address string, conn syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	if err := c.checkAddress(to.Addr()); err != nil {
		return err
	}
	return c.guard.Safe(network, address, conn)
}

// checkAddress reports why an address is not contacted.
func (c *Client) checkAddress(addr netip.Addr) error {
	if slices.Contains(metadata, addr.Unmap()) {
		return fmt.Errorf("%w: %s", ssrf.ErrProhibitedIP, addr)
	}
	return c.guard.SafeAddr(addr)
}
