package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
)

// openSlow opens a store in a new directory that writes files only when it is asked to.
func openSlow(t *testing.T) *testStore {
	t.Helper()
	s := newStore()
	s.behind.delay = time.Hour
	dir := filepath.Join(t.TempDir(), "data")
	if err := s.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return &testStore{s, dir, &bytes.Buffer{}}
}

// crash returns a copy of the directory as it would be if the process were killed now.
func (s *testStore) crash(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "crashed")
	if err := os.CopyFS(dir, os.DirFS(s.dir)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// text returns a value that is a long text in which only a line differs from the others.
func text(n int) string { return strings.Repeat("a line of text\n", 200) + fmt.Sprint(n) }

// change writes text(n) without writing the file.
func (s *testStore) change(t *testing.T, id string, n int) {
	t.Helper()
	if _, err := s.Put(t.Context(), thing(id), []byte(text(n)), store.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// want checks that a record is text(n).
func (s *testStore) want(t *testing.T, id string, n int) {
	t.Helper()
	if r, err := s.Get(t.Context(), thing(id)); err != nil || string(r.Value) != text(n) {
		t.Errorf("Get: %.20q…%q, %v, want text %d", r.Value, r.Value[max(len(r.Value)-20, 0):], err, n)
	}
}

// segmentsIn returns the files of the journal in a directory, in order.
func segmentsIn(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, journalDir, "0*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// editEntry changes the bytes of the entry with an index among those of a segment file.
func editEntry(t *testing.T, file string, index int, edit func(b []byte)) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	g, _, err := parseSegment(filepath.Base(file))
	if err != nil {
		t.Fatal(err)
	}
	for at, i := 0, 0; ; i++ {
		_, size, ok := decodeEntry(data[at:], g.nonce)
		if !ok {
			t.Fatalf("%s has %d entries, want one with index %d", file, i, index)
		}
		if i == index {
			edit(data[at : at+size])
			break
		}
		at += size
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A crash leaves a journal from which all changes are reapplied: over files that were written meanwhile or not, and
// also if the replay is interrupted.
func TestReplay(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1)
	s.change(t, "b", 1)
	s.put(t, "gone")
	s.change(t, "a", 2)
	before := s.crash(t) // files of the first changes
	for n := 3; n <= 5; n++ {
		s.change(t, "a", n)
		s.change(t, "b", n)
	}
	if err := s.Delete(t.Context(), thing("gone"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	crashed := s.crash(t)
	if n := segmentsIn(t, crashed); len(n) == 0 {
		t.Fatal("there is no journal")
	}
	s.flush(t)
	mixed := t.TempDir() // the journal, with the files of all changes
	for _, c := range []struct{ from, name string }{{s.dir, "things"}, {crashed, journalDir}} {
		if err := os.CopyFS(filepath.Join(mixed, c.name), os.DirFS(filepath.Join(c.from, c.name))); err != nil {
			t.Fatal(err)
		}
	}
	for name, dir := range map[string]string{"crashed": crashed, "files written": mixed} {
		t.Run(name, func(t *testing.T) {
			for range 2 {
				s := openTest(t, dir)
				s.want(t, "a", 5)
				s.want(t, "b", 5)
				s.wantIDs(t, "a", "b")
				s.wantFaults(t)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
	t.Run("before", func(t *testing.T) {
		s := openTest(t, before)
		s.want(t, "a", 2)
		s.want(t, "b", 1)
		s.wantIDs(t, "a", "b", "gone")
	})
}

// Incomplete entries at the end of the journal are ignored: their changes were not acknowledged.
func TestTornTail(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1)
	s.change(t, "b", 1)
	s.change(t, "a", 2)
	crashed := s.crash(t)
	editEntry(t, segmentsIn(t, crashed)[0], 3, func(b []byte) { clear(b[len(b)/2:]) })
	for range 2 {
		s := openTest(t, crashed)
		s.want(t, "a", 1)
		s.want(t, "b", 1)
		s.wantFaults(t)
		s.change(t, "a", 3)
		s.want(t, "a", 3)
		s.change(t, "a", 1)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// If a part of the journal is damaged and changes after it are intact, it is reported, and nothing else is lost.
func TestDamagedJournal(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(t *testing.T, dir string)
		a    int // the text that a has
	}{
		{"a delta", func(t *testing.T, dir string) {
			editEntry(t, segmentsIn(t, dir)[0], 1, func(b []byte) { b[len(b)-20] ^= 1 })
		}, 1},
		{"a head", func(t *testing.T, dir string) {
			editEntry(t, segmentsIn(t, dir)[0], 1, func(b []byte) { clear(b[:headSize]) })
		}, 1},
		{"the change before a whole value", func(t *testing.T, dir string) {
			editEntry(t, segmentsIn(t, dir)[0], 5, func(b []byte) { b[len(b)-20] ^= 1 })
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openSlow(t)
			s.put(t, "whole")
			s.change(t, "a", 1)
			s.change(t, "b", 1)
			s.flush(t)
			s.change(t, "a", 2) // the entry after the checkpoint
			s.change(t, "b", 2)
			s.change(t, "a", 3)
			s.change(t, "b", 3)
			if _, err := s.Put(t.Context(), thing("whole"), []byte("2"), store.Condition{}); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Put(t.Context(), thing("whole"), []byte("3"), store.Condition{}); err != nil {
				t.Fatal(err)
			}
			crashed := s.crash(t)
			c.edit(t, crashed)
			for range 2 {
				s := openTest(t, crashed)
				s.want(t, "a", c.a)
				s.want(t, "b", 3)
				if r, err := s.Get(t.Context(), thing("whole")); err != nil || string(r.Value) != "3" {
					t.Errorf("Get: %q, %v, want 3", r.Value, err)
				}
				kept, _ := filepath.Glob(filepath.Join(crashed, asideDir, brokenPrefix+"*"))
				if len(kept) != 1 {
					t.Fatalf("kept segments: %q, want one", kept)
				}
				s.wantFaultsAt(t, kept...)
				s.change(t, "a", c.a)
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
			}
			kept, _ := filepath.Glob(filepath.Join(crashed, asideDir, brokenPrefix+"*"))
			if err := os.Remove(kept[0]); err != nil {
				t.Fatal(err)
			}
			s = openTest(t, crashed)
			s.wantFaults(t)
		})
	}
}

// A segment that was lost is reported.
func TestLostSegment(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1)
	s.change(t, "b", 1)
	s.flush(t)
	s.change(t, "a", 2)
	s.refuseRenames(syscall.EACCES) // so that the first segment stays
	if err := s.Flush(t.Context()); !errors.Is(err, syscall.EACCES) {
		t.Fatalf("Flush: %v, want EACCES", err)
	}
	s.change(t, "b", 2)
	s.change(t, "a", 3)
	crashed := s.crash(t)
	segments := segmentsIn(t, crashed)
	if len(segments) != 2 {
		t.Fatalf("%q, want two segments", segments)
	}
	if err := os.Remove(segments[0]); err != nil {
		t.Fatal(err)
	}
	after := openTest(t, crashed)
	after.want(t, "a", 1)
	after.want(t, "b", 2)
	if n := len(after.Faults(t.Context())); n != 1 {
		t.Errorf("%d faults, want one", n)
	}
	if text := after.log.String(); !strings.Contains(text, after.file("a")) {
		t.Errorf("the log does not name the record that has lost a change:\n%s", text)
	}
}

// refuseRenames makes renaming files of records fail.
func (s *testStore) refuseRenames(err error) {
	rename := s.rename
	s.rename = func(root *os.Root, from, to string) error {
		if strings.HasSuffix(to, fileSuffix) {
			return err
		}
		return rename(root, from, to)
	}
}

// A file that was replaced after the crash is kept, and reported if the journal has a later change.
func TestFileReplacedAfterACrash(t *testing.T) {
	s := openSlow(t)
	s.put(t, "a")
	s.change(t, "a", 1)
	crashed := s.crash(t)
	data, err := encodeRecord("a", "another", []byte(text(9)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(crashed, "things", "a.json"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	after := openTest(t, crashed)
	after.want(t, "a", 9)
	if n := len(after.Faults(t.Context())); n != 1 {
		t.Errorf("%d faults, want one", n)
	}
}

// While files cannot be written, changes are safe in the journal, also over a restart.
func TestFilesCannotBeWritten(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1)
	s.flush(t)
	s.refuseRenames(syscall.EACCES)
	for n := 2; n < 5; n++ {
		s.change(t, "a", n)
		if err := s.Flush(t.Context()); !errors.Is(err, syscall.EACCES) {
			t.Fatalf("Flush: %v, want EACCES", err)
		}
	}
	s.want(t, "a", 4)
	if err := s.Close(); !errors.Is(err, syscall.EACCES) {
		t.Errorf("Close: %v, want EACCES", err)
	}
	again := openTest(t, s.dir)
	again.want(t, "a", 4)
	again.wantFaults(t)
}

// The format marker is in its file when it is acknowledged. A version that does not know the journal checks it first.
func TestConfigurationIsNotInTheJournal(t *testing.T) {
	s := openSlow(t)
	if err := store.CheckFormat(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	s.change(t, "a", 1)
	data, err := os.ReadFile(filepath.Join(s.dir, configKind, "format.json"))
	if want := `{"format":3}`; err != nil || !strings.Contains(string(data), want) {
		t.Errorf("the file of the format marker is %q (%v), want %s in it", data, err, want)
	}
}

// A journal of a newer version is not opened.
func TestNewerJournal(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, journalDir), 0o700); err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, journalDir, "000000000001-abc.v2")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(dir, nil)
	if !errors.Is(err, store.ErrFormat) || !strings.Contains(err.Error(), filepath.Base(name)) {
		t.Errorf("Open: %v, want ErrFormat and the name of the file", err)
	}
}

// A journal that is deleted while the store is open stops changes.
func TestJournalThatVanished(t *testing.T) {
	s := openSlow(t)
	s.change(t, "a", 1)
	if err := os.RemoveAll(filepath.Join(s.dir, journalDir)); err != nil {
		t.Fatal(err)
	}
	if err := s.Ping(t.Context()); err == nil {
		t.Error("Ping: no error")
	}
	if _, err := s.Put(t.Context(), thing("b"), nil, store.Condition{}); err == nil {
		t.Error("Put: no error")
	}
	s.want(t, "a", 1)
}
