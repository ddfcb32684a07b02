package app

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// loadSecret loads the secret as a server does when it starts.
func loadSecret(t *testing.T, f *flags, s store.Store) (secret auth.Secret, created bool, err error) {
	t.Helper()
	if err := f.checkSecret(t.Context(), s); err != nil {
		return auth.Secret{}, false, err
	}
	return f.loadSecret(t.Context(), s, slog.New(slog.DiscardHandler))
}

// Over a store that other servers use, a missing secret is not made again, unless a flag says that it is lost.
func TestSecretOfASharedStore(t *testing.T) {
	ctx, s := t.Context(), memstore.New()
	f := &flags{SecretFile: filepath.Join(t.TempDir(), "secret")}
	first, created, err := loadSecret(t, f, s)
	if err != nil || !created {
		t.Fatalf("the first server: got created %v, %v", created, err)
	}
	if err := auth.CheckSecret(ctx, s, first); err != nil {
		t.Fatal(err)
	}
	other := &flags{SecretFile: filepath.Join(t.TempDir(), "secret")}
	if _, _, err := loadSecret(t, other, s); err == nil || !strings.Contains(err.Error(), "copy the file") {
		t.Errorf("another server without the file: got %v", err)
	}
	if _, err := os.Stat(other.SecretFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another server made a file: %v", err)
	}
	other.ReplaceSecret = true
	second, created, err := loadSecret(t, other, s)
	if err != nil || !created {
		t.Fatalf("with --replace-secret: got created %v, %v", created, err)
	}
	if err := other.replaceSecret(ctx, s, second, created); err != nil {
		t.Fatal(err)
	}
	if err := auth.CheckSecret(ctx, s, first); !errors.Is(err, auth.ErrSecret) {
		t.Errorf("the lost secret: got %v, want ErrSecret", err)
	}

	titles := memstore.New() // of a version that kept no check of the secret
	if _, err := titles.Put(ctx, store.Key{Kind: "titles", ID: "app"}, []byte("{}"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	late := &flags{SecretFile: filepath.Join(t.TempDir(), "secret")}
	if _, _, err := loadSecret(t, late, titles); err == nil {
		t.Error("a store with titles: no error")
	}
	if _, created, err := loadSecret(t, late, struct{ store.Store }{titles}); err != nil || !created {
		t.Errorf("a store of one server: got created %v, %v", created, err)
	}
}

// A server in a folder whose secret was lost makes another one, and warns. One that finds another file warns too.
func TestLostSecretOfOneServer(t *testing.T) {
	p := start(t, t.TempDir())
	p.do("POST", "/api/v1/title", definition("App", "1"))
	p.stop()
	secret := filepath.Join(p.dir, "data.secret")
	if err := os.Remove(secret); err != nil {
		t.Fatal(err)
	}
	p = start(t, p.dir)
	if log := p.logged(); !strings.Contains(log, "this is probably not the first start") ||
		strings.Contains(log, "takes its place") {
		t.Errorf("the log after the file was lost: %s", log)
	}
	p.stop()
	writeFile(t, secret, strings.Repeat("ab", 32))
	p = start(t, p.dir)
	if log := p.logged(); !strings.Contains(log, "takes its place") || strings.Contains(log, "abab") {
		t.Errorf("the log with another file: %s", log)
	}
	p.stop()
	p = start(t, p.dir)
	if log := p.logged(); strings.Contains(log, `"WARN"`) && strings.Contains(log, "secret") {
		t.Errorf("the log of the next start: %s", log)
	}
}

// A full backup is loaded with another secret than that of the server that made it.
func TestRestoreWithAnotherSecret(t *testing.T) {
	p := start(t, t.TempDir())
	p.do("POST", "/api/v1/title", definition("App", "1"))
	status, zip := p.do("GET", "/api/v1/backup?full=1", "")
	if status != 200 || strings.Contains(zip, "config/secret") {
		t.Fatalf("got status %d", status)
	}
	file := filepath.Join(t.TempDir(), "full.zip")
	writeFile(t, file, zip)
	moved := start(t, t.TempDir(), "--restore", file)
	if status, body := moved.do("GET", "/jamf/v1/patch/App", ""); status != 200 {
		t.Errorf("got status %d: %s", status, body)
	}
	moved.stop()
	moved = start(t, moved.dir)
	if log := moved.logged(); strings.Contains(log, "takes its place") {
		t.Errorf("the log of the next start: %s", log)
	}
}

// A store in memory is not shared, so that its lists are dated.
func TestMemoryIsNotShared(t *testing.T) {
	s, err := (&flags{}).openStore(t.Context(), "memory:", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if _, shared := store.As[store.Watcher](s); shared {
		t.Error("memory: is a store.Watcher")
	}
}
