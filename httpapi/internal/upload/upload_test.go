package upload

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// names returns the names in a folder.
func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestCreate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "when needed")
	f, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("hello")); err != nil {
		t.Error(err)
	}
	text := make([]byte, 4)
	if _, err := f.ReadAt(text, 1); err != nil || string(text) != "ello" {
		t.Errorf("ReadAt: got %q, %v", text, err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("Close leaves %q", left)
	}
	var failed *Error
	if _, err := f.Write([]byte("x")); !errors.As(err, &failed) || failed.Full() {
		t.Errorf("Write after Close: got %v", err)
	}
}

// A file that has a name is removed when it is closed.
func TestNamedFile(t *testing.T) {
	dir := t.TempDir()
	file, err := os.CreateTemp(dir, Prefix)
	if err != nil {
		t.Fatal(err)
	}
	if err := NewFile(namedFile{file}).Close(); err != nil {
		t.Error(err)
	}
	if left := names(t, dir); len(left) > 0 {
		t.Errorf("Close leaves %q", left)
	}
}

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{Prefix + "1", Prefix + "2", "mine.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, Prefix+"folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Sweep(dir); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"mine.txt", Prefix + "folder"}, names(t, dir)); diff != "" {
		t.Errorf("Sweep leaves (-want +got):\n%s", diff)
	}
	if err := Sweep(filepath.Join(dir, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("Sweep of a missing folder: got %v", err)
	}
}
