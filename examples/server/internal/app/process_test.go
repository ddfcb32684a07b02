package app

import (
	"archive/zip"
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A process is a server under test, in this process.
type process struct {
	t    *testing.T
	dir  string
	url  string
	stop func() int // stops the server and returns its exit code
	mu   sync.Mutex
	log  bytes.Buffer
}

// logged returns what the server has logged.
func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

// start starts a server on a free port, with its store in dir, and waits until it is ready.
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
		t.Fatalf("the server did not become ready: %s", p.logged())
	}
	return p
}

// token returns the administrator token.
func (p *process) token() string {
	p.t.Helper()
	data, err := os.ReadFile(filepath.Join(p.dir, "data.admin-token"))
	if err != nil {
		p.t.Fatal(err)
	}
	return strings.TrimSpace(string(data))
}

// do sends a request as the administrator, and returns the status and the body of the answer.
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

// runOnce runs a server that is expected to stop by itself.
func runOnce(t *testing.T, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	var out, errs bytes.Buffer
	code = Run(ctx, args, environ, &out, &errs)
	if ctx.Err() != nil {
		t.Fatalf("the server did not stop: %s", errs.String())
	}
	return code, out.String(), errs.String()
}

// waitFor waits until a condition holds, for up to 30 seconds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// writeFile writes a file, with its folder.
func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// versionJSON returns a valid version in JSON.
func versionJSON(v string) string {
	return `{"version":"` + v + `","releaseDate":"2018-02-02T17:39:58Z","standalone":true,` +
		`"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}`
}

// definition returns a valid definition in JSON.
func definition(id, version string) string {
	return `{"id":"` + id + `","name":"A","publisher":"P","appName":null,"bundleId":null,` +
		`"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],` +
		`"patches":[` + versionJSON(version) + `],"extensionAttributes":[]}`
}

const corpusZip = "../../../../patch/testdata/definitions.zip"

// readCorpus returns the definitions of the corpus by their ids.
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

// firstOf returns n definitions of a corpus.
func firstOf(corpus map[string][]byte, n int) map[string][]byte {
	some := map[string][]byte{}
	for id, data := range corpus {
		if len(some) == n {
			break
		}
		some[id] = data
	}
	return some
}
