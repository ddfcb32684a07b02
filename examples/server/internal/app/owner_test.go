//go:build unix

package app

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// The files that root makes in the folder of another user are given to that user, whose server could not read them
// otherwise. A link does not lead out of the folder, and a file that has another name stays with root.
func TestRootKeepsTheOwnerOfAStore(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	const owner = 54321
	dir := t.TempDir()
	data, outside, linked := filepath.Join(dir, "data"), filepath.Join(dir, "outside"), filepath.Join(dir, "linked")
	start(t, dir).stop()
	writeFile(t, outside, "x")
	writeFile(t, linked, "x")
	for _, err := range []error{
		filepath.WalkDir(data, func(name string, _ fs.DirEntry, err error) error {
			if err == nil {
				err = os.Lchown(name, owner, owner)
			}
			return err
		}),
		os.Symlink(outside, filepath.Join(data, "link")),
		os.Link(linked, filepath.Join(data, "second")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := callCommand(t, "token", "create", "--store", "file:"+data); code != 0 {
		t.Fatalf("got exit code %d: %s", code, stderr)
	}
	ownerOf := func(name string) uint32 {
		info, err := os.Lstat(name)
		if err != nil {
			t.Fatal(err)
		}
		return info.Sys().(*syscall.Stat_t).Uid
	}
	for _, name := range []string{outside, linked} {
		if got := ownerOf(name); got != 0 {
			t.Errorf("%s belongs to %d, want root", name, got)
		}
	}
	files := 0
	err := filepath.WalkDir(data, func(name string, d fs.DirEntry, err error) error {
		if base := filepath.Base(name); err != nil || base == "link" || base == "second" {
			return err
		}
		if files++; ownerOf(name) != owner {
			t.Errorf("%s belongs to %d, want %d", name, ownerOf(name), owner)
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Errorf("saw %d files, %v", files, err)
	}
}
