package filestore

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/store"
)

// wantSetAside checks that the only fault is a file of the record that was set aside, and returns its name.
func (s *testStore) wantSetAside(t *testing.T, id string) string {
	t.Helper()
	faults := s.Faults(t.Context())
	files, _ := filepath.Glob(filepath.Join(s.dir, asideDir, "things-"+fileName(id)+".*"))
	if len(files) != 1 || len(faults) != 1 || faults[0].Name != files[0] ||
		!strings.Contains(faults[0].Reason, "backup") {
		t.Fatalf("set aside: %q; Faults: %+v, want the same file and advice", files, faults)
	}
	return files[0]
}

// A corrupt file that was set aside stays a fault, also after a restart, until its record is written or the file is
// removed: nothing else reports that the record is missing.
func TestSetAsideIsAFault(t *testing.T) {
	setAside := func(t *testing.T) *testStore {
		s := openABC(t)
		if err := os.WriteFile(s.file("b"), []byte("corrupt"), 0o600); err != nil {
			t.Fatal(err)
		}
		s = s.reopen(t)
		s.wantIDs(t, "a", "c")
		s.wantSetAside(t, "b")
		s = s.reopen(t)
		s.wantIDs(t, "a", "c")
		s.wantSetAside(t, "b")
		return s
	}
	t.Run("written again", func(t *testing.T) {
		s := setAside(t)
		aside := s.wantSetAside(t, "b")
		s.put(t, "b")
		s.wantFaults(t)
		if _, err := os.Stat(aside + replacedSuffix); err != nil {
			t.Errorf("the corrupt file is not kept: %v", err)
		}
		// Nor is the record missing when it has been deleted.
		if err := s.Delete(t.Context(), thing("b"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
		s = s.reopen(t)
		s.wantFaults(t)
	})
	t.Run("written again by an older version", func(t *testing.T) {
		s := setAside(t)
		aside := s.wantSetAside(t, "b")
		s.put(t, "b")
		if err := os.Rename(aside+replacedSuffix, aside); err != nil {
			t.Fatal(err)
		}
		s = s.reopen(t)
		s.wantFaults(t)
	})
	t.Run("removed", func(t *testing.T) {
		s := setAside(t)
		if err := os.Remove(s.wantSetAside(t, "b")); err != nil {
			t.Fatal(err)
		}
		s.wantFaults(t)
	})
	t.Run("not a file that was set aside", func(t *testing.T) {
		s := openABC(t)
		dir := filepath.Join(s.dir, asideDir)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{
			"notes.txt", "things-b.json", "things-b.json.yesterday", "b.json" + asideLayout,
			"Things-b.json" + asideLayout, "things-b.txt" + asideLayout, asideLayout,
		} {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		s.wantFaults(t)
	})
}

// corrupt corrupts the file of a record.
func (s *testStore) corrupt(t *testing.T, id string) {
	t.Helper()
	if err := os.WriteFile(s.file(id), []byte("corrupt"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// setAsideB corrupts the record b and reads it, so that its file is set aside.
func (s *testStore) setAsideB(t *testing.T) {
	t.Helper()
	s.corrupt(t, "b")
	if _, err := s.Get(t.Context(), thing("b")); !errors.Is(err, store.ErrCorrupt) {
		t.Fatalf("Get: %v, want ErrDamaged", err)
	}
}

// deleteAbsent deletes a record that does not exist.
func (s *testStore) deleteAbsent(t *testing.T, id string, cond store.Condition) {
	t.Helper()
	if err := s.Delete(t.Context(), thing(id), cond); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("Delete: %v, want ErrNotFound", err)
	}
}

// aside returns the files in the directory of corrupt files.
func (s *testStore) aside(t *testing.T) (files []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, asideDir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// When a record is written or deleted, its files that were set aside no longer count as faults, even after a restart.
// They are kept under other names.
func TestSetAsideThenWrittenOrDeleted(t *testing.T) {
	for _, c := range []struct {
		name string
		kept int
		do   func(t *testing.T, s *testStore) *testStore
	}{
		{"corrupt, deleted", 1, func(t *testing.T, s *testStore) *testStore {
			s.corrupt(t, "b")
			s.deleteAbsent(t, "b", store.Condition{})
			return s
		}},
		{"set aside, deleted", 1, func(t *testing.T, s *testStore) *testStore {
			s.setAsideB(t)
			s.deleteAbsent(t, "b", store.Condition{})
			return s
		}},
		{"set aside, restart, deleted", 1, func(t *testing.T, s *testStore) *testStore {
			s.setAsideB(t)
			s = s.reopen(t)
			s.deleteAbsent(t, "b", store.Condition{})
			return s
		}},
		{"set aside, restart without the kind, deleted", 1, func(t *testing.T, s *testStore) *testStore {
			s.setAsideB(t)
			if err := os.RemoveAll(filepath.Dir(s.file("b"))); err != nil {
				t.Fatal(err)
			}
			s = s.reopen(t)
			s.deleteAbsent(t, "b", store.Condition{})
			return s
		}},
		{"twice set aside, deleted", 2, func(t *testing.T, s *testStore) *testStore {
			s.setAsideB(t)
			s.setAsideB(t)
			s.deleteAbsent(t, "b", store.Condition{})
			return s
		}},
		{"twice set aside, written", 2, func(t *testing.T, s *testStore) *testStore {
			s.setAsideB(t)
			s.setAsideB(t)
			s.put(t, "b")
			return s
		}},
		{"twice set aside, written, deleted", 2, func(t *testing.T, s *testStore) *testStore {
			s.setAsideB(t)
			s.setAsideB(t)
			s.put(t, "b")
			if err := s.Delete(t.Context(), thing("b"), store.Condition{}); err != nil {
				t.Fatal(err)
			}
			return s
		}},
		{"set aside before and after a restart, deleted", 2, func(t *testing.T, s *testStore) *testStore {
			s.setAsideB(t)
			s = s.reopen(t)
			s.setAsideB(t)
			s.deleteAbsent(t, "b", store.Condition{})
			return s
		}},
		{"twice set aside, restart, written", 2, func(t *testing.T, s *testStore) *testStore {
			s.setAsideB(t)
			s.setAsideB(t)
			s = s.reopen(t)
			s.put(t, "b")
			return s
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.do(t, openABC(t))
			s.wantFaults(t)
			files := s.aside(t)
			if len(files) != c.kept {
				t.Errorf("kept: %q, want %d files", files, c.kept)
			}
			for _, file := range files {
				if !strings.HasSuffix(file, replacedSuffix) {
					t.Errorf("%s is not marked as replaced", file)
				}
			}
			s = s.reopen(t)
			s.wantFaults(t)
		})
	}
}

// A change that fails does not end a fault.
func TestFailedChangeKeepsTheFault(t *testing.T) {
	s := openABC(t)
	s.setAsideB(t)
	s.deleteAbsent(t, "b", store.IfRevision("1")) // the revision may be that of an earlier record
	if _, err := s.Put(t.Context(), thing("b"), nil, store.IfRevision("1")); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Put: %v, want ErrConflict", err)
	}
	s.deleteAbsent(t, "x", store.Condition{})
	s.wantSetAside(t, "b")
}

// Each file that was set aside is a fault of its own until it is removed.
func TestRemovedOneByOne(t *testing.T) {
	for _, c := range []struct {
		name         string
		first, other int
	}{{"the older one first", 0, 1}, {"the newer one first", 1, 0}} {
		t.Run(c.name, func(t *testing.T) {
			s := openABC(t)
			s.setAsideB(t)
			s.setAsideB(t)
			files := s.aside(t)
			s.wantFaultsAt(t, files...)
			if err := os.Remove(files[c.first]); err != nil {
				t.Fatal(err)
			}
			s.wantFaultsAt(t, files[c.other])
			s = s.reopen(t)
			s.wantFaultsAt(t, files[c.other])
			if err := os.Remove(files[c.other]); err != nil {
				t.Fatal(err)
			}
			s.wantFaults(t)
		})
	}
}

// A record whose file is set aside again while Faults inspects the earlier file stays a fault.
func TestSetAsideDuringFaults(t *testing.T) {
	s := openABC(t)
	s.setAsideB(t)
	before := s.faults.aside.all()
	s.put(t, "b")
	s.setAsideB(t)
	for _, one := range before {
		if f, ok := s.inspectAside(t.Context(), one); ok {
			t.Errorf("%+v is a fault, want none", f)
		}
	}
	files := s.aside(t)
	if len(files) != 2 || files[0] != s.path(s.top, before[0].current)+replacedSuffix {
		t.Fatalf("set aside: %q", files)
	}
	s.wantFaultsAt(t, files[1])
}

// A file that was set aside is a fault only if its name is that of a record.
func TestStrayNames(t *testing.T) {
	long := fileName(strings.Repeat("a", maxName+1))
	for _, c := range []struct {
		name, file string
		missing    bool
	}{
		{"a record", "d.json", true},
		{"an escaped id", "%43omposer.json", true},
		{"a long id", long, true},
		{"a space", "d copy.json", false},
		{"a capital", "D.json", false},
		{"an escape in capitals", "%C3%A9.json", false},
		{"an escape that is not needed", "%64.json", false},
		{"no id", ".json", false},
		{"an id that is no UTF-8", "%ff.json", false},
		{"a hash that is too short", hashPrefix + "abc.json", false},
		{"a hash of capitals", strings.ToUpper(strings.TrimSuffix(long, fileSuffix)) + fileSuffix, false},
		{"a hash with something else", hashPrefix + "x" + long[len(hashPrefix)+1:], false},
		{"too long for an id", strings.Repeat("a", 220) + ".json", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openABC(t)
			if err := os.WriteFile(filepath.Join(s.dir, "things", c.file), []byte("{}"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.wantIDs(t, "a", "b", "c")
			files := s.aside(t)
			if len(files) != 1 {
				t.Fatalf("set aside: %q, want one file", files)
			}
			for range 2 {
				if c.missing {
					s.wantFaultsAt(t, files...)
				} else {
					s.wantFaults(t)
				}
				s = s.reopen(t)
			}
		})
	}
}

// A directory of corrupt files that cannot be read when the store is opened is a fault. It is read as soon as that is
// possible.
func TestUnreadableAsideDir(t *testing.T) {
	for _, c := range []struct {
		name  string
		block func(t *testing.T, dir, away string)
	}{
		{"a file", func(t *testing.T, dir, _ string) {
			if err := os.WriteFile(dir, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"a link out of the store", func(t *testing.T, dir, away string) {
			if err := os.Symlink(away, dir); err != nil {
				t.Fatal(err)
			}
		}},
		{"of another user", func(t *testing.T, dir, _ string) {
			if os.Getuid() == 0 {
				t.Skip("root may read every directory")
			}
			if err := os.Mkdir(dir, 0); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := openABC(t)
			s.setAsideB(t)
			aside := s.wantSetAside(t, "b")
			dir, away := filepath.Dir(aside), filepath.Join(t.TempDir(), "away")
			if err := os.Rename(dir, away); err != nil {
				t.Fatal(err)
			}
			c.block(t, dir, away)
			s = s.reopen(t)
			for range 2 {
				if reasons := s.wantFaultsAt(t, dir); !strings.Contains(reasons, "read") {
					t.Errorf("the reason is %q, want advice on reading", reasons)
				}
			}
			if n := strings.Count(s.log.String(), "directory of corrupt files"); n != 1 {
				t.Errorf("the log names the directory %d times, want once:\n%s", n, s.log)
			}

			if err := os.Remove(dir); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(away, dir); err != nil {
				t.Fatal(err)
			}
			s.wantSetAside(t, "b")
			s.wantSetAside(t, "b")
			s.put(t, "b")
			s.wantFaults(t)
		})
	}
}

// The file of a corrupt configuration record stays where it is: a store without its format marker would be taken for
// one of an older version.
func TestCorruptConfigurationStays(t *testing.T) {
	s := openABC(t)
	key := store.Key{Kind: configKind, ID: "format"}
	if _, err := s.Put(t.Context(), key, []byte("2"), store.IfAbsent()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(s.dir, configKind, fileName("format"))
	if err := os.WriteFile(path, []byte("corrupt"), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		s = s.reopen(t)
		_, err := s.Get(t.Context(), key)
		if !errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNotFound) ||
			!strings.Contains(err.Error(), path) {
			t.Errorf("Get: %v, want ErrDamaged and the name of the file", err)
		}
		if _, err := s.Put(t.Context(), key, []byte("1"), store.IfAbsent()); !errors.Is(err, store.ErrCorrupt) {
			t.Errorf("Put: %v, want ErrDamaged", err)
		}
		if faults := s.Faults(t.Context()); len(faults) != 1 || faults[0].Name != path {
			t.Errorf("Faults: %+v, want %s", faults, path)
		}
	}
}
