package admin

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A new file appears when it is complete. It replaces no file that has appeared meanwhile, unless it may.
func TestNewFile(t *testing.T) {
	for _, c := range []struct {
		name             string
		appears, replace bool
		want             string
	}{
		{"new", false, false, "new"},
		{"another file appears", true, false, "other"},
		{"another file appears and is replaced", true, true, "new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			name := filepath.Join(dir, "file")
			f, err := createFile(name, 0o600, c.replace)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the file exists before it is complete: %v", err)
			}
			if _, err := f.WriteString("new"); err != nil {
				t.Fatal(err)
			}
			if c.appears {
				if err := os.WriteFile(name, []byte("other"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := f.publish(); errors.Is(err, fs.ErrExist) != (c.want == "other") || err != nil && c.want == "new" {
				t.Errorf("publish: %v", err)
			}
			f.discard()
			if data, err := os.ReadFile(name); err != nil || string(data) != c.want {
				t.Errorf("got %q, %v, want %q", data, err, c.want)
			}
			if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
				t.Errorf("left %v, %v", entries, err)
			}
		})
	}
}

// A file that was not published is removed, and existing files are refused at the beginning.
func TestNewFileIsDiscarded(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "file")
	f, err := createFile(name, 0o600, false)
	if err != nil {
		t.Fatal(err)
	}
	f.discard()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("left %v, %v", entries, err)
	}
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{name, dir} {
		if _, err := createFile(path, 0o600, false); err == nil {
			t.Errorf("%s: no error", path)
		}
	}
	if err := os.Symlink(name, name+"-link"); err != nil {
		t.Fatal(err)
	}
	if _, err := createFile(name+"-link", 0o600, true); err == nil {
		t.Error("a link is replaced")
	}
}
