package patchsync_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A journal collects log lines.
type journal struct {
	mu  sync.Mutex
	all bytes.Buffer
}

// Write implements [io.Writer].
func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.Write(p)
}

// logger returns a logger that writes to the journal.
func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// String returns the log so far.
func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

// Secrets in the URL of a source, even of one that is refused or cannot be parsed, are in no log line, error or state.
// The URL is still stored and fetched as a whole.
func TestSecretsInURLs(t *testing.T) {
	location := http.Header{"Location": {"https://u:hunter22@vendor.example:port/?hunter22"}}
	pages := map[string]page{
		"a definition":  {body: document(t, definition("App", "2"))},
		"HTML":          {body: []byte("<html>")},
		"status 500":    {status: 500},
		"no connection": {err: errors.New("connection refused")},
		"a redirect":    {status: 302, header: location},
	}
	for _, c := range []struct {
		url    string
		mirror bool // the URL is valid as the address of a mirror
	}{
		{"https://vendor.example/d.json?token=hunter22", true},
		{"https://vendor.example/d.json#hunter22", true},
		{"https://user:hunter22@vendor.example/d.json", false},
		{"https://user:hunter22@vendor.example:port/d.json", false},
		{"https://user:hunt/hunter22@vendor.example/d.json", false},
		{"https://user:hunter22%zz@vendor.example/d.json", false},
		{"user:hunter22@vendor.example/d.json", false},
		{"http://10.0.0.1/d.json?hunter22", false},
	} {
		for name, p := range pages {
			t.Run(name+" at "+c.url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { checkSecrets(t, c.url, p, c.mirror) })
			})
		}
	}
}

// checkSecrets follows a URL with a title, and with mirrors if it is valid as their address, and checks that everything
// that is published lacks the secret. p is the answer.
func checkSecrets(t *testing.T, url string, p page, mirror bool) {
	t.Helper()
	w, log, st := newWorld(t), &journal{}, newStore()
	w.put(url, p)
	var published []any
	opts := patchsync.Options{Logger: log.logger(), Interval: time.Hour, Mirrors: []patchsync.Mirror{
		{Source: patchsync.Definition(url)},
		{Source: patchsync.PatchSource(strings.Replace(url, "d.json", "v1", 1), nil)},
	}}
	if !mirror {
		c := openCatalog(t, newStore())
		_, err := patchsync.New(c, newStore(), &opts)
		if err == nil {
			t.Error("a mirror of this address: no error")
		}
		published = append(published, fmt.Sprint(err))
		_ = c.Close()
		opts.Mirrors = nil
	}
	s := open(t, st, w, opts)
	title := s.follow(url, definition("Alone", "1"), nil)
	if title.Follows != url {
		t.Errorf("the URL %q is stored", title.Follows)
	}
	orphan := &catalog.CreateOptions{Follows: url, Source: url + "-before"}
	if _, err := s.catalog.Create(t.Context(), definition("Orphan", "1"), orphan); err != nil {
		t.Fatal(err)
	}
	_, syncAlone := s.sync.Sync(t.Context(), "Alone")
	_, syncOrphan := s.sync.Sync(t.Context(), "Orphan")
	_, fetch := s.sync.Fetcher().Definition(t.Context(), url)
	for _, err := range []error{syncAlone, syncOrphan, fetch, s.sync.TriggerMirror(url + "-before")} {
		published = append(published, fmt.Sprint(err))
	}
	stop := run(t, s)
	time.Sleep(5 * time.Hour)
	for state := range s.sync.States() {
		published = append(published, state)
		if state.Mirror != "" && s.sync.TriggerMirror(state.Mirror) != nil {
			t.Errorf("a mirror cannot be triggered by its published name %q", state.Mirror)
		}
	}
	state, _ := s.sync.State(title)
	published = append(published, state)
	stop()
	out, err := json.Marshal(published)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(out), log.String()} {
		if strings.Contains(text, "hunter22") {
			t.Errorf("the secret is published: %s", text)
		}
	}
}

// The error of a state that an earlier version saved with the whole URL is published without its secrets.
func TestSecretsInOldStates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const url = "https://vendor.example/d.json?token=hunter22"
		st := newStore()
		s := open(t, st, newWorld(t), patchsync.Options{})
		title := s.follow(url, definition("App", "1"), nil)
		old := `{"format":1,"failures":1,"last_error":"` + url + `: it answered 503"}`
		key := store.Key{Kind: "syncs", ID: "title/" + title.UID}
		if _, err := st.Put(t.Context(), key, []byte(old), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		stop := run(t, s)
		defer stop()
		synctest.Wait()
		text := s.state("App").LastError
		if !strings.Contains(text, "503") || strings.Contains(text, "hunter22") {
			t.Errorf("LastError is %q", text)
		}
	})
}

// An invalid record, or a failure of the store, does not log the secret in the record's key.
func TestSecretsInKeys(t *testing.T) {
	const url = "https://vendor.example/v1?token=hunter22"
	synctest.Test(t, func(t *testing.T) {
		st, log := newStore(), &journal{}
		key := store.Key{Kind: "syncs", ID: "mirror/" + url}
		if _, err := st.Put(t.Context(), key, []byte("{"), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		s := open(t, refusing{st}, newWorld(t), patchsync.Options{Logger: log.logger(), Interval: time.Minute,
			Mirrors: []patchsync.Mirror{{Source: patchsync.PatchSource(url, nil)}}})
		stop := run(t, s)
		time.Sleep(5 * time.Minute)
		stop()
		text := log.String()
		if strings.Contains(text, "hunter22") || !strings.Contains(text, "cannot be read") ||
			!strings.Contains(text, "could not be saved") {
			t.Errorf("log: %s", text)
		}
	})
}

// A refusing store does not write states, and names the record in its error.
type refusing struct{ *counted }

// Put implements [store.Store].
func (r refusing) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if key.Kind == "syncs" {
		return "", fmt.Errorf("write %v: the disk is full", key)
	}
	return r.counted.Put(ctx, key, value, cond)
}

// A credentials value is an Authorization header, or the error of reading one.
type credentials struct {
	mu    sync.Mutex
	value string
	err   error
}

// set changes the header or the error.
func (c *credentials) set(value string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.value, c.err = value, err
}

// get is a PatchSourceOptions.Authorization function.
func (c *credentials) get() (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.value, c.err
}

// authorizations returns the Authorization headers of the requests for a URL.
func (w *world) authorizations(url string) (all []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.log[url] {
		all = append(all, r.Header.Get("Authorization"))
	}
	return all
}

// The credentials of a source are read in each round, sent to its own host only, and never published.
func TestAuthorization(t *testing.T) {
	secret, log := &credentials{value: "Bearer hunter22"}, &journal{}
	source := patchsync.PatchSource(vendor, &patchsync.PatchSourceOptions{Authorization: secret.get})
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, patchsync.Options{
			Interval: time.Hour, Logger: log.logger(), Mirrors: []patchsync.Mirror{{Source: source}},
		})
		w.source(vendor, definition("A", "1"), definition("B", "1"))
		const elsewhere = "https://elsewhere.example/b"
		w.put(vendor+"/patch/B", page{status: 302, header: http.Header{"Location": {elsewhere}}})
		w.define(elsewhere, definition("B", "1"))
		stop := run(t, s)
		defer stop()
		synctest.Wait()
		if got := s.ids(); got != "A B" {
			t.Errorf("titles %q, state %+v", got, s.round(vendor))
		}
		for url, want := range map[string]string{
			vendor + "/software": "Bearer hunter22",
			vendor + "/patch/A":  "Bearer hunter22",
			vendor + "/patch/B":  "Bearer hunter22",
			elsewhere:            "",
		} {
			if got := w.authorizations(url); len(got) != 1 || got[0] != want {
				t.Errorf("%s got the credentials %q, want %q once", url, got, want)
			}
		}
		secret.set("Bearer hunter22-2", nil)
		next()
		if got := w.authorizations(vendor + "/software"); got[len(got)-1] != "Bearer hunter22-2" {
			t.Errorf("after a change, the source got the credentials %q", got)
		}
		before := w.requests("")
		for _, c := range []struct {
			value string
			err   error
			says  string
		}{
			{"", nil, "empty"},
			{"", errors.New("permission denied"), "permission denied"},
			{"Bearer hunter22\nX: y", nil, "one line"},
		} {
			secret.set(c.value, c.err)
			if _, err := s.sync.Sync(t.Context(), "A"); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Sync: %v, want %q", err, c.says)
			}
		}
		if n := w.requests("") - before; n != 0 {
			t.Errorf("%d requests without valid credentials", n)
		}
		secret.set("Bearer hunter22", nil)
		w.put(vendor+"/software", page{status: 401})
		_, err := s.sync.Sync(t.Context(), "A")
		published := fmt.Sprintf("%v %+v %s", err, s.round(vendor), log.String())
		if strings.Contains(published, "hunter22") || !strings.Contains(published, "401") {
			t.Errorf("published: %s", published)
		}
		if !errors.Is(err, patchsync.ErrUpstream) {
			t.Errorf("Sync: %v, want ErrUpstream", err)
		}
		if title, _ := s.catalog.Title("A"); title.Follows != vendor+"/patch/A" {
			t.Errorf("A follows %q", title.Follows)
		}
	})
}

// Credentials are not sent over http, unless private networks are permitted.
func TestAuthorizationOverHTTP(t *testing.T) {
	for _, private := range []bool{false, true} {
		const lab = "http://vendor.example/v1"
		w := newWorld(t)
		w.source(lab, definition("A", "1"))
		source := patchsync.PatchSource(lab, &patchsync.PatchSourceOptions{
			Authorization: func() (string, error) { return "Bearer hunter22", nil },
		})
		s := open(t, newStore(), w, patchsync.Options{
			AllowPrivateNetworks: private, Mirrors: []patchsync.Mirror{{Source: source}},
		})
		opts := &catalog.CreateOptions{Follows: lab, Source: lab}
		if _, err := s.catalog.Create(t.Context(), definition("Z", "1"), opts); err != nil {
			t.Fatal(err)
		}
		_, err := s.sync.Sync(t.Context(), "Z")
		if (err == nil) != private || (w.requests(lab) > 0) != private {
			t.Errorf("private networks permitted %v: error %v, %d requests", private, err, w.requests(lab))
		}
	}
}

// Outcome tells nothing of an error but the status.
func TestOutcome(t *testing.T) {
	for _, c := range []struct {
		name  string
		state patchsync.State
		want  string
	}{
		{"no error", patchsync.State{}, ""},
		{
			"a status",
			patchsync.State{LastError: "https://10.0.0.1/x: the server answered 500", Status: 500},
			"the source answered with status 500",
		},
		{
			"no answer",
			patchsync.State{LastError: "dial tcp 10.0.0.1:443: connection refused"},
			"the source could not be read; callers who may change the title can see the reason",
		},
	} {
		if got := c.state.Outcome(); got != c.want {
			t.Errorf("%s: Outcome() = %q, want %q", c.name, got, c.want)
		}
	}
}

// Run does not overwrite a state that a newer version wrote.
func TestStateOfANewerVersion(t *testing.T) {
	st := newStore()
	s := open(t, st, newWorld(t), patchsync.Options{})
	title := s.follow("https://vendor.example/d.json", definition("App", "1"), nil)
	key := store.Key{Kind: "syncs", ID: "title/" + title.UID}
	if _, err := st.Put(t.Context(), key, []byte(`{"format":99}`), store.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := s.sync.Run(ctx); !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), "99") {
		t.Errorf("Run: %v, want store.ErrFormat", err)
	}
}
