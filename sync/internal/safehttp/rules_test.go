package safehttp

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

// Every notation of an address that is not public is refused without a lookup.
func TestCheck(t *testing.T) {
	open, lab := New(nil), New(&Options{AllowPrivate: true})
	for _, c := range []struct {
		url          string
		public, labs bool // whether a client on the internet, and one in a lab, may contact it
	}{
		{"https://example.com/d.json", true, true},
		{"http://example.com", true, true},
		{"https://example.com:8443/d?x=y#z", true, true},
		{"https://EXAMPLE.com./d.json", true, true},
		{"https://bücher.example/d.json", true, true},
		{"https://xn--bcher-kva.example/d.json", true, true},
		{"https://1.2.3.4.example.com/", true, true},
		{"https://93.184.215.14/d.json", true, true},
		{"https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/", true, true},
		{"https://[::ffff:93.184.215.14]/", true, true}, // the connection goes to 93.184.215.14
		// This machine.
		{"http://127.0.0.1/", false, true},
		{"http://127.0.0.1./", false, true},
		{"http://127.255.255.254:8080/", false, true},
		{"http://localhost/", false, true},
		{"http://LOCALHOST./", false, true},
		{"http://a.localhost/", false, true},
		{"http://[::1]/", false, true},
		{"http://[0:0:0:0:0:0:0:1]/", false, true},
		{"http://[::ffff:127.0.0.1]/", false, true},
		{"http://[::ffff:7f00:1]/", false, true},
		{"http://[::127.0.0.1]/", false, false},
		{"http://0.0.0.0/", false, false},
		{"http://0.1.2.3/", false, false},
		{"http://[::]/", false, false},
		// Other notations of 127.0.0.1.
		{"http://127.1/", false, false},
		{"http://0x7f.1/", false, false},
		{"http://0x7f000001/", false, false},
		{"http://2130706433/", false, false},
		{"http://017700000001/", false, false},
		{"http://0177.0.0.1/", false, false},
		{"http://127.0.0.0x1/", false, false},
		{"http://127.0.0.1.0/", false, false},
		{"http://256.256.256.256/", false, false},
		{"http://%31%32%37.0.0.1/", false, false},
		{"http://①②⑦.⓪.⓪.①/", false, false},
		{"http://127。0。0。1/", false, false},
		// Private networks.
		{"http://10.0.0.1/", false, true},
		{"http://10.255.255.255/", false, true},
		{"http://172.16.0.1/", false, true},
		{"http://172.31.255.255/", false, true},
		{"http://172.32.0.1/", true, true},
		{"http://192.168.1.1/", false, true},
		{"http://100.64.0.1/", false, true},
		{"http://100.127.255.255/", false, true},
		{"http://100.128.0.1/", true, true},
		{"http://[fc00::1]/", false, true},
		{"http://[fd12:3456::1]/", false, true},
		{"http://[::ffff:10.0.0.1]/", false, true},
		// Link-local addresses, and those where clouds serve metadata.
		{"http://169.254.169.254/latest/meta-data/", false, false},
		{"http://169.254.1.1/", false, false},
		{"http://[fe80::1]/", false, false},
		{"http://[fe80::1%25eth0]/", false, false},
		{"http://[fd00:ec2::254]/", false, false},
		{"http://100.100.100.200/", false, false},
		{"http://168.63.129.16/", false, false},
		{"http://[::ffff:169.254.169.254]/", false, false},
		{"http://metadata.google.internal/", false, true}, // its address is refused when the connection is made
		{"http://metadata/", false, true},
		{"http://arpa/", false, true},
		{"http://printer.local/", false, true},
		{"http://nas.home.arpa/", false, true},
		// Multicast, broadcast, reserved and documentation addresses.
		{"http://224.0.0.1/", false, false},
		{"http://239.255.255.250/", false, false},
		{"http://[ff02::1]/", false, false},
		{"http://255.255.255.255/", false, false},
		{"http://240.0.0.1/", false, false},
		{"http://192.0.2.1/", false, false},
		{"http://198.51.100.1/", false, false},
		{"http://203.0.113.1/", false, false},
		{"http://198.18.0.1/", false, false},
		{"http://192.0.0.1/", false, false},
		{"http://192.88.99.1/", false, false},
		{"http://[2001:db8::1]/", false, false},
		{"http://[3fff::1]/", false, false},
		{"http://[100::1]/", false, false},
		// IPv4 addresses in IPv6 addresses.
		{"http://[64:ff9b::127.0.0.1]/", false, false},
		{"http://[64:ff9b::a9fe:a9fe]/", false, false},
		{"http://[64:ff9b:1::a00:1]/", false, false},
		{"http://[2002:7f00:1::]/", false, false},
		{"http://[2002:a9fe:a9fe::1]/", false, false},
		{"http://[2001:0:7f00:1::]/", false, false},
		{"http://[::ffff:0:127.0.0.1]/", false, false},
		{"http://[fec0::1]/", false, false},
		// URLs that cannot be fetched.
		{"ftp://example.com/d.json", false, false},
		{"file:///etc/passwd", false, false},
		{"gopher://example.com/", false, false},
		{"javascript:alert(1)", false, false},
		{"data:,x", false, false},
		{"unix:///var/run/docker.sock", false, false},
		{"//example.com/d.json", false, false},
		{"example.com/d.json", false, false},
		{"nonsense", false, false},
		{"", false, false},
		{"http://", false, false},
		{"http:///d.json", false, false},
		{"http://:80/", false, false},
		{"http:example.com", false, false},
		{"http://user@example.com/", false, false},
		{"http://user:pw@example.com/", false, false},
		{"http://example.com@127.0.0.1/", false, false},
		{"http://user:pw@[::1/x", false, false},
		{"http://example.com:0/", false, false},
		{"http://example.com:70000/", false, false},
		{"http://example.com:/", false, false},
		{"http://exa mple.com/", false, false},
		{"http://example.com/\x00", false, false},
		{"http://example.com\r\nHost: x/", false, false},
		{"http://[::1]%23.example.com/", false, false},
		{"https://example.com/" + strings.Repeat("x", 2000), false, false},
	} {
		for name, at := range map[string]struct {
			client *Client
			may    bool
		}{"public": {open, c.public}, "lab": {lab, c.labs}} {
			_, err := at.client.Check(c.url)
			if (err == nil) != at.may {
				t.Errorf("%s: %q: %v, want allowed: %v", name, c.url, err, at.may)
			}
			if err != nil && !errors.Is(err, ErrRefused) {
				t.Errorf("%q: %v is not ErrRefused", c.url, err)
			}
		}
	}
}

// The address is checked again when the connection is made.
func TestControl(t *testing.T) {
	c := New(nil)
	for address, may := range map[string]bool{
		"93.184.215.14:443": true, "8.8.8.8:1": true, "[2606:4700::1111]:443": true,
		"127.0.0.1:80": false, "10.1.2.3:80": false, "169.254.169.254:80": false, "100.64.1.1:80": false,
		"0.0.0.0:80": false, "255.255.255.255:80": false, "224.0.0.251:80": false, "168.63.129.16:80": false,
		"[::1]:80": false, "[::]:80": false, "[fe80::1%eth0]:80": false, "[fc00::1]:80": false, "[ff02::1]:80": false,
		"[64:ff9b::7f00:1]:80": false, "[2002:7f00:1::]:80": false, "[2001::1]:80": false, "[::7f00:1]:80": false,
		"[::ffff:127.0.0.1]:80": false, "[::ffff:10.0.0.1]:80": false, "[2606:4700::1111%eth0]:80": false,
	} {
		network := "tcp4"
		if netip.MustParseAddrPort(address).Addr().Is6() {
			network = "tcp6"
		}
		if err := c.control(network, address, nil); (err == nil) != may {
			t.Errorf("%s: %v, want allowed: %v", address, err, may)
		}
		if c.control("udp4", address, nil) == nil {
			t.Errorf("%s: UDP is allowed", address)
		}
	}
}

// For every URL, a host that is allowed is a public address, or a name that does not look like an address.
func FuzzCheck(f *testing.F) {
	for _, s := range []string{
		"https://example.com/", "http://0x7f.1/", "http://[::ffff:127.0.0.1]/", "http://a@b/", "http://127.0.0.1%00/",
	} {
		f.Add(s)
	}
	c := New(nil)
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := c.Check(raw)
		if err != nil {
			if !errors.Is(err, ErrRefused) {
				t.Errorf("%q: %v", raw, err)
			}
			return
		}
		if addr, err := netip.ParseAddr(strings.TrimSuffix(u.Hostname(), ".")); err == nil {
			v4 := addr.Unmap()
			if v4.IsLoopback() || v4.IsPrivate() || addr.IsLinkLocalUnicast() || addr.IsUnspecified() {
				t.Errorf("%q is allowed", raw)
			}
		}
		if u.User != nil || u.Scheme != "http" && u.Scheme != "https" {
			t.Errorf("%q is allowed", raw)
		}
	})
}
