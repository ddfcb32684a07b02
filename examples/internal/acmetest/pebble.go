// Package acmetest runs pebble, an ACME server, for tests of servers that obtain their certificates themselves.
package acmetest

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

const (
	pebblePackage = "github.com/letsencrypt/pebble/v2/cmd/pebble"
	pebbleVersion = "v2.10.3"
)

// A CA is an ACME server. It resolves every name to 127.0.0.1.
type CA struct {
	Directory string
	File      string         // has the certificate that it serves its directory with
	Roots     *x509.CertPool // of the certificates that it issues
	RootsPEM  []byte         // the same
	TLS, HTTP *Relay         // what it reaches at the ports 443 and 80
	Stop      func()

	mu     sync.Mutex
	output bytes.Buffer
}

// Write records the output.
func (ca *CA) Write(b []byte) (int, error) {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return ca.output.Write(b)
}

// Log returns the output.
func (ca *CA) Log() string {
	ca.mu.Lock()
	defer ca.mu.Unlock()
	return ca.output.String()
}

// Args returns the flags of a server that uses the CA, for a name.
func (ca *CA) Args(name string, more ...string) []string {
	return append([]string{"--acme", name, "--acme-directory", ca.Directory, "--acme-ca", ca.File}, more...)
}

// Start starts an ACME server, which ends with the test. If it cannot be installed, Start skips the test, or fails it
// if the environment variable PATCHSOURCE_PEBBLE is "required".
func Start(t *testing.T) *CA {
	t.Helper()
	return StartFor(t, 90*24*time.Hour)
}

// StartFor is Start with the lifetime of the certificates that the server issues.
func StartFor(t *testing.T, lifetime time.Duration) *CA {
	t.Helper()
	program, err := installPebble()
	if err != nil && os.Getenv("PATCHSOURCE_PEBBLE") != "required" {
		t.Skipf("%v; with PATCHSOURCE_PEBBLE=required in the environment, this is a failure", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ca := &CA{TLS: newRelay(t), HTTP: newRelay(t)}
	certFile, keyFile, client := certificate(t)
	ca.File = certFile
	addr, management := FreeAddr(t), FreeAddr(t)
	ca.Directory = "https://" + addr + "/dir"
	config, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": addr, "managementListenAddress": management, "certificate": certFile, "privateKey": keyFile,
		"httpPort": ca.HTTP.port(), "tlsPort": ca.TLS.port(), "keyAlgorithm": "ecdsa",
		"retryAfter": map[string]int{"authz": 1, "order": 1},
		"profiles": map[string]any{"default": map[string]any{
			"description": "the only one", "validityPeriod": int(lifetime.Seconds()),
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "pebble.json")
	if err := os.WriteFile(file, config, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "-config", file, "-dnsserver", startDNS(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0", "PEBBLE_AUTHZREUSE=0")
	cmd.Stdout, cmd.Stderr = ca, ca
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ca.Stop = sync.OnceFunc(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	t.Cleanup(ca.Stop)
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		res, err := client.Get(ca.Directory)
		if err == nil {
			_ = res.Body.Close()
			break
		}
		if time.Now().After(end) {
			t.Fatalf("pebble did not start: %v: %s", err, ca.Log())
		}
	}
	res, err := client.Get("https://" + management + "/roots/0")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	ca.Roots = x509.NewCertPool()
	if ca.RootsPEM, err = io.ReadAll(res.Body); err != nil || !ca.Roots.AppendCertsFromPEM(ca.RootsPEM) {
		t.Fatalf("the root certificate of pebble: %q, %v", ca.RootsPEM, err)
	}
	return ca
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
