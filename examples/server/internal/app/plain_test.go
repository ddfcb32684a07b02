package app

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

var plainListen = regexp.MustCompile(`"serving the feed without TLS as well","listen":"([^"]+)"`)

// plainURL returns the URL of --http-addr.
func (p *process) plainURL() string {
	p.t.Helper()
	waitFor(p.t, "the address of --http-addr in the log", func() bool { return plainListen.MatchString(p.logged()) })
	return plainListen.FindStringSubmatch(p.logged())[1]
}

// getPlain sends a request and returns the answer, without following redirects, and its body.
func getPlain(t *testing.T, method, url string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header.Clone()
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(data)
}

// Without TLS, the feed is served as it is with TLS, and everything else is refused without a redirect.
func TestPlainFeed(t *testing.T) {
	certFile, keyFile := certificate(t)
	p := start(t, t.TempDir(), "--tls-cert", certFile, "--tls-key", keyFile, "--http-addr", "127.0.0.1:0")
	client := trusting(t, certFile)
	plain := p.plainURL()
	token := http.Header{"Authorization": {"Bearer " + p.token()}, "Accept": {"text/html"}}
	for _, path := range []string{"/jamf/v1/software", "//jamf/v1//software/", "/software", "/jamf/v1/software/A,B"} {
		res, body := getPlain(t, "GET", plain+path, http.Header{})
		if res.StatusCode != 200 || strings.TrimSpace(body) != "[]" ||
			res.Header.Get("Strict-Transport-Security") != "" {
			t.Errorf("%s: got status %d and %q", path, res.StatusCode, body)
		}
		tls, err := client.Get(p.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = tls.Body.Close()
		if tls.Header.Get("Etag") != res.Header.Get("Etag") {
			t.Errorf("%s: the answers with and without TLS differ", path)
		}
	}
	for path, want := range map[string]int{
		"/": 403, "/api/v1/titles": 403, "/api/v1/tokens": 403, "/docs": 403, "/metrics": 403, "/healthz": 403,
		"/readyz": 403, "/v2/auth/tokens": 403, "/feed.atom": 403, "/jamf/v1": 403, "/jamf/v1/../../api/v1/tokens": 403,
		"/.well-known/acme-challenge/x": 403, "/title/A": 403,
		"/jamf/v1/patch/None": 404, "/jamf/v1/%2e%2e/software": 404, "/software/..%2f..%2fapi/v1/tokens": 200,
		"/patch/..%2f..%2fapi%2fv1%2ftokens": 404, "/jamf/v1/patch/../../../api/v1/tokens": 404,
	} {
		res, body := getPlain(t, "GET", plain+path, token)
		if res.StatusCode != want || res.Header.Get("Location") != "" || strings.Contains(body, "administrator") {
			t.Errorf("%s: got status %d, want %d: %.300s", path, res.StatusCode, want, body)
		}
		if want != 403 {
			continue
		}
		var refused struct {
			Message   string
			Forbidden any
		}
		_, port, _ := net.SplitHostPort(strings.TrimPrefix(p.url, "https://"))
		if err := json.Unmarshal([]byte(body), &refused); err != nil ||
			!strings.HasSuffix(refused.Message, "use https://127.0.0.1:"+port+".") {
			t.Errorf("%s: got %v and %q", path, err, body)
		}
	}
	if res, _ := getPlain(t, "POST", plain+"/api/v1/title", token); res.StatusCode != 403 {
		t.Errorf("a change: got status %d", res.StatusCode)
	}
}

// Flags about HTTPS that contradict each other are refused.
func TestInvalidTLSFlags(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--acme", "a.example", "--tls-cert", "x", "--tls-key", "y"}, "omit --tls-cert and --tls-key"},
		{[]string{"--acme", "localhost"}, "--acme localhost: it must be a host name"},
		{[]string{"--acme", "a.example,*.b.example"}, "--acme *.b.example: it must be"},
		{[]string{"--acme", "127.0.0.1"}, "--acme 127.0.0.1: it must be"},
		{[]string{"--acme", "a.example:443"}, "--acme a.example:443: it must be"},
		{[]string{"--acme", "a.example", "--acme-directory", "x"}, "--acme-directory x: it must be a URL"},
		{[]string{"--acme", "a.example", "--acme-email", "x"}, "--acme-email x: it must be an address"},
		{[]string{"--acme-email", "a@example.com"}, "require --acme"},
		{[]string{"--http-addr", ":80"}, "--http-addr requires --acme or --tls-cert"},
		{[]string{"--acme", "a.example", "--http-addr", "80"}, "--http-addr 80: it must be HOST:PORT"},
	} {
		if _, err := parseFlags(c.args, nil, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.args, err, c.want)
		}
	}
	f, err := parseFlags([]string{"--acme", "Patches.Example.com,b.example", "--acme", "c.example"}, nil, io.Discard)
	if err != nil || len(f.ACME) != 3 || f.BaseURL != "https://patches.example.com" || f.Addr != ":443" {
		t.Errorf("got %+v, %v", f, err)
	}
	args := []string{"--acme", "a.example", "--addr", "127.0.0.1:8080", "--base-url", "https://b.example"}
	if f, err := parseFlags(args, nil, io.Discard); err != nil || f.Addr != args[3] || f.BaseURL != args[5] {
		t.Errorf("%q: got %+v, %v", args, f, err)
	}
	for _, text := range []string{"", "no certificates"} {
		file := t.TempDir() + "/ca.pem"
		if text != "" {
			writeFile(t, file, text)
		}
		code, _, stderr := runOnce(t, nil, "--store", "memory:", "--acme", "a.example", "--acme-ca", file)
		if code != 1 || !strings.Contains(stderr, "--acme-ca") {
			t.Errorf("--acme-ca with %q: got exit code %d and %q", text, code, stderr)
		}
	}
}
