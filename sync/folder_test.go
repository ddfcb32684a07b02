package patchsync_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	patchsync "github.com/patchsource/patchsource/sync"
)

// write writes a file in a folder.
func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition holds, even on a slow machine.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("timed out: %s", what)
}

// A mirror of a folder applies every change of a file there as soon as it is noticed, and reads nothing outside of it.
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "definitions")
	outside := t.TempDir()
	write(t, outside, "secret.json", document(t, definition("Secret", "1")))
	write(t, dir, "a.json", document(t, definition("A", "2", "1")))
	write(t, dir, "deep/er/b.JSON", document(t, definition("B", "1")))
	write(t, dir, "deep/er/same.json", document(t, definition("b", "1")))
	write(t, dir, ".git/c.json", document(t, definition("Git", "1")))
	write(t, dir, "broken.json", []byte("{"))
	write(t, dir, "README.md", []byte("x"))
	if err := os.Symlink(filepath.Join(outside, "secret.json"), filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(dir, "linked")); err != nil {
		t.Fatal(err)
	}
	s := open(t, newStore(), newWorld(t), patchsync.Options{
		Interval: 24 * time.Hour, // so that changes are applied only if they are noticed
		Mirrors: []patchsync.Mirror{
			{Source: patchsync.Folder(dir), Remove: true, MaxRemoveShare: 1, AllowDowngrade: true},
		},
	})
	stop := run(t, s)
	defer stop()
	eventually(t, "the first titles", func() bool { return strings.EqualFold(s.ids(), "A B") })
	eventually(t, "the errors", func() bool {
		refused := s.round("folder:definitions").Refused
		return len(refused) == 2 && refused["broken.json"] != ""
	})
	if title, _ := s.catalog.Title("A"); title.Follows != "folder:definitions/a.json" {
		t.Errorf("A follows %q", title.Follows)
	}

	write(t, dir, "a.json", document(t, definition("A", "3", "2")))
	eventually(t, "a change", func() bool { return s.version("A") == "3" })
	write(t, dir, "a.json", document(t, definition("A", "2")))
	eventually(t, "a change back", func() bool { return s.version("A") == "2" })
	write(t, dir, "new/n.json", document(t, definition("N", "1")))
	eventually(t, "a file in a new folder", func() bool { return s.version("N") == "1" })
	write(t, dir, "new/n.json", document(t, definition("N", "2")))
	eventually(t, "a change in the new folder", func() bool { return s.version("N") == "2" })

	before, _ := s.catalog.Title("N")
	moved := time.Now()
	if err := os.Rename(filepath.Join(dir, "new", "n.json"), filepath.Join(dir, "moved.json")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a round after a move", func() bool {
		return s.round("folder:definitions").LastAttempt.After(moved)
	})
	eventually(t, "the title of the moved file", func() bool { return s.round("folder:definitions").Titles == 3 })
	if after, err := s.catalog.Title("N"); err != nil || after.UID != before.UID {
		t.Errorf("the title of the moved file is another one, error %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "moved.json")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the removal of a title", func() bool { return s.version("N") == "-" })
	if s.catalog.Len() != 2 {
		t.Errorf("titles %q, want two", s.ids())
	}
	for title := range s.catalog.Find(catalog.Filter{}) {
		if title.ID == "Secret" || title.ID == "Git" {
			t.Errorf("%s was read", title.ID)
		}
	}
}

// A folder that is missing, such as one that is not mounted, deletes nothing.
func TestMissingFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "definitions")
	write(t, dir, "a.json", document(t, definition("A", "1")))
	s := open(t, newStore(), newWorld(t), patchsync.Options{
		Mirrors: []patchsync.Mirror{{Source: patchsync.Folder(dir), Remove: true}},
	})
	stop := run(t, s)
	defer stop()
	eventually(t, "the first title", func() bool { return s.ids() == "A" })
	for _, path := range []string{filepath.Join(dir, "a.json"), dir} { // at first, the folder is empty
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if _, err := s.sync.Sync(t.Context(), "A"); path == dir &&
			(err == nil || strings.Contains(err.Error(), filepath.Dir(dir))) {
			t.Errorf("Sync of a missing folder: %v, want an error without its path", err)
		}
		if s.ids() != "A" || s.round("folder:definitions").LastError == "" {
			t.Errorf("without %s: titles %q, state %+v", path, s.ids(), s.round("folder:definitions"))
		}
	}
}
