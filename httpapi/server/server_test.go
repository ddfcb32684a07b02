package server_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

func TestOnlyAStoreIsNeeded(t *testing.T) {
	s := open(t, server.Config{Store: memstore.New()})
	if s.Catalog == nil || s.Tokens == nil || s.Sync == nil || s.Community != nil || s.Webhooks != nil {
		t.Errorf("parts: %+v, want neither community nor webhooks", s)
	}
	token := adminToken(t, s)
	for _, c := range []struct {
		name, method, path, body string
		header                   func(http.Header)
		status                   int
		contains                 string
	}{
		{"feed", "GET", "/jamf/v1/software", "", nil, 200, "[]"},
		{"page", "GET", "/", "", nil, 200, "<html"},
		{"documentation", "GET", "/docs/api", "", nil, 200, "<html"},
		{"readiness", "GET", "/readyz", "", nil, 200, `"titles":0`},
		{"metrics", "GET", "/metrics", "", nil, 200, "patchsource_titles 0"},
		{"anonymous client", "POST", "/api/v1/title", definition("A", "1"), nil, 401, "token"},
		{"administrator", "POST", "/api/v1/title", definition("A", "1"), bearer(token), 201, `"id":"A"`},
		{"webhooks", "GET", "/api/v1/webhooks", "", bearer(token), 404, ""},
		{"contributors", "GET", "/api/v1/contributors", "", nil, 404, ""},
		{"full backup", "GET", "/api/v1/backup?full=1", "", bearer(token), 200, "PK"},
	} {
		w := call(s, c.method, c.path, c.body, c.header)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.contains) {
			t.Errorf("%s: got status %d, want %d with %q in %.200s", c.name, w.Code, c.status, c.contains, w.Body)
		}
	}
}

func TestCloseEndsEverything(t *testing.T) {
	for _, c := range []struct {
		name string
		run  bool
		stop bool // the context of Run ends before Close
	}{
		{"without Run", false, false},
		{"after Run", true, true},
		{"during Run", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := full(t)
			records := newSlowStore("syncs")
			close(records.released)
			config.Store = records
			check := goroutines(t)
			s := open(t, config)
			stop := func() error { return nil }
			if c.run {
				stop = start(t, s)
				<-records.entered // the work is in progress
			}
			if w := call(s, "POST", "/api/v1/title", definition("A", "1"), bearer(adminToken(t, s))); w.Code != 201 {
				t.Errorf("got status %d: %s", w.Code, w.Body)
			}
			if c.stop {
				if err := stop(); err != nil {
					t.Errorf("Run: %v", err)
				}
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("second Close: %v", err)
			}
			if err := stop(); err != nil {
				t.Errorf("Run: %v", err)
			}
			check()
			if w := call(s, "DELETE", "/api/v1/title/A", "", bearer(adminToken(t, s))); w.Code != 503 {
				t.Errorf("a change after Close: got status %d, want 503: %s", w.Code, w.Body)
			}
		})
	}
}

func TestRunTwice(t *testing.T) {
	slow := newSlowStore("syncs")
	close(slow.released)
	s := open(t, server.Config{Store: slow})
	stop := start(t, s)
	<-slow.entered // the work is in progress
	if err := s.Run(t.Context()); !errors.Is(err, server.ErrRunning) {
		t.Errorf("second Run: got %v, want ErrRunning", err)
	}
	if err := stop(); err != nil {
		t.Errorf("first Run: %v", err)
	}
	if err := start(t, s)(); err != nil {
		t.Errorf("Run after the end of the first: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); !errors.Is(err, server.ErrClosed) {
		t.Errorf("Run after Close: got %v, want ErrClosed", err)
	}
}

func TestCloseWaitsForRun(t *testing.T) {
	slow := newSlowStore("syncs")
	s := open(t, server.Config{Store: slow})
	stop := start(t, s)
	<-slow.entered // the work is in progress
	closed := make(chan struct{})
	go func() {
		_ = s.Close()
		close(closed)
	}()
	waitFor(t, "Close has begun", func() bool { return errors.Is(s.Run(t.Context()), server.ErrClosed) })
	select {
	case <-closed:
		t.Error("Close returned while Run was in progress")
	default:
	}
	close(slow.released)
	<-closed
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestAFailingOpenLeavesNothingRunning(t *testing.T) {
	newer := memstore.New()
	format := store.Key{Kind: "config", ID: "format"}
	if _, err := newer.Put(t.Context(), format, []byte(`{"format":999}`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*server.Config)
		want   string
	}{
		{"no store", func(c *server.Config) { c.Store = nil }, "Config.Store"},
		{"a mailer without a secret", func(c *server.Config) { c.Secret = auth.Secret{} }, "Config.Secret"},
		{"sessions without people", func(c *server.Config) { c.Session = &webui.Session{} }, "Config.Authenticate"},
		{"a bad site", func(c *server.Config) { c.Site = "patches" }, "patches"},
		{"a proxy without a mask", func(c *server.Config) { c.TrustedProxies = []string{"10.0.0.1"} }, "10.0.0.1"},
		{"a newer store", func(c *server.Config) { c.Store = newer }, store.ErrFormat.Error()},
		{"tokens", func(c *server.Config) { c.Store = &brokenStore{memstore.New(), "tokens"} }, errBroken.Error()},
		{"webhooks", func(c *server.Config) { c.Store = &brokenStore{memstore.New(), "webhooks"} }, ""},
		{"titles", func(c *server.Config) { c.Store = &brokenStore{memstore.New(), "titles"} }, ""},
		{"contributors", func(c *server.Config) { c.Store = &brokenStore{memstore.New(), "contributors"} }, ""},
		{"mirror", func(c *server.Config) { c.Mirrors = []patchsync.Mirror{{}} }, ""},
		{"no upload folder", func(c *server.Config) { c.UploadDir = filepath.Join(t.TempDir(), "none") }, "none"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := full(t)
			c.change(&config)
			check := goroutines(t)
			s, err := server.Open(t.Context(), config)
			if err == nil {
				_ = s.Close()
				t.Fatal("Open succeeded")
			}
			if s != nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v and %q, want no server and %q in the error", s, err, c.want)
			}
			check()
		})
	}
}

func TestOpenRemovesOldUploads(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, "patchsource-upload-1")
	if err := os.WriteFile(old, []byte("PK"), 0o600); err != nil {
		t.Fatal(err)
	}
	open(t, server.Config{Store: memstore.New(), UploadDir: dir})
	if _, err := os.Stat(old); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old upload: %v", err)
	}
}

// Close saves when tokens were last used, although Run was never called.
func TestCloseSavesWhenTokensWereUsed(t *testing.T) {
	records := memstore.New()
	s := open(t, server.Config{Store: records})
	if w := call(s, "GET", "/api/v1/token", "", bearer(adminToken(t, s))); w.Code != 200 {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, info := range open(t, server.Config{Store: records}).Tokens.List() {
		if info.Used.IsZero() {
			t.Errorf("the time at which token %s was used is not saved", info.ID)
		}
	}
}

// Negative limits are no limits.
func TestNoLimits(t *testing.T) {
	config := full(t)
	config.Limits = server.Limits{
		Requests:     -1,
		Lints:        -1,
		Mails:        -1,
		Titles:       -1,
		BodyBytes:    -1,
		ArchiveBytes: -1,
		AccountBytes: -1,
		CacheBytes:   -1,
	}
	s := open(t, config)
	token := bearer(adminToken(t, s))
	for i := range 12 { // more than the default of mails and of requests
		author := fmt.Sprintf(`{"author_name":"Ann","author_email":"ann@example.com","definition":%s}`,
			definition(fmt.Sprintf("A%d", i), "1"))
		if w := call(s, "POST", "/api/v1/title", author, nil); w.Code != 201 {
			t.Fatalf("title %d: got status %d: %s", i, w.Code, w.Body)
		}
	}
	large := strings.Replace(definition("Large", "1"), `"P"`, `"P","x":"`+strings.Repeat("x", 11<<20)+`"`, 1)
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/api/v1/lint", large},
		{"POST", "/api/v1/titles/import", definition("Imported", "1")},
		{"GET", "/jamf/v1/patch/A1_Ann", ""},
	} {
		if w := call(s, c.method, c.path, c.body, token); w.Code != 200 {
			t.Errorf("%s: got status %d: %.300s", c.path, w.Code, w.Body)
		}
	}
}
