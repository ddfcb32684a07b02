//go:build linux

package deploy_test

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/acmetest"
	"github.com/patchsource/patchsource/examples/internal/trial"
)

// A client uses a server with curl and openssl, and trusts only the CA.
type client struct {
	t     *testing.T
	site  string // the URL: https://patches.example.com with a port
	addr  string
	roots string // a file
	dir   string // with the token and the examples of the manual
}

// newClient waits until the server has its certificate.
func newClient(t *testing.T, ca *acmetest.CA, m *machine, server *trial.Server) *client {
	t.Helper()
	addr := strings.TrimPrefix(server.URL, "https://")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatalf("%s: %v", server.URL, err)
	}
	server.WaitForLog("have a certificate")
	c := &client{t: t, site: "https://" + host + ":" + port, addr: addr, dir: t.TempDir()}
	c.roots = filepath.Join(c.dir, "roots.pem")
	examples, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(examples, filepath.Join(c.dir, "examples")); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		c.roots:                                  string(ca.RootsPEM),
		filepath.Join(c.dir, "data.admin-token"): server.Token(m.path(stateFolder + "/data.admin-token")),
		filepath.Join(c.dir, ".curlrc"): "cacert = " + c.roots + "\nresolve = " + host + ":" + port +
			":127.0.0.1\nfail\nsilent\nshow-error\n",
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// run runs a program in the client's folder and returns its output.
func (c *client) run(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = c.dir
	cmd.Env = append(trial.Environ(), "CURL_HOME="+c.dir)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// curl reads a URL.
func (c *client) curl(url string) string {
	c.t.Helper()
	out, err := c.run("curl", "--cacert", c.roots, url)
	if err != nil {
		c.t.Fatalf("curl %s: %v: %s", url, err, out)
	}
	return out
}

// createTitle runs the commands of the README that create the first title, and reads the feed.
func (c *client) createTitle() {
	c.t.Helper()
	commands := regexp.MustCompile("(?s)```sh\n(TOKEN=.*?)```").FindStringSubmatch(adapt(c.t, "../../README.md"))
	if commands == nil {
		c.t.Fatal("README.md does not create a title")
	}
	script := "set -e\n" + strings.ReplaceAll(commands[1], "http://127.0.0.1:8080/", c.site+"/")
	out, err := c.run("sh", "-c", script)
	if err != nil || !strings.Contains(out, "Title 'Composer' created") ||
		!strings.Contains(out, "Version '10.2' added") {
		c.t.Fatalf("the commands of README.md: %v: %s", err, out)
	}
	if feed := c.curl(c.site + "/jamf/v1/software"); !strings.Contains(feed, `"currentVersion":"10.2"`) {
		c.t.Errorf("the feed is %s", feed)
	}
}

// checkTLS checks that the server has a certificate of the CA for its name, and which versions of TLS it accepts.
func (c *client) checkTLS() {
	c.t.Helper()
	connect := func(name string, args ...string) (string, error) {
		return c.run("openssl", append([]string{"s_client", "-connect", c.addr, "-servername", name, "-CAfile", c.roots,
			"-verify_hostname", host, "-verify_return_error", "-brief"}, args...)...)
	}
	for version, flag := range map[string]string{"TLSv1.2": "-tls1_2", "TLSv1.3": "-tls1_3"} {
		out, err := connect(host, flag)
		if err != nil || !strings.Contains(out, "Verification: OK") || !strings.Contains(out, "version: "+version) {
			c.t.Errorf("%s: %v: %s", version, err, out)
		}
	}
	// openssl offers TLS 1.1 only at security level 0.
	out, err := connect(host, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
	if err == nil || !strings.Contains(out, "alert protocol version") {
		c.t.Errorf("TLS 1.1: %v: %s", err, out)
	}
	if out, err := connect("other.example.com"); err == nil {
		c.t.Errorf("another name: %s", out)
	}
}
