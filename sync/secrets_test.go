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

// A journal is a log that is read in the end.
type journal struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.Write(p)
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(j, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (j *journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.all.String()
}

// Secrets in the URL of a source, also of one that is refused or cannot be parsed, are
// in no log line, error or state, and the URL is still stored and fetched whole.
func TestSecretsOfURLsAreShownNowhere(t *testing.T) {
	for _, url := range []string{
		"https://vendor.example/d.json?token=hunter22",
		"https://vendor.example/d.json#hunter22",
		"https://user:hunter22@vendor.example/d.json",
		"https://user:hunter22@vendor.example:port/d.json",
		"https://user:hunt/hunter22@vendor.example/d.json",
		"https://user:hunter22%zz@vendor.example/d.json",
		"user:hunter22@vendor.example/d.json",
		"http://10.0.0.1/d.json?hunter22",
	} {
		for name, p := range map[string]page{
			"taken":    {},
			"no JSON":  {body: []byte("<html>")},
			"down":     {status: 500},
			"offline":  {err: errors.New("connection refused")},
			"redirect": {status: 302, header: http.Header{"Location": {"https://u:hunter22@vendor.example:port/?hunter22"}}},
		} {
			t.Run(name+" "+url, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w, log := newWorld(t), &journal{}
					if name == "taken" {
						p.body = document(t, definition("App", "2"))
					}
					w.put(url, p)
					base := strings.Replace(url, "d.json", "v1", 1)
					st := newStore()
					opts := patchsync.Options{Logger: log.logger(), Interval: time.Hour, Mirrors: []patchsync.Mirror{
						{Source: patchsync.Definition(url)},
						{Source: patchsync.PatchSource(base, nil)},
					}}
					var told []any
					if !strings.HasPrefix(url, "https://vendor.example/") { // it is refused as the address of a mirror
						cat, err := catalog.Open(t.Context(), newStore(), nil)
						if err != nil {
							t.Fatal(err)
						}
						_, err = patchsync.New(cat, newStore(), &opts)
						if err == nil {
							t.Error("a mirror with this address: no error")
						}
						told = append(told, fmt.Sprint(err))
						_ = cat.Close()
						opts.Mirrors = nil
					}
					s := open(t, st, w, opts)
					title := s.follow(url, definition("Alone", "1"), nil)
					if _, err := s.cat.Create(t.Context(), definition("Orphan", "1"), &catalog.CreateOptions{
						Follows: url, Source: url + "-of-yesterday",
					}); err != nil {
						t.Fatal(err)
					}
					_, err := s.sync.Sync(t.Context(), "Alone")
					told = append(told, fmt.Sprint(err))
					_, err = s.sync.Sync(t.Context(), "Orphan")
					told = append(told, fmt.Sprint(err), fmt.Sprint(s.sync.TriggerMirror(url+"-of-yesterday")))
					_, err = s.sync.Fetcher().Definition(t.Context(), url)
					told = append(told, fmt.Sprint(err))
					stop := run(t, s)
					time.Sleep(5 * time.Hour)
					for state := range s.sync.States() {
						told = append(told, state)
						if state.Mirror != "" && s.sync.TriggerMirror(state.Mirror) != nil {
							t.Errorf("a mirror cannot be triggered by the name that is shown: %q", state.Mirror)
						}
					}
					state, _ := s.sync.State(title)
					told = append(told, state)
					stop()
					out, err := json.Marshal(told)
					if err != nil {
						t.Fatal(err)
					}
					for _, text := range []string{string(out), log.String()} {
						if strings.Contains(text, "hunter22") {
							t.Errorf("the secret is told: %s", text)
						}
					}
					if title.Follows != url {
						t.Errorf("%q is stored", title.Follows)
					}
				})
			})
		}
	}
}

// What earlier versions wrote down with the whole URL is shown without its secrets.
func TestSecretsOfOldStatesAreShownNowhere(t *testing.T) {
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
		if state := s.state("App"); !strings.Contains(state.LastError, "503") ||
			strings.Contains(state.LastError, "hunter22") {
			t.Errorf("%+v", state)
		}
	})
}

// A broken record, or a store that fails, does not have the secret logged that is in
// the record's key.
func TestSecretsInKeysAreNotLogged(t *testing.T) {
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
			t.Errorf("%s", text)
		}
	})
}

// A refusing store names the record that it does not write.
type refusing struct{ *counted }

// Put implements store.Store.
func (r refusing) Put(ctx context.Context, key store.Key, value []byte, cond store.Condition) (store.Revision, error) {
	if key.Kind == "syncs" {
		return "", fmt.Errorf("write %v: the disk is full", key)
	}
	return r.counted.Put(ctx, key, value, cond)
}

// Credentials of a source are read in each round, sent to its own host alone, and told
// by nothing.
func TestAuthorization(t *testing.T) {
	var mu sync.Mutex
	credentials, failure := "Bearer hunter22", error(nil)
	source := patchsync.PatchSource(vendor, &patchsync.PatchSourceOptions{Authorization: func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		return credentials, failure
	}})
	change := func(value string, err error) {
		mu.Lock()
		defer mu.Unlock()
		credentials, failure = value, err
	}
	log := &journal{}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		s := open(t, newStore(), w, patchsync.Options{Interval: time.Hour, Logger: log.logger(),
			Mirrors: []patchsync.Mirror{{Source: source}}})
		w.source(vendor, definition("A", "1"), definition("B", "1"))
		const elsewhere = "https://elsewhere.example/b"
		w.put(vendor+"/patch/B", page{status: 302, header: http.Header{"Location": {elsewhere}}})
		w.define(elsewhere, definition("B", "1"))
		sent := func(url string) (all []string) {
			w.mu.Lock()
			defer w.mu.Unlock()
			for _, r := range w.asked[url] {
				all = append(all, r.Header.Get("Authorization"))
			}
			return all
		}
		stop := run(t, s)
		defer stop()
		synctest.Wait()
		if got := s.ids(); got != "A B" {
			t.Errorf("%q: %+v", got, s.round(vendor))
		}
		for url, want := range map[string]string{
			vendor + "/software": "Bearer hunter22",
			vendor + "/patch/A":  "Bearer hunter22",
			vendor + "/patch/B":  "Bearer hunter22",
			elsewhere:            "",
		} {
			if got := sent(url); len(got) != 1 || got[0] != want {
				t.Errorf("%s is sent %q", url, got)
			}
		}
		change("Bearer hunter22-2", nil)
		next()
		if got := sent(vendor + "/software"); got[len(got)-1] != "Bearer hunter22-2" {
			t.Errorf("after a change: %q", got)
		}
		asked := w.requests("")
		for _, c := range []struct {
			value string
			err   error
			says  string
		}{
			{"", nil, "empty"},
			{"", errors.New("permission denied"), "permission denied"},
			{"Bearer hunter22\nX: y", nil, "one line"},
		} {
			change(c.value, c.err)
			if _, err := s.sync.Sync(t.Context(), "A"); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want %q", err, c.says)
			}
		}
		if n := w.requests("") - asked; n != 0 {
			t.Errorf("%d requests without good credentials", n)
		}
		change("Bearer hunter22", nil)
		w.put(vendor+"/software", page{status: 401})
		_, err := s.sync.Sync(t.Context(), "A")
		told := fmt.Sprintf("%v %+v %s", err, s.round(vendor), log.String())
		if strings.Contains(told, "hunter22") || !strings.Contains(told, "401") {
			t.Errorf("%s", told)
		}
		if title, _ := s.cat.Title("A"); !errors.Is(err, patchsync.ErrUpstream) || title.Follows != vendor+"/patch/A" {
			t.Errorf("%v, %+v", err, title)
		}
	})
}

// Credentials are not sent over http, unless private networks are allowed.
func TestAuthorizationOverHTTP(t *testing.T) {
	for _, private := range []bool{false, true} {
		const lab = "http://vendor.example/v1"
		w := newWorld(t)
		w.source(lab, definition("A", "1"))
		source := patchsync.PatchSource(lab, &patchsync.PatchSourceOptions{
			Authorization: func() (string, error) { return "Bearer hunter22", nil }})
		s := open(
			t,
			newStore(),
			w,
			patchsync.Options{AllowPrivateNetworks: private, Mirrors: []patchsync.Mirror{{Source: source}}},
		)
		if _, err := s.cat.Create(t.Context(), definition("Z", "1"), &catalog.CreateOptions{Follows: lab, Source: lab}); err != nil {
			t.Fatal(err)
		}
		_, err := s.sync.Sync(t.Context(), "Z")
		if (err == nil) != private || (w.requests(lab) > 0) != private {
			t.Errorf("private networks allowed: %v: %v, %d requests", private, err, w.requests(lab))
		}
	}
}

// What strangers are told of a source that fails has nothing of what it said, or where it is.
func TestOutcome(t *testing.T) {
	for _, c := range []struct {
		name  string
		state patchsync.State
		want  string
	}{
		{"all is well", patchsync.State{}, ""},
		{"an answer", patchsync.State{LastError: "https://10.0.0.1/x: it answered 500", Status: 500}, "the source answered with status 500"},
		{"no answer", patchsync.State{LastError: "dial tcp 10.0.0.1:443: connection refused"}, "the source could not be read; those who may change the title can see the reason"},
	} {
		if got := c.state.Outcome(); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// The state that a newer version wrote is not written over.
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
		t.Errorf("%v, want store.ErrFormat", err)
	}
}
