package filestore_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/filestore"
	"github.com/patchsource/patchsource/store/storetest"
)

func open(t testing.TB, dir string, opts *filestore.Options) *filestore.Store {
	t.Helper()
	s, err := filestore.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestStore(t *testing.T) {
	folders := map[store.Store]string{}
	storetest.Run(t, storetest.Backend{
		New: func(t *testing.T) store.Store {
			dir := filepath.Join(t.TempDir(), "data")
			s := open(t, dir, nil)
			folders[s] = dir
			return s
		},
		Reopen: func(t *testing.T, s store.Store) store.Store { return open(t, folders[s], nil) },
	})
}

func TestOneProcessAtATime(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, nil)
	_, err := filestore.Open(dir, nil)
	if !errors.Is(err, filestore.ErrInUse) {
		t.Fatalf("%v, want ErrInUse", err)
	}
	if want := fmt.Sprintf("process %d", os.Getpid()); !strings.Contains(err.Error(), want) ||
		!strings.Contains(err.Error(), dir) {
		t.Errorf("%q names neither the folder nor %s", err, want)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, nil)
}

func TestAfterClose(t *testing.T) {
	s := open(t, t.TempDir(), nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	key := store.Key{Kind: "things", ID: "a"}
	_, getErr := s.Get(t.Context(), key)
	_, putErr := s.Put(t.Context(), key, nil, store.Condition{})
	for _, err := range []error{getErr, putErr, s.Delete(t.Context(), key, store.Condition{}), s.Ping(t.Context())} {
		if !errors.Is(err, fs.ErrClosed) {
			t.Errorf("%v, want fs.ErrClosed", err)
		}
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close again: %v", err)
	}
}

func TestLeftoversAreSwept(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	if _, err := s.Put(t.Context(), store.Key{Kind: "things", ID: "a"}, []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(dir, "things", ".tmp-ABC")
	if err := os.WriteFile(leftover, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, nil)
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v, want the leftover gone", err)
	}
	if _, err := s.Get(t.Context(), store.Key{Kind: "things", ID: "a"}); err != nil {
		t.Error(err)
	}
}

// Each way to damage a file is found, by Get and by List; the file is set aside
// and named in the log; everything else goes on working.
func TestDamagedFiles(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name   string
		damage func(t *testing.T, path string, data []byte) []byte
	}{
		{"empty", func(*testing.T, string, []byte) []byte { return nil }},
		{"cut", func(_ *testing.T, _ string, data []byte) []byte { return data[:len(data)/2] }},
		{"cut in the head", func(_ *testing.T, _ string, data []byte) []byte { return data[:30] }},
		{"cut behind the head", func(_ *testing.T, _ string, data []byte) []byte { return data[:bytes.Index(data, []byte(`"value"`))+7] }},
		{"no line break", func(_ *testing.T, _ string, data []byte) []byte { return data[:len(data)-1] }},
		{"a bit of the value", func(_ *testing.T, _ string, data []byte) []byte { data[len(data)-10] ^= 1; return data }},
		{"a bit of the revision", func(_ *testing.T, _ string, data []byte) []byte {
			data[bytes.Index(data, []byte(`"revision":"`))+15] ^= 1
			return data
		}},
		{"a definition put there by hand", func(*testing.T, string, []byte) []byte { return []byte(`{"id":"b","name":"B"}`) }},
		{"another record's file", func(t *testing.T, path string, _ []byte) []byte {
			data, err := os.ReadFile(filepath.Join(filepath.Dir(path), "a.json"))
			if err != nil {
				t.Fatal(err)
			}
			return data
		}},
	} {
		for _, way := range []string{"Get", "List"} {
			t.Run(c.name+"/"+way, func(t *testing.T) {
				dir := t.TempDir()
				var log bytes.Buffer
				s := open(t, dir, &filestore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
				for _, id := range []string{"a", "b", "c"} {
					if _, err := s.Put(ctx, store.Key{Kind: "things", ID: id}, []byte(`{"a":"value of `+id+`"}`), store.Condition{}); err != nil {
						t.Fatal(err)
					}
				}
				path := filepath.Join(dir, "things", "b.json")
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, c.damage(t, path, data), 0o600); err != nil {
					t.Fatal(err)
				}
				b := store.Key{Kind: "things", ID: "b"}
				if way == "Get" {
					if _, err := s.Get(ctx, b); !errors.Is(err, store.ErrCorrupt) ||
						errors.Is(err, store.ErrNotFound) {
						t.Errorf("Get: %v, want ErrDamaged", err)
					}
				}
				var ids []string
				for r, err := range s.List(ctx, "things") {
					if err != nil {
						t.Fatal(err)
					}
					ids = append(ids, r.Key.ID)
				}
				if got := strings.Join(ids, " "); got != "a c" {
					t.Errorf("List yields %q, want the others", got)
				}
				if _, err := s.Get(ctx, b); !errors.Is(err, store.ErrNotFound) {
					t.Errorf("Get afterwards: %v, want ErrNotFound", err)
				}
				aside, _ := filepath.Glob(filepath.Join(dir, ".damaged", "things-b.json.*"))
				if len(aside) != 1 || !strings.Contains(log.String(), path) {
					t.Errorf("set aside: %q; the log: %s", aside, log.String())
				}
				if _, err := s.Put(ctx, b, []byte("new"), store.IfAbsent()); err != nil {
					t.Errorf("the id cannot be used again: %v", err)
				}
			})
		}
	}
}

// A writer mends what is damaged, as if it were not there.
func TestPutOverDamage(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	key := store.Key{Kind: "things", ID: "a"}
	if _, err := s.Put(t.Context(), key, []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "things", "a.json"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(t.Context(), key, []byte("2"), store.IfAbsent()); err != nil {
		t.Error(err)
	}
	if r, err := s.Get(t.Context(), key); err != nil || string(r.Value) != "2" {
		t.Errorf("%q, %v", r.Value, err)
	}
	aside, _ := filepath.Glob(filepath.Join(dir, ".damaged", "things-a.json.*"))
	if len(aside) != 1 {
		t.Errorf("what was damaged is gone: %q", aside)
	}
}

// A folder or a link under the name of a record stops nothing.
func TestStrayEntries(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	for _, id := range []string{"a", "z"} {
		if _, err := s.Put(t.Context(), store.Key{Kind: "things", ID: id}, []byte("1"), store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "things", "folder.json", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "things", "link.json")); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for r, err := range s.List(t.Context(), "things") {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.Key.ID)
	}
	if got := strings.Join(ids, " "); got != "a z" {
		t.Errorf("%q", got)
	}
	for _, name := range []string{"folder", "link"} {
		if _, err := s.Get(t.Context(), store.Key{Kind: "things", ID: name}); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A write that fails leaves the record as it was, and no file behind.
func TestFailedWrite(t *testing.T) {
	// In a process of its own: the limit below is on every file that one writes.
	if os.Getenv("FILESTORE_TEST_CHILD") == "" {
		child := exec.Command(os.Args[0], "-test.run", "^TestFailedWrite$")
		child.Env = append(os.Environ(), "FILESTORE_TEST_CHILD=1")
		if out, err := child.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("PASS")) {
			t.Errorf("%v: %s", err, out)
		}
		return
	}
	dir := t.TempDir()
	s := open(t, dir, nil)
	key := store.Key{Kind: "things", ID: "a"}
	if _, err := s.Put(t.Context(), key, []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	// The disk has no room for more than a few bytes.
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 4096, Max: old.Max}); err != nil {
		t.Fatal(err)
	}
	_, err := s.Put(t.Context(), key, make([]byte, 100_000), store.Condition{})
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	if err == nil {
		t.Fatal("no error")
	}
	if r, err := s.Get(t.Context(), key); err != nil || string(r.Value) != "1" {
		t.Errorf("%q, %v", r.Value, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "things", ".tmp-*"))
	if len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, nil)
	if _, err := s.Put(t.Context(), store.Key{Kind: "things", ID: "a"}, []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// FuzzPaths writes, lists and deletes a record of any id, and looks that nothing
// came to be outside the folder, and that no two ids meet in one file.
func FuzzPaths(f *testing.F) {
	for _, id := range []string{"a", "A", "..", "../../x", "CON", "con.txt", "a.", "%41", "\n", strings.Repeat("A", 200), ".lock", ".tmp-x", "é"} {
		f.Add(id)
	}
	base := f.TempDir()
	dir := filepath.Join(base, "in", "data")
	s := open(f, dir, nil)
	fixed := store.Key{Kind: "things", ID: "fixed"}
	if _, err := s.Put(context.Background(), fixed, []byte("kept"), store.Condition{}); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, id string) {
		key := store.Key{Kind: "things", ID: id}
		if key.Check() != nil || id == "fixed" {
			return
		}
		ctx := t.Context()
		if _, err := s.Put(ctx, key, []byte(id), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		r, err := s.Get(ctx, key)
		if err != nil || string(r.Value) != id || r.Key != key {
			t.Fatalf("%+v, %v", r, err)
		}
		n := 0
		for r, err := range s.List(ctx, "things") {
			if err != nil || r.Key != key && r.Key != fixed {
				t.Fatalf("%v, %v", r.Key, err)
			}
			n++
		}
		for _, folder := range []string{base, filepath.Join(base, "in"), dir} {
			entries, err := os.ReadDir(folder)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if name := e.Name(); name != "in" && name != "data" && name != "things" && name != ".lock" {
					t.Fatalf("%s came to be in %s", name, folder)
				}
			}
		}
		if err := s.Delete(ctx, key, store.IfRevision(r.Revision)); err != nil || n != 2 {
			t.Fatalf("%d records, %v", n, err)
		}
		if r, err := s.Get(ctx, fixed); err != nil || string(r.Value) != "kept" {
			t.Fatalf("%q, %v", r.Value, err)
		}
	})
}

func Example() {
	dir, err := os.MkdirTemp("", "patchsource")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	s, err := filestore.Open(dir, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	if _, err := s.Put(ctx, store.Key{Kind: "titles", ID: "composer"}, []byte(`{"id":"Composer"}`), store.IfAbsent()); err != nil {
		fmt.Println(err)
	}
	if err := s.Close(); err != nil {
		fmt.Println(err)
	}

	s, err = filestore.Open(dir, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	for r, err := range s.List(ctx, "titles") {
		fmt.Println(r.Key, string(r.Value), err)
	}
	// Output: titles/composer {"id":"Composer"} <nil>
}
