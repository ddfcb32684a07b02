package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
)

// twoSegments returns a directory as a crash during a cycle leaves it, with two segments: the record "gone" is created
// in the first and deleted in the second, and the record "a" is changed in both.
func twoSegments(t *testing.T) string {
	s := openSlow(t)
	s.change(t, "gone", 1)
	s.change(t, "a", 1)
	s.refuseRenames(syscall.EACCES) // the cycle fails
	if err := s.Flush(t.Context()); !errors.Is(err, syscall.EACCES) {
		t.Fatal(err)
	}
	if err := s.Delete(t.Context(), thing("gone"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	s.change(t, "a", 2)
	dir := s.crash(t)
	if n := len(segmentsIn(t, dir)); n != 2 {
		t.Fatalf("%d segments", n)
	}
	return dir
}

// A crash between the removals of two segments, during Open, does not bring a deleted record back.
func TestCrashBetweenRemovals(t *testing.T) {
	dir := twoSegments(t)
	s := newStore()
	var removed atomic.Int32
	crashed := filepath.Join(t.TempDir(), "crashed")
	remove := s.remove
	s.remove = func(root *os.Root, name string) error {
		if strings.HasSuffix(name, segmentSuffix) && removed.Add(1) == 2 { // it crashes here
			if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
		}
		return remove(root, name)
	}
	if err := s.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	after := openTest(t, crashed)
	if r, err := after.Get(t.Context(), thing("gone")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the deleted record is back: %q, %v", r.Value, err)
	}
	after.want(t, "a", 2)
	after.wantFaults(t)
}

// A segment that cannot be removed does not bring a deleted record back.
func TestSegmentCannotBeRemoved(t *testing.T) {
	dir := twoSegments(t)
	older := filepath.Base(segmentsIn(t, dir)[0])
	s := newStore()
	remove := s.remove
	s.remove = func(root *os.Root, name string) error {
		if name == older {
			return syscall.EIO
		}
		return remove(root, name)
	}
	if err := s.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); !errors.Is(err, syscall.EIO) {
		t.Errorf("Close: %v, want EIO", err)
	}
	after := openTest(t, dir)
	if _, err := after.Get(t.Context(), thing("gone")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the deleted record is back: %v", err)
	}
	after.wantFaults(t)
}

// written returns a directory with the files of all changes, and a journal that still has all of them, as after a crash
// before the journal is trimmed.
func (s *testStore) written(t *testing.T) string {
	t.Helper()
	crashed := s.crash(t)
	s.flush(t)
	mixed := t.TempDir()
	for _, c := range []struct{ from, name string }{{s.dir, "things"}, {crashed, journalDir}} {
		if err := os.CopyFS(filepath.Join(mixed, c.name), os.DirFS(filepath.Join(c.from, c.name))); err != nil {
			t.Fatal(err)
		}
	}
	return mixed
}

// A corrupt file is made from the journal if that has the whole value.
func TestCorruptFileWithJournal(t *testing.T) {
	for name, edit := range map[string]func([]byte) []byte{
		"value":    func(b []byte) []byte { b[len(b)-10] ^= 1; return b },
		"short":    func(b []byte) []byte { return b[:len(b)-1] },
		"revision": func(b []byte) []byte { i := bytes.Index(b, []byte(`"revision":"`)); b[i+14] = 'z'; return b },
	} {
		t.Run(name, func(t *testing.T) {
			s := openSlow(t)
			s.change(t, "a", 1) // whole value in the journal
			dir := s.written(t)
			file := filepath.Join(dir, "things", "a.json")
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, edit(data), 0o600); err != nil {
				t.Fatal(err)
			}
			after := openTest(t, dir)
			after.want(t, "a", 1)
			after.wantFaults(t)
		})
	}
}

// An error of reading a file during replay does not lose the change in the journal.
func TestFileCannotBeReadDuringReplay(t *testing.T) {
	for _, errno := range []error{syscall.EMFILE, syscall.EACCES, syscall.EIO} {
		t.Run(errno.Error(), func(t *testing.T) {
			s := openSlow(t)
			s.put(t, "a")
			s.flush(t)
			s.change(t, "a", 1)
			dir := s.crash(t)
			again := newStore()
			again.behind.delay = time.Hour
			var failed atomic.Bool
			open := again.openFile
			again.openFile = func(root *os.Root, name string) (*os.File, error) {
				if name == "a.json" && failed.CompareAndSwap(false, true) {
					return nil, &os.PathError{Op: "open", Path: name, Err: errno}
				}
				return open(root, name)
			}
			if err := again.start(dir, nil); !errors.Is(err, errno) || !strings.Contains(err.Error(), "a.json") {
				t.Errorf("Open: %v, want %v and the name of the file", err, errno)
			}
			openTest(t, dir).want(t, "a", 1) // the cause has gone
		})
	}
}

// Damage in the journal does not roll back a file that is newer than the intact entries.
func TestDamagedJournalWithNewerFile(t *testing.T) {
	s := openSlow(t)
	put := func(v string) {
		if _, err := s.Put(t.Context(), thing("k"), []byte(v), store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	put("1")
	put("2")
	s.change(t, "other", 1)
	dir := s.written(t) // the file has 2
	editEntry(t, segmentsIn(t, dir)[0], 2, func(b []byte) { b[headSize+3] ^= 1 })
	after := openTest(t, dir)
	if r, err := after.Get(t.Context(), thing("k")); err != nil || string(r.Value) != "2" {
		t.Errorf("Get: %q, %v, want 2, which was in an intact file", r.Value, err)
	}
}

// The file has the change of a damaged entry, so the changes after it can be applied.
func TestDamagedJournalBeforeTheFile(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1) // entry 1
	s.change(t, "a", 2) // entry 2
	rename, crashed := s.rename, ""
	s.rename = func(root *os.Root, from, to string) error {
		err := rename(root, from, to)
		if to == "a.json" && crashed == "" {
			s.change(t, "a", 3) // into the next segment, while files are written
			crashed = s.crash(t)
		}
		return err
	}
	s.flush(t)
	editEntry(t, segmentsIn(t, crashed)[0], 2, func(b []byte) { b[headSize+3] ^= 1 })
	openTest(t, crashed).want(t, "a", 3)
}

// A journal that cannot be read is not mistaken for an empty one.
func TestJournalCannotBeRead(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1)
	dir := s.crash(t)
	again := newStore()
	open := again.openFile
	again.openFile = func(root *os.Root, name string) (*os.File, error) {
		if strings.HasSuffix(name, segmentSuffix) { // so that ReadAt fails
			return root.OpenFile(name, os.O_WRONLY, 0)
		}
		return open(root, name)
	}
	if err := again.start(dir, nil); !errors.Is(err, syscall.EBADF) {
		t.Errorf("Open: %v, want EBADF", err)
	}
	openTest(t, dir).want(t, "a", 1) // the cause has gone
}

// New changes build on those in the segments that Open has found, which may not have been synced before.
func TestFoundSegmentsAreSynced(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1)
	dir := s.crash(t) // as after a crash before the sync: it is in the page cache only
	old := segmentsIn(t, dir)[0]
	again := newStore()
	again.behind.delay = time.Hour
	again.create = func(root *os.Root, name string) (*os.File, error) {
		if strings.HasPrefix(name, tempPrefix) {
			return nil, syscall.ENOSPC // files cannot be written
		}
		return systemDisk().create(root, name)
	}
	var synced atomic.Bool
	sync := func(f *os.File) error {
		if filepath.Base(f.Name()) == filepath.Base(old) {
			synced.Store(true)
		}
		return f.Sync()
	}
	again.syncFile, again.syncData = sync, sync
	if err := again.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	(&testStore{again, dir, nil}).change(t, "a", 2) // a delta over the change in old
	if !synced.Load() {
		t.Error("a change was acknowledged whose base is in a segment that was not synced")
	}
	_ = again.Close()
}

// A part of the journal that the disk cannot read does not keep the rest from being replayed, and its segment is kept.
func TestPartOfJournalCannotBeRead(t *testing.T) {
	s := openSlow(t)
	for n := range 5 {
		s.change(t, fmt.Sprint(n), 1)
	}
	dir := s.crash(t)
	open := func(full bool) (*testStore, error) {
		s := newStore()
		s.readAt = func(file *os.File, data []byte, at int64) (int, error) {
			if at <= 4096 && 4096 < at+int64(len(data)) {
				return 0, syscall.EIO
			}
			return file.ReadAt(data, at)
		}
		if full {
			s.create = func(*os.Root, string) (*os.File, error) { return nil, syscall.ENOSPC }
		}
		return &testStore{s, dir, nil}, s.start(dir, nil)
	}
	if _, err := open(true); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Open while files cannot be written: %v, want ENOSPC", err)
	}
	if n := len(segmentsIn(t, dir)); n != 1 {
		t.Fatalf("%d segments, want one", n)
	}
	after, err := open(false)
	if err != nil {
		t.Fatal(err)
	}
	after.want(t, "0", 1)
	after.want(t, "3", 1)
	kept, _ := filepath.Glob(filepath.Join(dir, asideDir, brokenPrefix+"*"))
	if len(kept) != 1 {
		t.Fatalf("kept segments: %q, want one", kept)
	}
	after.wantFaultsAt(t, kept...)
	if err := after.Close(); err != nil {
		t.Error(err)
	}
}
