package server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/memstore"
)

// A fullStore is a store on a full disk.
type fullStore struct{ store.Store }

func (fullStore) Put(context.Context, store.Key, []byte, store.Condition) (store.Revision, error) {
	return "", errors.New("no space left on device")
}

// The only server of a store serves an existing store whose disk is full, although its secret cannot be recorded.
func TestOneServerStartsOnAFullDisk(t *testing.T) {
	alone := struct{ store.Store }{memstore.New()}
	open(t, server.Config{Store: alone}) // an earlier version, which recorded no secret
	var log bytes.Buffer
	open(t, server.Config{
		Store: fullStore{alone}, Secret: newSecret(t), Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if !strings.Contains(log.String(), "no space left") {
		t.Errorf("nothing was logged: %s", log.String())
	}
}

// The only server of a store starts although the record of its secret is corrupt, and says so.
func TestOneServerStartsWithACorruptCheckOfItsSecret(t *testing.T) {
	dir := t.TempDir()
	openFiles := func() *filestore.Store {
		t.Helper()
		s, err := filestore.Open(dir, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s
	}
	s := openFiles()
	open(t, server.Config{Store: s, Secret: newSecret(t)})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "config", "secret*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the record of the secret: %v, %v", files, err)
	}
	if err := os.WriteFile(files[0], []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = openFiles()
	var log bytes.Buffer
	open(t, server.Config{Store: s, Secret: newSecret(t), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if !strings.Contains(log.String(), "restore it from a backup") {
		t.Errorf("nothing was logged: %s", log.String())
	}
}
