package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// definition returns a valid definition in JSON.
func definition(id, version string) string {
	return `{"id":"` + id + `","name":"` + id + `","publisher":"P","appName":null,"bundleId":null,` +
		`"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],` +
		`"patches":[{"version":"` + version + `","releaseDate":"2018-02-02T17:39:58Z","standalone":true,` +
		`"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}],` +
		`"extensionAttributes":[]}`
}

// newSecret returns a secret for tests.
func newSecret(t *testing.T) auth.Secret {
	t.Helper()
	secret, err := auth.NewSecret(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// full returns a Config that switches everything on.
func full(t *testing.T) server.Config {
	t.Helper()
	outbox, err := mail.NewOutbox(t.TempDir(), "patches@example.com")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = outbox.Close() })
	return server.Config{Store: memstore.New(), Secret: newSecret(t), Mailer: outbox, AllowPrivateNetworks: true}
}

// open opens a server that is closed when the test ends.
func open(t *testing.T, c server.Config) *server.Server {
	t.Helper()
	s, err := server.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// start calls Run in a goroutine. stop ends it and returns its error.
func start(t *testing.T, s *server.Server) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
}

// adminToken issues an administrator token.
func adminToken(t testing.TB, s *server.Server) string {
	t.Helper()
	token, _, err := s.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.Administrator})
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// call calls a handler. header, if not nil, changes the request's header.
func call(h http.Handler, method, path, body string, header func(http.Header)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if header != nil {
		header(r.Header)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// bearer returns a header function for call.
func bearer(token string) func(http.Header) {
	return func(h http.Header) { h.Set("Authorization", "Bearer "+token) }
}

// waitFor waits until a condition holds.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for: %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// goroutines returns a function that fails the test if there are more goroutines than there were.
func goroutines(t *testing.T) (check func()) {
	t.Helper()
	before := runtime.NumGoroutine()
	return func() {
		t.Helper()
		end := time.Now().Add(10 * time.Second)
		for runtime.NumGoroutine() > before {
			if time.Now().After(end) {
				stacks := make([]byte, 1<<20)
				t.Fatalf("%d goroutines, there were %d before:\n%s", runtime.NumGoroutine(), before,
					stacks[:runtime.Stack(stacks, true)])
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// readAll returns the body of a request.
func readAll(t *testing.T, r *http.Request) string {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	return string(body)
}

// A slowStore blocks each List of one kind until it is released.
type slowStore struct {
	store.Store
	kind     string
	entered  chan struct{} // receives a value when a List begins
	released chan struct{} // closed to release
}

func newSlowStore(kind string) *slowStore {
	return &slowStore{memstore.New(), kind, make(chan struct{}, 100), make(chan struct{})}
}

func (s *slowStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	if kind == s.kind {
		s.entered <- struct{}{}
		<-s.released
	}
	return s.Store.List(ctx, kind)
}

// A brokenStore fails to List one kind.
type brokenStore struct {
	*memstore.Store
	kind string
}

var errBroken = errors.New("disk on fire")

func (b *brokenStore) List(ctx context.Context, kind string) iter.Seq2[store.Record, error] {
	if kind == b.kind {
		return func(yield func(store.Record, error) bool) { yield(store.Record{}, errBroken) }
	}
	return b.Store.List(ctx, kind)
}
