package filestore

import (
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/patchsource/patchsource/store"
)

// A journal that is moved away while the store is open stops changes.
func TestJournalMovedAway(t *testing.T) {
	for _, first := range []bool{true, false} {
		s := openSlow(t)
		if first {
			s.change(t, "a", 1)
		}
		if err := os.Rename(filepath.Join(s.dir, journalDir), filepath.Join(s.dir, ".journal-old")); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Put(t.Context(), thing("b"), nil, store.Condition{}); err == nil {
			t.Errorf("Put: no error (a change before: %v)", first)
		}
	}
}

// The process that made the directory of the journal may have been killed before it synced the name.
func TestNameOfJournalIsSynced(t *testing.T) {
	s := openSlow(t)
	s.put(t, "a")
	dir := s.dir
	_ = s.Close()
	again := newStore() // .journal is there, as if the process had been killed after Mkdir
	var synced atomic.Bool
	again.syncFile = func(f *os.File) error {
		if filepath.Clean(f.Name()) == dir {
			synced.Store(true)
		}
		return f.Sync()
	}
	if err := again.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	if err := again.Delete(t.Context(), thing("a"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if !synced.Load() {
		t.Error("acknowledged, and the name of .journal is not durable")
	}
	_ = again.Close()
}

// The name of a kind's directory is synced before the first change, also if a Get has opened the directory before.
func TestNameOfKindIsSynced(t *testing.T) {
	s := openSlow(t)
	s.put(t, "a")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, s.dir)
	if _, err := again.Get(t.Context(), thing("a")); err != nil {
		t.Fatal(err)
	}
	again.failSyncOf("data", syscall.EIO)
	if _, err := again.Put(t.Context(), thing("a"), nil, store.Condition{}); !errors.Is(err, syscall.EIO) {
		t.Errorf("Put: %v, want the error of the sync of the store's directory", err)
	}
}
