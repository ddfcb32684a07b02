package filestore

import (
	"cmp"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/patchsource/patchsource/store"
)

// failSyncOf makes the next sync of a file fail whose name has a prefix.
func (s *testStore) failSyncOf(prefix string, err error) {
	var failed atomic.Bool
	s.syncData = func(f *os.File) error { return s.syncFile(f) }
	s.syncFile = func(f *os.File) error {
		// The name of a folder that was opened through an os.Root ends in "/.".
		if strings.HasPrefix(filepath.Base(filepath.Clean(f.Name())), prefix) && failed.CompareAndSwap(false, true) {
			return err
		}
		return f.Sync()
	}
}

// After a failed sync, the page cache proves nothing: the change and every later one return an error, although the next
// sync would succeed. Reading continues.
func TestAFailedSyncStopsChanges(t *testing.T) {
	putAndFlush := func(t *testing.T, s *testStore) error {
		if _, err := s.Put(t.Context(), thing("b"), []byte("2"), store.Condition{}); err != nil {
			return err
		}
		return s.Flush(t.Context())
	}
	for _, c := range []struct {
		name, of string
		change   func(t *testing.T, s *testStore) error
	}{
		{"of the journal", "0", func(t *testing.T, s *testStore) error {
			_, err := s.Put(t.Context(), thing("b"), []byte("2"), store.Condition{})
			return err
		}},
		{"of the journal by a deletion", "0", func(t *testing.T, s *testStore) error {
			return s.Delete(t.Context(), thing("b"), store.Condition{})
		}},
		{"of the directory of the journal", journalDir, putAndFlush},
		{"of a file", tempPrefix, putAndFlush},
		{"of the directory after a rename", "things", putAndFlush},
		{"of the directory after a removal", "things", func(t *testing.T, s *testStore) error {
			if err := s.Delete(t.Context(), thing("b"), store.Condition{}); err != nil {
				t.Fatal(err)
			}
			return s.Flush(t.Context())
		}},
		{"of a configuration record", tempPrefix, func(t *testing.T, s *testStore) error {
			_, err := s.Put(t.Context(), store.Key{Kind: configKind, ID: "a"}, nil, store.Condition{})
			return err
		}},
		{"of the store's directory for a new kind", "data", func(t *testing.T, s *testStore) error {
			_, err := s.Put(t.Context(), store.Key{Kind: "others", ID: "a"}, nil, store.Condition{})
			return err
		}},
		{"of the directory of corrupt files", asideDir, func(t *testing.T, s *testStore) error {
			if err := os.WriteFile(s.file("b"), []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := s.Get(t.Context(), thing("b"))
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openABC(t)
			s.failSyncOf(c.of, syscall.EIO)
			err := c.change(t, s)
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
				t.Fatalf("the change: %v, want an error of the storage", err)
			}
			s.wantStopped(t)

			s = s.reopen(t)
			s.put(t, "b")
			s.wantIDs(t, "a", "b", "c")
			if err := s.Ping(t.Context()); err != nil {
				t.Errorf("Ping after opening again: %v", err)
			}
		})
	}
}

// wantStopped checks that changes fail because of EIO, and that records can be read.
func (s *testStore) wantStopped(t *testing.T) {
	t.Helper()
	_, putErr := s.Put(t.Context(), thing("c"), []byte("2"), store.Condition{})
	_, newErr := s.Put(t.Context(), store.Key{Kind: "more", ID: "a"}, nil, store.IfAbsent())
	for name, err := range map[string]error{
		"Put": putErr, "Put of a new kind": newErr, "Ping": s.Ping(t.Context()),
		"Delete": s.Delete(t.Context(), thing("c"), store.Condition{}),
	} {
		if !errors.Is(err, syscall.EIO) || !strings.Contains(err.Error(), "restart the server") {
			t.Errorf("%s: %v, want the cause and the advice to restart", name, err)
		}
	}
	if n := strings.Count(s.log.String(), "a sync failed"); n != 1 {
		t.Errorf("the log reports the sync %d times, want once:\n%s", n, s.log)
	}
	if r, err := s.Get(t.Context(), thing("c")); err != nil || string(r.Value) != `"value of c"` {
		t.Errorf("Get: %q, %v", r.Value, err)
	}
	if n := len(s.ids(t)); n < 2 {
		t.Errorf("List yields %d records", n)
	}
	if left, _ := filepath.Glob(filepath.Join(s.dir, "*", tempPrefix+"*")); len(left) != 0 {
		t.Errorf("temporary files left: %q", left)
	}
}

// A sync that fails because the disk is full affects one change only.
func TestAFullDiskDoesNotStopChanges(t *testing.T) {
	s := openABC(t)
	s.failSyncOf("0", syscall.ENOSPC)
	if _, err := s.Put(t.Context(), thing("b"), []byte("2"), store.Condition{}); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("%v, want ENOSPC", err)
	}
	if r, err := s.Get(t.Context(), thing("b")); err != nil || string(r.Value) != `"value of b"` {
		t.Errorf("Get: %q, %v", r.Value, err)
	}
	s.failSyncOf(tempPrefix, syscall.ENOSPC)
	if _, err := s.Put(t.Context(), thing("b"), []byte("2"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Flush: %v, want ENOSPC", err)
	}
	if r, err := s.Get(t.Context(), thing("b")); err != nil || string(r.Value) != "2" {
		t.Errorf("Get: %q, %v", r.Value, err)
	}
	s.put(t, "b")
}

// separate returns ids of records whose writers do not wait for each other.
func (s *testStore) separate(n int) (ids []string) {
	taken := map[*sync.Mutex]bool{}
	for id := "x"; len(ids) < n; id += "x" {
		if mu := s.recordLock("things", fileName(id)); !taken[mu] {
			taken[mu] = true
			ids = append(ids, id)
		}
	}
	return ids
}

// gather makes changes of n records and returns their errors. The sync of the first change ends when all others wait
// for the one after it, which returns err. It returns the number of syncs too.
func (s *testStore) gather(t *testing.T, n int, err error) (errs []error, count int64) {
	t.Helper()
	var syncs atomic.Int64
	s.syncData = func(file *os.File) error {
		if syncs.Add(1) > 1 {
			return cmp.Or(err, syncData(file))
		}
		for {
			s.journal.mu.Lock()
			waiting := len(s.journal.waiting)
			s.journal.mu.Unlock()
			if waiting == n-1 {
				return syncData(file)
			}
			runtime.Gosched()
		}
	}
	errs = make([]error, n)
	var all sync.WaitGroup
	for i, id := range s.separate(n) {
		all.Go(func() { _, errs[i] = s.Put(t.Context(), thing(id), nil, store.Condition{}) })
		for syncs.Load() == 0 {
			runtime.Gosched()
		}
	}
	all.Wait()
	return errs, syncs.Load()
}

// The system reports a failed sync once, but every change that waited for it may be lost.
func TestAFailedSyncFailsAllThatWaitForIt(t *testing.T) {
	errs, _ := openABC(t).gather(t, 8, syscall.EIO)
	for i, err := range errs {
		if errors.Is(err, syscall.EIO) != (i > 0) {
			t.Errorf("change %d: %v, want EIO for all that waited for the second sync", i, err)
		}
	}
}

func TestWritersShareASync(t *testing.T) {
	errs, n := openABC(t).gather(t, 8, nil)
	if err := errors.Join(errs...); err != nil || n != 2 {
		t.Errorf("%d syncs of the journal for 8 writers (%v), want 2", n, err)
	}
}

// A directory that was deleted or replaced is an outage and not an empty store.
func TestDirectoryThatVanished(t *testing.T) {
	for _, c := range []struct {
		name   string
		vanish func(s *testStore) error
	}{
		{"deleted", func(s *testStore) error { return os.RemoveAll(s.dir) }},
		{"moved away", func(s *testStore) error { return os.Rename(s.dir, s.dir+"-old") }},
		{"replaced", func(s *testStore) error {
			return errors.Join(os.Rename(s.dir, s.dir+"-old"), os.CopyFS(s.dir, os.DirFS(s.dir+"-old")))
		}},
		{"a kind deleted", func(s *testStore) error { return os.RemoveAll(filepath.Join(s.dir, "things")) }},
		{"a kind replaced", func(s *testStore) error {
			things := filepath.Join(s.dir, "things")
			return errors.Join(os.Rename(things, things+"-old"), os.Mkdir(things, 0o700))
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openABC(t)
			if err := s.Ping(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := c.vanish(s); err != nil {
				t.Fatal(err)
			}
			_, absentErr := s.Get(t.Context(), thing("absent"))
			_, putErr := s.Put(t.Context(), thing("a"), nil, store.Condition{})
			_, newErr := s.Put(t.Context(), thing("new"), nil, store.IfAbsent())
			var listErr error
			for _, err := range s.List(t.Context(), "things") {
				listErr = err
			}
			for name, err := range map[string]error{
				"Get": absentErr, "Put": putErr, "Put of a new record": newErr, "List": listErr,
				"Ping": s.Ping(t.Context()), "Delete": s.Delete(t.Context(), thing("a"), store.Condition{}),
			} {
				if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) ||
					!strings.Contains(err.Error(), s.dir) || !strings.Contains(err.Error(), "deleted or replaced") {
					t.Errorf("%s: %v, want an error that says that the directory is gone", name, err)
				}
			}
			if _, err := s.Get(t.Context(), thing("a")); errors.Is(err, store.ErrNotFound) {
				t.Errorf("Get of a record that existed: %v", err)
			}
			s.wantFaults(t)
		})
	}
}

// A directory that is moved back is the same as before.
func TestDirectoryThatComesBack(t *testing.T) {
	s := openABC(t)
	if err := os.Rename(s.dir, s.dir+"-old"); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping: no error")
	}
	if err := os.Rename(s.dir+"-old", s.dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	s.put(t, "a")
}

// A directory that vanished before a kind was used is not created again.
func TestNewKindInADirectoryThatVanished(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "data"))
	if err := os.RemoveAll(s.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), thing("a")); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get: %v, want an error of the storage", err)
	}
	if _, err := s.Put(t.Context(), thing("a"), nil, store.Condition{}); err == nil {
		t.Error("Put: no error")
	}
}
