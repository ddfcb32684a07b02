//go:build linux

// Package deploy tests the files for running the server in production, by running it with them.
package deploy_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

const host = "patches.example.com"

// A proxy is a reverse proxy in front of the server.
type proxy struct {
	t      *testing.T
	site   string // the URL: https://patches.example.com with a port
	server *trial.Server
	token  string
	roots  *x509.CertPool
	addr   string
}

// freePort returns a port on which nothing listens.
func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

// certificate makes a certificate for the host, and writes it and its key to files.
func certificate(t *testing.T, dir string) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: host},
		DNSNames:              []string{host},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	for name, data := range map[string][]byte{
		cert: certPEM,
		key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}),
	} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots = x509.NewCertPool()
	roots.AppendCertsFromPEM(certPEM)
	return cert, key, roots
}

// adapt returns the text of a file in this folder with replacements: words are alternating old and new texts. It fails
// the test if the file does not contain an old text.
func adapt(t *testing.T, name string, words ...string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(words); i += 2 {
		if !strings.Contains(string(data), words[i]) {
			t.Fatalf("%s does not contain %s", name, words[i])
		}
	}
	return strings.NewReplacer(words...).Replace(string(data))
}

// behind starts the server and a proxy in front of it. run returns the command of the proxy, for a folder, the port of
// the proxy, the address of the server, and the paths of a certificate and its key.
func behind(t *testing.T, run func(dir, port, upstream, cert, key string) *exec.Cmd) *proxy {
	t.Helper()
	dir := t.TempDir()
	port := freePort(t)
	p := &proxy{t: t, site: "https://" + host + ":" + port, addr: "127.0.0.1:" + port}
	store := filepath.Join(dir, "data")
	p.server = trial.Start(t, exec.Command(trial.Build(t, dir), "--addr", "127.0.0.1:0", "--store", "file:"+store,
		"--log-format", "json", "--base-url", p.site, "--trusted-proxies", "127.0.0.1/32"))
	p.token = p.server.Token(store + ".admin-token")
	cert, key, roots := certificate(t, dir)
	p.roots = roots
	cmd := run(dir, port, strings.TrimPrefix(p.server.URL, "http://"), cert, key)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("the output of the proxy: %s", output.String())
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			_ = c.Close()
			return p
		}
		if time.Now().After(end) {
			t.Fatalf("the proxy does not accept connections: %v", err)
		}
	}
}

// client returns a client that connects from an address of this machine.
func (p *proxy) client(from string) *http.Client {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.roots}, DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return dialer.DialContext(ctx, "tcp", p.addr)
			}},
	}
}

// call sends a request through the proxy as the administrator.
func (p *proxy) call(method, path, body string, headers ...string) (*http.Response, string) {
	p.t.Helper()
	return trial.Call(p.t, p.client("127.0.0.1"), method, p.site+path, p.token, strings.NewReader(body), headers...)
}

func TestNginx(t *testing.T) {
	nginx := trial.Need(t, "nginx", "which is tested as a reverse proxy")
	try(t, behind(t, func(dir, port, upstream, cert, key string) *exec.Cmd {
		site := adapt(t, "nginx.conf",
			"listen 443 ssl", "listen 127.0.0.1:"+port+" ssl",
			"127.0.0.1:8080", upstream,
			"/etc/ssl/patches.example.com/fullchain.pem", cert,
			"/etc/ssl/patches.example.com/privkey.pem", key,
		)
		conf := "daemon off;\nmaster_process off;\npid " + dir + "/nginx.pid;\nerror_log stderr;\nevents {}\n" +
			"http {\naccess_log off;\n"
		for _, temp := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
			conf += temp + "_temp_path " + dir + "/" + temp + ";\n"
		}
		if err := os.WriteFile(filepath.Join(dir, "nginx.conf"), []byte(conf+site+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command(nginx, "-e", "stderr", "-p", dir, "-c", filepath.Join(dir, "nginx.conf"))
	}))
}

func TestCaddy(t *testing.T) {
	caddy := trial.Need(t, "caddy", "which is tested as a reverse proxy")
	try(t, behind(t, func(dir, port, upstream, cert, key string) *exec.Cmd {
		site := adapt(t, "Caddyfile",
			"\n{$PATCHSOURCE_SITE:patches.example.com} {",
			"\nhttps://"+host+":"+port+" {\n\tbind 127.0.0.1\n\ttls "+cert+" "+key,
			"reverse_proxy {$PATCHSOURCE_UPSTREAM:127.0.0.1:8080}", "reverse_proxy "+upstream,
		)
		config := filepath.Join(dir, "Caddyfile")
		if err := os.WriteFile(config, []byte("{\n\tadmin off\n\tauto_https off\n}\n"+site), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(caddy, "run", "--config", config, "--adapter", "caddyfile")
		cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
		return cmd
	}))
}

// try checks the server through a proxy.
func try(t *testing.T, p *proxy) {
	if res, text := p.call("POST", "/api/v1/title", trial.Definition("App", "1")); res.StatusCode != 201 {
		t.Fatalf("create a title: got status %d: %s", res.StatusCode, text)
	}
	p.tryPaths()
	p.tryClients()
	p.trySignIn()
	// A large backup can be restored and taken.
	res, text := trial.Call(t, p.client("127.0.0.1"), "POST", p.site+"/api/v1/restore?mode=merge", p.token,
		largeBackup(t), "Content-Type", "application/zip")
	if res.StatusCode != 201 {
		t.Errorf("a restore: got status %d: %s", res.StatusCode, text)
	}
	if res, text := p.call("GET", "/api/v1/backup", ""); res.StatusCode != 200 || len(text) < 15<<20 {
		t.Errorf("a backup: got status %d and %d bytes", res.StatusCode, len(text))
	}
}

// tryPaths checks that paths arrive unchanged, that none is answered with a redirect, which Jamf Pro does not follow,
// and that browsers are told to use TLS.
func (p *proxy) tryPaths() {
	t := p.t
	t.Helper()
	for _, path := range []string{
		"/jamf/v1/software", "/jamf/v1/software/", "/jamf/v1//software", "/jamf/v1/software/App%2CNope",
		"/jamf/v1/patch/App",
	} {
		if res, text := p.call("GET", path, ""); res.StatusCode != 200 || !strings.Contains(text, `"App"`) {
			t.Errorf("%s: got status %d: %s", path, res.StatusCode, text)
		}
	}
	for _, path := range []string{"/", "/jamf/v1/patch/Nope"} {
		if res, _ := p.call("GET", path, ""); res.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
			t.Errorf("%s: Strict-Transport-Security is missing: %v", path, res.Header)
		}
	}
	if res, text := p.call("POST", "/api/v1/title/App/version", trial.Version("1/2 beta")); res.StatusCode != 201 {
		t.Errorf("add a version with a slash: got status %d: %s", res.StatusCode, text)
	}
	if res, text := p.call("DELETE", "/api/v1/title/App/version/1%2F2%20beta", ""); res.StatusCode != 200 {
		t.Errorf("remove a version with a slash: got status %d: %s", res.StatusCode, text)
	}
}

// tryClients checks that the server knows the address of a client, whatever the client claims, and that the metrics are
// for this machine only.
func (p *proxy) tryClients() {
	t := p.t
	t.Helper()
	trial.Call(t, p.client("127.0.0.2"), "GET", p.site+"/jamf/v1/software/App", "", nil,
		"X-Forwarded-For", "203.0.113.9")
	p.server.WaitForLog(`"client":"127.0.0.2"`) // logged after the answer
	if log := p.server.Log(); strings.Contains(log, "203.0.113.9") {
		t.Errorf("the log has the address that the client claimed: %s", log)
	}
	if res, _ := trial.Call(t, p.client("127.0.0.2"), "GET", p.site+"/metrics", "", nil); res.StatusCode != 403 {
		t.Errorf("metrics for another machine: got status %d, want 403", res.StatusCode)
	}
	if res, text := p.call("GET", "/metrics", ""); res.StatusCode != 200 ||
		!strings.Contains(text, "patchsource_titles 1") {
		t.Errorf("metrics for this machine: got status %d: %s", res.StatusCode, text)
	}
}

// trySignIn checks that a browser which sends only its origin can sign in, and gets a cookie for TLS only.
func (p *proxy) trySignIn() {
	t := p.t
	t.Helper()
	form := url.Values{"token": {p.token}, "next": {"/upload"}}.Encode()
	res, text := trial.Call(t, p.client("127.0.0.1"), "POST", p.site+"/signin", "", strings.NewReader(form),
		"Content-Type", "application/x-www-form-urlencoded", "Origin", p.site)
	if res.StatusCode != 303 || res.Header.Get("Location") != "/upload" || len(res.Cookies()) == 0 ||
		!res.Cookies()[0].Secure {
		t.Errorf("sign in: got status %d, %v: %s", res.StatusCode, res.Header, text)
	}
}

// largeBackup returns a backup of more than 15 MiB that cannot be compressed.
func largeBackup(t *testing.T) io.Reader {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := range 3 {
		script := make([]byte, 6<<20)
		_, _ = rand.Read(script)
		attributes := `"extensionAttributes":[{"key":"k","displayName":"d","value":"` +
			base64.StdEncoding.EncodeToString(script) + `"}]`
		def := trial.Definition(fmt.Sprintf("Large%d", i), "1")
		w, err := z.Create(fmt.Sprintf("patch_archive/Large%d.json", i))
		if err == nil {
			_, err = io.WriteString(w, strings.Replace(def, `"extensionAttributes":[]`, attributes, 1))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return &b
}
