package certstore_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"golang.org/x/crypto/acme/autocert"

	"github.com/patchsource/patchsource/examples/server/internal/certstore"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// open returns a cache with a key that consists of one byte, repeated.
func open(t *testing.T, s store.Store, b byte, log *slog.Logger) *certstore.Cache {
	t.Helper()
	c, err := certstore.New(s, bytes.Repeat([]byte{b}, 32), log)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// records returns the records of the cache.
func records(t *testing.T, s store.Store) (all []store.Record) {
	t.Helper()
	for r, err := range s.List(t.Context(), certstore.Kind) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// Caches over one store with one key share their values, whatever the names are.
func TestCache(t *testing.T) {
	s := memstore.New()
	one, other := open(t, s, 1, slog.New(slog.DiscardHandler)), open(t, s, 1, slog.New(slog.DiscardHandler))
	names := []string{
		"acme_account+key", "patches.example.com", "patches.example.com+rsa",
		"/.well-known/acme-challenge/x+http-01", strings.Repeat("x", 2000),
	}
	for _, name := range names {
		if _, err := one.Get(t.Context(), name); err != autocert.ErrCacheMiss {
			t.Errorf("%.40s: got %v, want a miss", name, err)
		}
		for _, value := range []string{"replaced", "secret " + name} {
			if err := one.Put(t.Context(), name, []byte(value)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range names {
		if got, err := other.Get(t.Context(), name); err != nil || string(got) != "secret "+name {
			t.Errorf("%.40s: got %.40q, %v", name, got, err)
		}
	}
	for _, r := range records(t, s) {
		if bytes.Contains(r.Value, []byte("secret")) || !bytes.Contains(r.Value, []byte(`"format":1`)) {
			t.Errorf("%v: got %.80s", r.Key, r.Value)
		}
	}
	for range 2 {
		if err := other.Delete(t.Context(), names[0]); err != nil {
			t.Error(err)
		}
	}
	if _, err := one.Get(t.Context(), names[0]); err != autocert.ErrCacheMiss {
		t.Errorf("after Delete: got %v, want a miss", err)
	}
}

// A value that cannot be decrypted is a miss, is logged once, and can be replaced.
func TestUnreadableValues(t *testing.T) {
	s := memstore.New()
	var log bytes.Buffer
	before := open(t, s, 1, slog.New(slog.DiscardHandler))
	after := open(t, s, 2, slog.New(slog.NewTextHandler(&log, nil)))
	if err := before.Put(t.Context(), "a", []byte("value")); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := after.Get(t.Context(), "a"); err != autocert.ErrCacheMiss {
			t.Errorf("another key: got %v, want a miss", err)
		}
	}
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "another secret") {
		t.Errorf("got %d log lines, want one: %s", n, &log)
	}
	// A value under the name of another one is not accepted.
	moved := records(t, s)[0]
	if err := before.Put(t.Context(), "b", nil); err != nil {
		t.Fatal(err)
	}
	for _, r := range records(t, s) {
		if _, err := s.Put(t.Context(), r.Key, moved.Value, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := before.Get(t.Context(), "b"); err != autocert.ErrCacheMiss {
		t.Errorf("the value of another name: got %v, want a miss", err)
	}
	if err := after.Put(t.Context(), "a", []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := after.Get(t.Context(), "a"); err != nil || string(got) != "new" {
		t.Errorf("after Put: got %q, %v", got, err)
	}
	for value, want := range map[string]error{`{`: autocert.ErrCacheMiss, `{"format":2}`: store.ErrFormat} {
		if _, err := s.Put(t.Context(), moved.Key, []byte(value), store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if _, err := after.Get(t.Context(), "a"); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", value, err, want)
		}
	}
}

func TestInvalidKey(t *testing.T) {
	if _, err := certstore.New(memstore.New(), []byte("short"), nil); err == nil {
		t.Error("a key of 5 bytes was accepted")
	}
}
