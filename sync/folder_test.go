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

// eventually waits for what must come to be, however slow the machine.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1000 {
		if holds() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// A folder is the truth: what is written, changed, moved and removed there is so
// here, as soon as it is noticed; and nothing outside of it is read.
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
	// The interval is such that what is seen was noticed.
	s := open(
		t,
		newStore(),
		newWorld(t),
		patchsync.Options{
			Interval: 24 * time.Hour,
			Mirrors: []patchsync.Mirror{
				{Source: patchsync.Folder(dir), Remove: true, MaxRemoveShare: 1, AllowDowngrade: true},
			},
		},
	)
	stop := run(t, s)
	defer stop()
	eventually(t, "what is there is taken", func() bool { return strings.EqualFold(s.ids(), "A B") })
	eventually(t, "what is wrong is told", func() bool {
		refused := s.round("folder:definitions").Refused
		return len(refused) == 2 && refused["broken.json"] != ""
	})
	if title, _ := s.cat.Title("A"); title.Follows != "folder:definitions/a.json" {
		t.Errorf("it follows %q", title.Follows)
	}

	write(t, dir, "a.json", document(t, definition("A", "3", "2")))
	eventually(t, "a change is taken", func() bool { return s.version("A") == "3" })
	write(t, dir, "a.json", document(t, definition("A", "2")))
	eventually(t, "a change back is taken", func() bool { return s.version("A") == "2" })
	write(t, dir, "new/n.json", document(t, definition("N", "1")))
	eventually(t, "a new folder is seen", func() bool { return s.version("N") == "1" })
	write(t, dir, "new/n.json", document(t, definition("N", "2")))
	eventually(t, "and watched", func() bool { return s.version("N") == "2" })

	before, _ := s.cat.Title("N")
	moved := time.Now()
	if err := os.Rename(filepath.Join(dir, "new", "n.json"), filepath.Join(dir, "moved.json")); err != nil {
		t.Fatal(err)
	}
	eventually(
		t,
		"a file that moves is noticed",
		func() bool { return s.round("folder:definitions").LastAttempt.After(moved) },
	)
	eventually(t, "and looked at", func() bool { return s.round("folder:definitions").Titles == 3 })
	if after, err := s.cat.Title("N"); err != nil || after.UID != before.UID {
		t.Errorf("the title of a file that moved is another: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "moved.json")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "what is removed is gone", func() bool { return s.version("N") == "-" })
	if s.cat.Len() != 2 {
		t.Errorf("%q", s.ids())
	}
	for title := range s.cat.Find(catalog.Filter{}) {
		if title.ID == "Secret" || title.ID == "Git" {
			t.Errorf("%s was read", title.ID)
		}
	}
}

// A folder that is gone, such as one that is not mounted, takes nothing away.
func TestFolderThatIsGone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "definitions")
	write(t, dir, "a.json", document(t, definition("A", "1")))
	s := open(
		t,
		newStore(),
		newWorld(t),
		patchsync.Options{Mirrors: []patchsync.Mirror{{Source: patchsync.Folder(dir), Remove: true}}},
	)
	stop := run(t, s)
	defer stop()
	eventually(t, "it is taken", func() bool { return s.ids() == "A" })
	for _, path := range []string{filepath.Join(dir, "a.json"), dir} { // first it is empty
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if _, err := s.sync.Sync(t.Context(), "A"); path == dir &&
			(err == nil || strings.Contains(err.Error(), filepath.Dir(dir))) {
			t.Errorf("of a folder that is gone: %v", err)
		}
		if s.ids() != "A" || s.round("folder:definitions").LastError == "" {
			t.Errorf("without %s: %q, %+v", path, s.ids(), s.round("folder:definitions"))
		}
	}
}
