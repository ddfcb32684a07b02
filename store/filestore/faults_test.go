package filestore

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/store"
)

// A testStore is a Store with its directory and its log.
type testStore struct {
	*Store
	dir string
	log *bytes.Buffer
}

func openTest(t *testing.T, dir string) *testStore {
	t.Helper()
	log := &bytes.Buffer{}
	s, err := Open(dir, &Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &testStore{s, dir, log}
}

// openABC opens a store with the records a, b and c.
func openABC(t *testing.T) *testStore {
	t.Helper()
	s := openTest(t, filepath.Join(t.TempDir(), "data"))
	for _, id := range []string{"a", "b", "c"} {
		s.put(t, id)
	}
	return s
}

// reopen closes the store and opens its directory again.
func (s *testStore) reopen(t *testing.T) *testStore {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, s.dir)
}

func thing(id string) store.Key { return store.Key{Kind: "things", ID: id} }

// flush writes the files of all records.
func (s *testStore) flush(t *testing.T) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// put writes a record and its file.
func (s *testStore) put(t *testing.T, id string) {
	t.Helper()
	if _, err := s.Put(t.Context(), thing(id), []byte(`"value of `+id+`"`), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	s.flush(t)
}

func (s *testStore) file(id string) string { return filepath.Join(s.dir, "things", fileName(id)) }

// ids lists the things.
func (s *testStore) ids(t *testing.T) (ids []string) {
	t.Helper()
	for r, err := range s.List(t.Context(), "things") {
		if err != nil {
			t.Error(err)
			continue
		}
		ids = append(ids, r.Key.ID)
	}
	return ids
}

// wantIDs checks the ids of the things that List yields.
func (s *testStore) wantIDs(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, s.ids(t)); diff != "" {
		t.Errorf("List: %s", diff)
	}
}

// wantFaults checks for which things Faults reports the file, and returns the reasons.
func (s *testStore) wantFaults(t *testing.T, ids ...string) (reasons string) {
	t.Helper()
	var want []string
	for _, id := range ids {
		want = append(want, s.file(id))
	}
	return s.wantFaultsAt(t, want...)
}

// wantFaultsAt checks which files Faults reports, and returns the reasons.
func (s *testStore) wantFaultsAt(t *testing.T, want ...string) (reasons string) {
	t.Helper()
	var got []string
	for _, f := range store.Faults(t.Context(), s) {
		got = append(got, f.Name)
		reasons += f.Reason + "\n"
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Faults: %s", diff)
	}
	return reasons
}

// wantUntouchable checks that Put and Delete of a record fail and leave its file unchanged.
func (s *testStore) wantUntouchable(t *testing.T, id string) {
	t.Helper()
	before, err := os.ReadFile(s.file(id))
	if err != nil {
		t.Fatal(err)
	}
	for name, cond := range map[string]store.Condition{
		"no condition": {}, "IfAbsent": store.IfAbsent(), "IfRevision": store.IfRevision("1"),
	} {
		_, putErr := s.Put(t.Context(), thing(id), []byte("2"), cond)
		deleteErr := s.Delete(t.Context(), thing(id), cond)
		for _, err := range []error{putErr, deleteErr} {
			if err == nil || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrConflict) {
				t.Errorf("a change of %s with %s: %v, want an error of the storage", id, name, err)
			}
		}
	}
	if after, err := os.ReadFile(s.file(id)); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file of %s has changed, or: %v", id, err)
	}
}

// A corrupt file that cannot be moved is reported in the log and by Faults and stays where it is until it can be moved.
func TestCorruptFileThatCannotBeSetAside(t *testing.T) {
	s := openABC(t)
	if err := os.WriteFile(s.file("b"), []byte("corrupt"), 0o600); err != nil {
		t.Fatal(err)
	}
	obstacle := filepath.Join(s.dir, asideDir)
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s = s.reopen(t)
	s.wantIDs(t, "a", "c")
	s.wantIDs(t, "a", "c")
	if n := strings.Count(s.log.String(), s.file("b")); n != 1 {
		t.Errorf("the log names the file %d times, want once:\n%s", n, s.log)
	}
	for range 2 {
		_, err := s.Get(t.Context(), thing("b"))
		if !errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNotFound) ||
			!strings.Contains(err.Error(), s.file("b")) {
			t.Errorf("Get: %v, want store.ErrCorrupt and the name of the file", err)
		}
	}
	s.wantFaultsAt(t, obstacle, s.file("b"))
	s.wantUntouchable(t, "b")

	if err := os.Remove(obstacle); err != nil {
		t.Fatal(err)
	}
	aside := s.wantSetAside(t, "b")
	if !strings.Contains(s.log.String(), aside) {
		t.Errorf("the log does not name %s:\n%s", aside, s.log)
	}
	s.put(t, "b")
	s.wantFaults(t)
	s.wantIDs(t, "a", "b", "c")
}

// refuseToOpen makes the reading of one file fail.
func (s *testStore) refuseToOpen(id string, err error) {
	s.openFile = func(root *os.Root, name string) (*os.File, error) {
		if name == fileName(id) {
			return nil, &fs.PathError{Op: "openat", Path: name, Err: err}
		}
		return root.Open(name)
	}
}

// Only the record of a file that cannot be read is omitted.
func TestUnreadableFile(t *testing.T) {
	for _, errno := range []error{syscall.EIO, syscall.EACCES} {
		t.Run(errno.Error(), func(t *testing.T) {
			s := openABC(t).reopen(t)
			s.refuseToOpen("b", errno)
			s.wantIDs(t, "a", "c")
			_, err := s.Get(t.Context(), thing("b"))
			if !errors.Is(err, errno) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt) ||
				!strings.Contains(err.Error(), s.file("b")) {
				t.Errorf("Get: %v, want %v and the name of the file", err, errno)
			}
			if n := strings.Count(s.log.String(), s.file("b")); n != 1 {
				t.Errorf("the log names the file %d times, want once:\n%s", n, s.log)
			}
			s.wantFaults(t, "b")
			s.wantUntouchable(t, "b")

			// The file can be read again, but callers of List do not know the record.
			s.openFile = (*os.Root).Open
			if reasons := s.wantFaults(t, "b"); !strings.Contains(reasons, "restart the server") {
				t.Errorf("the reason is %q, want one that asks for a restart", reasons)
			}
			s = s.reopen(t)
			s.wantIDs(t, "a", "b", "c")
			s.wantFaults(t)
		})
	}
}

// The same holds for a real file without permissions.
func TestFileOfAnotherUser(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root may read every file")
	}
	s := openABC(t)
	if err := os.Chmod(s.file("b"), 0); err != nil {
		t.Fatal(err)
	}
	s = s.reopen(t)
	s.wantIDs(t, "a", "c")
	s.wantFaults(t, "b")
}

// A fault ends when its record is read, written or deleted, or when its file is removed.
func TestFaultsEnd(t *testing.T) {
	for _, c := range []struct {
		name string
		end  func(t *testing.T, s *testStore)
	}{
		{"readable", func(*testing.T, *testStore) {}},
		{"written", func(t *testing.T, s *testStore) { s.ids(t); s.openFile = (*os.Root).Open; s.put(t, "b") }},
		{"deleted", func(t *testing.T, s *testStore) {
			s.ids(t)
			s.openFile = (*os.Root).Open
			if err := s.Delete(t.Context(), thing("b"), store.Condition{}); err != nil {
				t.Error(err)
			}
		}},
		{"file removed", func(t *testing.T, s *testStore) {
			s.ids(t)
			if err := os.Remove(s.file("b")); err != nil {
				t.Error(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openABC(t)
			s.refuseToOpen("b", syscall.EIO)
			if _, err := s.Get(t.Context(), thing("b")); !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			s.wantFaults(t, "b")
			c.end(t, s)
			s.openFile = (*os.Root).Open
			s.wantFaults(t)
		})
	}
}

func TestFaultsAreBounded(t *testing.T) {
	s := openTest(t, t.TempDir())
	for i := range maxFaults + 20 {
		s.put(t, "t"+strings.Repeat("x", i))
	}
	s.openFile = func(*os.Root, string) (*os.File, error) { return nil, syscall.EIO }
	s.wantIDs(t)
	if n := len(s.Faults(t.Context())); n != maxFaults {
		t.Errorf("%d faults, want %d", n, maxFaults)
	}
}

// A lack of resources of the process ends a List; it does not omit a record.
func TestListFailsWithoutResources(t *testing.T) {
	s := openABC(t)
	s.refuseToOpen("b", syscall.EMFILE)
	var last error
	for _, err := range s.List(t.Context(), "things") {
		last = err
	}
	if !errors.Is(last, syscall.EMFILE) {
		t.Errorf("List ends with %v, want EMFILE", last)
	}
	s.wantFaults(t)
}

// Readers, writers and Faults run concurrently.
func TestFaultsDuringChanges(t *testing.T) {
	s := openABC(t)
	if err := os.WriteFile(filepath.Join(s.dir, asideDir), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 20 {
				_ = os.WriteFile(s.file("b"), []byte("x"), 0o600)
				_, _ = s.Get(t.Context(), thing("b"))
				s.ids(t)
				s.Faults(t.Context())
			}
		})
	}
	all.Wait()
	s.wantFaults(t, "b")
}

// Files and directories whose names begin with a dot are not changed.
func TestNamesWithADotAreNoRecords(t *testing.T) {
	s := openABC(t)
	uploads := filepath.Join(s.dir, ".uploads")
	if err := os.Mkdir(uploads, 0o700); err != nil {
		t.Fatal(err)
	}
	names := []string{"a.json", ".tmp-1"}
	for _, name := range names {
		if err := os.WriteFile(filepath.Join(uploads, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s = s.reopen(t)
	s.wantIDs(t, "a", "b", "c")
	s.wantFaults(t)
	for _, name := range names {
		if _, err := os.Stat(filepath.Join(uploads, name)); err != nil {
			t.Error(err)
		}
	}
	if s.log.Len() > 0 {
		t.Errorf("the log is not empty:\n%s", s.log)
	}
}
