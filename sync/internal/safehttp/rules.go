package safehttp

import (
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"code.dny.dev/ssrf"
)

// maxURLLength bounds a URL.
const maxURLLength = 2000

// needsPrivate says what to do about an address of a private network.
const needsPrivate = "addresses in private networks are not contacted " +
	"unless the server allows them (--allow-private-networks)"

// privateNetworks returns the addresses of a lab: private networks and this
// machine.
func privateNetworks() []netip.Prefix {
	var all []netip.Prefix
	for _, p := range []string{"10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "::1/128", "fc00::/7"} {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}

// metadata are addresses at which clouds answer their own machines, whatever else is
// allowed; the one that most of them have is link-local.
var metadata = []netip.Addr{
	netip.MustParseAddr("168.63.129.16"),   // Azure
	netip.MustParseAddr("100.100.100.200"), // Alibaba
	netip.MustParseAddr("fd00:ec2::254"),   // AWS
	netip.MustParseAddr("fd20:ce::254"),    // Google
}

// judge says why an address is not gone to.
func (c *Client) judge(addr netip.Addr) error {
	if slices.Contains(metadata, addr.Unmap()) {
		return fmt.Errorf("%w: %s", ssrf.ErrProhibitedIP, addr)
	}
	return c.guard.SafeAddr(addr)
}

// guardian says which addresses may be connected to: those of the internet, less
// all that IANA has given another purpose, and those of allow.
func guardian(allow []netip.Prefix) *ssrf.Guardian {
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

// Check reads a URL that a stranger has named, and refuses what can be refused
// without asking anybody: the rest shows when the connection is made. The error
// is [ErrRefused] and says what to do.
func (c *Client) Check(raw string) (*url.URL, error) {
	refuse := func(format string, args ...any) (*url.URL, error) {
		return nil, fmt.Errorf("%w: %s", ErrRefused, fmt.Sprintf(format, args...))
	}
	if len(raw) > maxURLLength {
		return refuse("the URL is longer than %d characters", maxURLLength)
	}
	u, err := url.Parse(raw)
	if err != nil {
		return refuse("it is no URL such as https://example.com/definition.json")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return refuse("the URL must begin with https:// or http://")
	case u.Opaque != "" || u.Hostname() == "":
		return refuse("the URL has no host")
	case u.User != nil:
		return refuse("the URL has a user name or a password in it: they would be shown to everybody")
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return refuse("%q is no port", p)
		}
	} else if strings.HasSuffix(u.Host, ":") {
		return refuse("the port is missing after the colon")
	}
	if err := c.checkHost(u.Hostname()); err != nil {
		return nil, err
	}
	return u, nil
}

// checkHost refuses hosts that are addresses which are not public, whatever way
// they are written, and names that always mean this machine or network.
func (c *Client) checkHost(host string) error {
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if addr, err := netip.ParseAddr(name); err == nil {
		if addr.Zone() != "" || c.judge(addr.Unmap()) != nil {
			return fmt.Errorf("%w: it is no public address%s", ErrRefused, c.remedy())
		}
		return nil
	}
	labels := strings.Split(name, ".")
	last := labels[len(labels)-1]
	switch {
	case strings.ContainsFunc(name, disguised):
		return fmt.Errorf("%w: it has digits or dots that only look like those of an address", ErrRefused)
	case name == "":
		return fmt.Errorf("%w: the URL has no host", ErrRefused)
	case isNumber(last):
		// Some resolvers take 0x7f.1 and 2130706433 for 127.0.0.1. No name of the
		// internet ends in a number (the URL standard's rule).
		return fmt.Errorf("%w: an address is written as four numbers", ErrRefused)
	case !c.private && (len(labels) == 1 || last == "localhost" || last == "local" || last == "internal" || strings.HasSuffix(name, ".home.arpa")):
		return fmt.Errorf("%w: it is a name in a private network%s", ErrRefused, c.remedy())
	}
	return nil
}

// remedy returns what to add to the refusal of an address that is not public. It is
// the same for every address, so that a stranger learns nothing about a name.
func (c *Client) remedy() string {
	if c.private {
		return ": link-local and reserved addresses are never contacted"
	}
	return ": " + needsPrivate
}

// disguised reports whether r becomes a digit or a dot when a name is brought into
// the form that is looked up (RFC 5891, UTS 46).
func disguised(r rune) bool {
	return r > unicode.MaxASCII && unicode.IsNumber(r) || strings.ContainsRune("\u3002\uff0e\uff61", r)
}

// isNumber reports whether a label is a number, as C has them.
func isNumber(label string) bool {
	hex, isHex := strings.CutPrefix(label, "0x")
	if isHex {
		return strings.Trim(hex, "0123456789abcdef") == ""
	}
	return label != "" && strings.Trim(label, "0123456789") == ""
}
