package app

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

const (
	pebblePackage = "github.com/letsencrypt/pebble/v2/cmd/pebble"
	pebbleVersion = "v2.10.3"
)

// A pebble is an ACME server. It resolves every name to 127.0.0.1.
type pebble struct {
	t         *testing.T
	directory string
	caFile    string         // has the certificate that it serves its directory with
	roots     *x509.CertPool // of the certificates that it issues
	tls, http *relay         // what it reaches at the ports 443 and 80
	stop      func()

	mu     sync.Mutex
	output bytes.Buffer
}

// Write records the output.
func (p *pebble) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.Write(b)
}

// log returns the output.
func (p *pebble) log() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.output.String()
}

// args returns the flags of a server that uses the CA, for a name.
func (p *pebble) args(name string, more ...string) []string {
	return append([]string{"--acme", name, "--acme-directory", p.directory, "--acme-ca", p.caFile}, more...)
}

// startPebble starts an ACME server. If it cannot be installed, it skips the test, or fails it if the environment
// variable PATCHSOURCE_PEBBLE is "required".
func startPebble(t *testing.T) *pebble {
	t.Helper()
	program, err := installPebble()
	if err != nil && os.Getenv("PATCHSOURCE_PEBBLE") != "required" {
		t.Skipf("%v; with PATCHSOURCE_PEBBLE=required in the environment, this is a failure", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	p := &pebble{t: t, tls: newRelay(t), http: newRelay(t)}
	certFile, keyFile := certificate(t)
	p.caFile = certFile
	addr, management := freeAddr(t), freeAddr(t)
	p.directory = "https://" + addr + "/dir"
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": addr, "managementListenAddress": management, "certificate": certFile, "privateKey": keyFile,
		"httpPort": p.http.port(), "tlsPort": p.tls.port(), "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pebble.json")
	writeFile(t, file, string(config))
	cmd := exec.Command(program, "-config", file, "-dnsserver", startDNS(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	cmd.Stdout, cmd.Stderr = p, p
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(p.stop)
	client := trusting(t, certFile)
	waitFor(t, "pebble", func() bool {
		res, err := client.Get(p.directory)
		if err == nil {
			_ = res.Body.Close()
		}
		return err == nil
	})
	res, err := client.Get("https://" + management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	p.roots = x509.NewCertPool()
	if pem, err := io.ReadAll(res.Body); err != nil || !p.roots.AppendCertsFromPEM(pem) {
		t.Fatalf("the root certificate of pebble: %q, %v", pem, err)
	}
	return p
}

// installPebble returns the path of pebble, which it installs into the user's cache directory if it is not there.
func installPebble() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "patchsource-test", "pebble-"+pebbleVersion+"-"+runtime.Version())
	path := filepath.Join(dir, "pebble")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Other tests may install it at the same time, so that it is moved to its place when it is complete.
	building, err := os.MkdirTemp(dir, "building-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(building) }()
	cmd := exec.Command("go", "install", "-p", "1", pebblePackage+"@"+pebbleVersion)
	cmd.Dir = building // outside of this module
	cmd.Env = append(os.Environ(), "GOBIN="+building, "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("pebble, an ACME server, is not installed and could not be: %w: %s", err,
			bytes.TrimSpace(out))
	}
	return path, os.Rename(filepath.Join(building, "pebble"), path)
}

// freeAddr returns an address at which nothing listens.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// A relay passes connections to a server whose address becomes known later. They wait for it.
type relay struct {
	listener net.Listener
	known    chan struct{} // closed when target is set
	target   string
}

// newRelay starts a relay.
func newRelay(t *testing.T) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	r := &relay{listener: l, known: make(chan struct{})}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go r.pass(t, conn)
		}
	}()
	return r
}

// port returns the port of the relay.
func (r *relay) port() int { return r.listener.Addr().(*net.TCPAddr).Port }

// to sets the target: "" closes connections.
func (r *relay) to(target string) {
	r.target = target
	close(r.known)
}

// pass passes a connection to the target.
func (r *relay) pass(t *testing.T, conn net.Conn) {
	defer conn.Close()
	select {
	case <-t.Context().Done():
		return
	case <-r.known:
	}
	to, err := net.Dial("tcp", r.target)
	if r.target == "" || err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = io.Copy(to, conn)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(conn, to)
}

// startDNS starts a DNS server over TCP, which resolves every name to 127.0.0.1, and returns its address.
func startDNS(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for answerDNS(conn) == nil {
				}
			}()
		}
	}()
	return l.Addr().String()
}

// answerDNS answers a query (RFC 1035): with an address if it asks for one, and else with no records.
func answerDNS(conn net.Conn) error {
	var length [2]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return err
	}
	query := make([]byte, int(length[0])<<8|int(length[1]))
	if _, err := io.ReadFull(conn, query); err != nil {
		return err
	}
	end := bytes.IndexByte(query[12:], 0) + 12 + 5 // of the question: a name, which ends with 0, a type and a class
	answer := append([]byte{}, query[:end]...)
	copy(answer[2:12], []byte{0x80, 0, 0, 1, 0, 0, 0, 0, 0, 0}) // a response with a question
	if query[end-3] == 1 {                                      // type A
		answer[7] = 1
		answer = append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1)
	}
	_, err := conn.Write(append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...))
	return err
}
