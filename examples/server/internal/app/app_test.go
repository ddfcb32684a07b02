package app

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A process is a server under test, in this process.
type process struct {
	t    *testing.T
	dir  string
	url  string
	stop func() int // ends it and returns its exit code
	mu   sync.Mutex
	log  bytes.Buffer
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// start runs a server on a free port over dir, and waits until it is ready.
func start(t *testing.T, dir string, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, dir: dir}
	r, w := io.Pipe()
	done := make(chan int, 1)
	args = append(
		[]string{"--addr", "127.0.0.1:0", "--store", "file:" + filepath.Join(dir, "data"), "--log-format", "json"},
		args...)
	go func() {
		code := Run(ctx, args, nil, io.Discard, w)
		_ = w.Close()
		done <- code
	}()
	ready := make(chan string, 1)
	go func() {
		defer close(ready)
		for s := bufio.NewScanner(r); s.Scan(); {
			p.mu.Lock()
			p.log.Write(append(s.Bytes(), '\n'))
			p.mu.Unlock()
			var line struct{ Msg, Listen string }
			if json.Unmarshal(s.Bytes(), &line) == nil && line.Msg == "ready" {
				ready <- line.Listen
			}
		}
	}()
	p.stop = sync.OnceValue(func() int {
		cancel()
		return <-done
	})
	t.Cleanup(func() { p.stop() })
	if p.url = <-ready; p.url == "" {
		t.Fatalf("the server did not get ready: %s", p.logged())
	}
	return p
}

func (p *process) token() string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, "data.admin-token"))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

func (p *process) do(method, path, body string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequest(method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+p.token())
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

func versionJSON(v string) string {
	return `{"version":"` + v + `","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}`
}

func definition(id, version string) string {
	return `{"id":"` + id + `","name":"A","publisher":"P","appName":null,"bundleId":null,"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],"patches":[` +
		versionJSON(
			version,
		) + `],"extensionAttributes":[]}`
}

func readCorpus(t *testing.T) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader(corpusZip)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string][]byte{}
	for _, f := range z.File {
		data, err := fs.ReadFile(z, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(f.Name, ".json")] = data
	}
	return all
}

const corpusZip = "../../../../patch/testdata/definitions.zip"

// All definitions of the corpus are posted, come back whole, and are there after
// a restart.
func TestCorpusThroughTheAPI(t *testing.T) {
	corpus := readCorpus(t)
	if len(corpus) != 150 {
		t.Fatalf("%d definitions", len(corpus))
	}
	p := start(t, t.TempDir())
	for id, data := range corpus {
		if status, body := p.do("POST", "/api/v1/title", string(data)); status != 201 {
			t.Errorf("%s: %d %s", id, status, body)
		}
	}
	check := func() {
		for id, data := range corpus {
			status, body := p.do("GET", "/jamf/v1/patch/"+id, "")
			var want, got any
			if err := json.Unmarshal(data, &want); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(body), &got); err != nil || status != 200 {
				t.Fatalf("%s: %d %v", id, status, err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s: %s", id, diff)
			}
		}
	}
	check()
	_, list := p.do("GET", "/jamf/v1/software", "")
	if code := p.stop(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	p = start(t, p.dir)
	check()
	if _, again := p.do("GET", "/jamf/v1/software", ""); again != list {
		t.Error("after a restart, the list is another")
	}
}

func TestImport(t *testing.T) {
	corpus := readCorpus(t)
	folder := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for id, data := range corpus {
		if n++; n > 20 {
			break
		}
		write("patch_archive/"+id+".json", string(data))
	}
	write("Upper.JSON", definition("Upper", "1"))
	write("upper-again.json", definition("UPPER", "7"))
	write("broken.json", "{")
	write("off.json", strings.Replace(definition("Off", "1"), "{", `{"enabled":false,`, 1))
	write("wrong.json", `{"id":"x"}`)
	write("notes.txt", "no definition")
	write("__MACOSX/patch_archive/._x.json", "\x00")
	write(".hidden.json", "{")

	dir := t.TempDir()
	p := start(t, dir, "--import", folder)
	if status, body := p.do("GET", "/readyz", ""); status != 200 || !strings.Contains(body, `"titles":22`) {
		t.Errorf("%d %s", status, body)
	}
	log := p.logged()
	for _, want := range []string{`"imported":22`, `"rejected":3`, "off.json", "/enabled", "broken.json", "wrong.json", "/name", "/publisher", "another file of this import has the same id"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %s: %s", want, log)
		}
	}
	for _, no := range []string{"notes.txt", "__MACOSX", ".hidden"} {
		if strings.Contains(log, no) {
			t.Errorf("the log speaks of %s", no)
		}
	}
	// A title that was changed meanwhile is left alone by a second import.
	if status, body := p.do("POST", "/api/v1/title/Upper/version", versionJSON("2")); status != 201 {
		t.Fatal(body)
	}
	p.stop()
	p = start(t, dir, "--import", folder, "--import", filepath.Join(folder, "Upper.JSON"), "--import", corpusZip)
	if status, body := p.do("GET", "/readyz", ""); status != 200 || !strings.Contains(body, `"titles":152`) {
		t.Errorf("%d %s", status, body)
	}
	if log := p.logged(); !strings.Contains(log, `"existing":22`) || !strings.Contains(log, `"imported":130`) {
		t.Errorf("the log: %s", log)
	}
	if _, body := p.do("GET", "/jamf/v1/software/Upper", ""); !strings.Contains(body, `"currentVersion":"2"`) {
		t.Errorf("%s", body)
	}
}

// runOnce runs the server with flags that it is expected to end on by itself.
func runOnce(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	code = Run(ctx, args, environ, &out, &errs)
	if ctx.Err() != nil {
		t.Fatalf("the server went on: %s", errs.String())
	}
	return code, out.String(), errs.String()
}

func TestItStopsWithAClearError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	running := start(t, t.TempDir())
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("hunter2"), 0o600); err != nil {
		t.Fatal(err)
	}
	free := []string{"--addr", "127.0.0.1:0"}
	for _, c := range []struct {
		name string
		args []string
		code int
		says []string
	}{
		{"unknown flag", []string{"--nope"}, 2, []string{"--nope", "--help"}},
		{"unknown store", []string{"--store", "ftp:x"}, 2, []string{"--store", "file:"}},
		{"store without folder", []string{"--store", "file:"}, 2, []string{"--store"}},
		{"no port", []string{"--addr", "localhost"}, 2, []string{"--addr", "HOST:PORT"}},
		{"a port too large", []string{"--addr", ":99999"}, 2, []string{"--addr", "99999"}},
		{"half of TLS", []string{"--tls-cert", "x"}, 2, []string{"--tls-key"}},
		{"log format", []string{"--log-format", "xml"}, 2, []string{"--log-format"}},
		{"TLS files missing", append(free, "--tls-cert", "x", "--tls-key", "y"), 1, []string{"--tls-cert"}},
		{"port taken", []string{"--addr", taken.Addr().String(), "--store", "memory:"}, 1, []string{taken.Addr().String(), "in use", "--addr"}},
		{"folder taken", append(free, "--store", "file:"+filepath.Join(running.dir, "data")), 1, []string{filepath.Join(running.dir, "data"), "in use", fmt.Sprint(os.Getpid())}},
		{"folder is a file", append(free, "--store", "file:"+file), 1, []string{file}},
		{"no token in the token file", append(free, "--store", "memory:", "--admin-token-file", file, "--secret-file", filepath.Join(dir, "s")), 1, []string{file}},
		{"no secret in the secret file", append(free, "--store", "memory:", "--secret-file", file), 1, []string{file}},
		{"import from nowhere", append(free, "--store", "file:"+filepath.Join(dir, "data"), "--import", filepath.Join(dir, "nope")), 1, []string{"--import", "nope"}},
		{"import of no zip", append(free, "--store", "file:"+filepath.Join(dir, "data"), "--import", file), 1, []string{"--import", "zip"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, stderr := runOnce(t, nil, c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, s := range c.says {
				if !strings.Contains(stderr, s) {
					t.Errorf("%q does not say %q", stderr, s)
				}
			}
			if strings.Contains(stderr, "hunter2") {
				t.Errorf("%q repeats a secret", stderr)
			}
		})
	}
}

func TestHelpAndVersion(t *testing.T) {
	code, out, stderr := runOnce(t, nil, "--help")
	if code != 0 || stderr != "" {
		t.Errorf("%d %q", code, stderr)
	}
	for _, want := range []string{"--addr", "--store", "--admin-token-file", "--secret-file", "--import", "--tls-cert", "--follow", "--sync-interval", "--log-format", "PATCHSOURCE_", "Jamf Pro"} {
		if !strings.Contains(out, want) {
			t.Errorf("the help does not speak of %s", want)
		}
	}
	if code, out, _ := runOnce(t, nil, "--version"); code != 0 || !strings.Contains(out, "patchsource") ||
		!strings.Contains(out, "go1.") {
		t.Errorf("%d %q", code, out)
	}
}

func TestEnvironment(t *testing.T) {
	dir := t.TempDir()
	f, err := parseFlags([]string{"--addr", ":1"}, []string{
		"HOME=/root", "PATCHSOURCE_ADDR=:2", "PATCHSOURCE_STORE=file:" + dir + "/",
		"PATCHSOURCE_RATE_LIMIT=false", "PATCHSOURCE_LOG_FORMAT=json",
	}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if f.Addr != ":1" || f.RateLimit || f.LogFormat != "json" || f.AdminTokenFile != dir+".admin-token" ||
		f.SecretFile != dir+".secret" {
		t.Errorf("%+v", f)
	}
	for _, c := range []struct{ store, beside string }{{"file:data", "data"}, {"file:./a/b/", "a/b"}, {"file:/x/y", "/x/y"}} {
		f, err := parseFlags([]string{"--store", c.store}, nil, io.Discard)
		if err != nil || f.SecretFile != c.beside+".secret" {
			t.Errorf("%s: %+v, %v", c.store, f, err)
		}
	}
	t.Chdir(dir)
	if f, err := parseFlags([]string{"--store", "file:."}, nil, io.Discard); err != nil ||
		filepath.Dir(f.SecretFile) != filepath.Dir(dir) {
		t.Errorf("%+v, %v", f, err)
	}
	if _, err := parseFlags([]string{"--store", "file:/"}, nil, io.Discard); err == nil {
		t.Error("the root of the disk is taken for a store")
	}
	if _, err := parseFlags(nil, []string{"PATCHSOURCE_VERSION=1.4.2", "PATCHSOURCE_HELP=true"},
		io.Discard); err != nil {
		t.Errorf("a variable of an image is taken for a flag: %v", err)
	}
	if code, _, stderr := runOnce(t, []string{"PATCHSOURCE_STORE=ftp:x"}); code != 2 ||
		!strings.Contains(stderr, "ftp:x") {
		t.Errorf("%d %q", code, stderr)
	}
}

func TestTheTokenIsWrittenAndNotLogged(t *testing.T) {
	p := start(t, t.TempDir())
	path := filepath.Join(p.dir, "data.admin-token")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	token := p.token()
	if log := p.logged(); !strings.Contains(log, path) || strings.Contains(log, token) {
		t.Errorf("the log: %s", log)
	}
	p.stop()
	p = start(t, p.dir)
	if p.token() != token {
		t.Error("a restart made another token")
	}
	if status, body := p.do("POST", "/api/v1/title", definition("A", "1")); status != 201 {
		t.Errorf("%d %s", status, body)
	}
}

// A request that is under way when the server is stopped is answered.
func TestGracefulStop(t *testing.T) {
	p := start(t, t.TempDir())
	conn, err := net.Dial("tcp", strings.TrimPrefix(p.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	text := definition("Slow", "1")
	fmt.Fprintf(
		conn,
		"POST /api/v1/title HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n",
		p.token(),
		len(text),
	)
	in := bufio.NewReader(conn)
	// The handler reads the body: the request is under way.
	if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q %v", line, err)
	}
	if line, err := in.ReadString('\n'); err != nil || line != "\r\n" {
		t.Fatalf("%q %v", line, err)
	}
	code := make(chan int, 1)
	go func() { code <- p.stop() }()
	waitFor(t, func() bool { // nobody else gets in
		other, err := net.Dial("tcp", conn.RemoteAddr().String())
		if err == nil {
			_ = other.Close()
		}
		return err != nil
	})
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != 201 {
		t.Errorf("the request under way was answered %d", res.StatusCode)
	}
	if c := <-code; c != 0 {
		t.Errorf("exit code %d", c)
	}
	p = start(t, p.dir)
	if status, _ := p.do("GET", "/jamf/v1/patch/Slow", ""); status != 200 {
		t.Errorf("what was acknowledged is not there: %d", status)
	}
}

func waitFor(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("it did not come about")
		}
		time.Sleep(time.Millisecond)
	}
}

// certificate makes a certificate for this machine that is its own authority, and
// writes it and its key to files.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	dir := t.TempDir()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: "test of patchsource"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: cert}, keyFile: {Type: "PRIVATE KEY", Bytes: keyDER}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// trusting returns a client that trusts a certificate.
func trusting(t *testing.T, certFile string) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	data, err := os.ReadFile(certFile)
	if err != nil || !pool.AppendCertsFromPEM(data) {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

func TestTLS(t *testing.T) {
	certFile, keyFile := certificate(t)
	p := start(t, t.TempDir(), "--tls-cert", certFile, "--tls-key", keyFile)
	client := trusting(t, certFile)
	res, err := client.Get(p.url + "/jamf/v1/software")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != 200 || !strings.HasPrefix(p.url, "https://") {
		t.Errorf("%d at %s", res.StatusCode, p.url)
	}
}
