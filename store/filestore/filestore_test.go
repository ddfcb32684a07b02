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
	"slices"
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
	dirs := map[store.Store]string{}
	storetest.Run(t, storetest.Backend{
		New: func(t *testing.T) store.Store {
			dir := filepath.Join(t.TempDir(), "data")
			s := open(t, dir, nil)
			dirs[s] = dir
			return s
		},
		Reopen: func(t *testing.T, s store.Store) store.Store { return open(t, dirs[s], nil) },
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
		t.Errorf("%q does not name both the directory and %s", err, want)
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
	key := thing("a")
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

func TestOpenRemovesTemporaryFiles(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	if _, err := s.Put(t.Context(), thing("a"), []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	temporary := filepath.Join(dir, "things", ".tmp-ABC")
	if err := os.WriteFile(temporary, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, nil)
	if _, err := os.Stat(temporary); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat of the temporary file: %v, want fs.ErrNotExist", err)
	}
	if _, err := s.Get(t.Context(), thing("a")); err != nil {
		t.Error(err)
	}
}

// corruptions are ways to corrupt the file of the record b, whose content is data.
var corruptions = []struct {
	name    string
	corrupt func(t *testing.T, path string, data []byte) []byte
}{
	{"empty", func(*testing.T, string, []byte) []byte { return nil }},
	{"truncated", func(_ *testing.T, _ string, data []byte) []byte { return data[:len(data)/2] }},
	{"truncated in the head", func(_ *testing.T, _ string, data []byte) []byte { return data[:30] }},
	{"truncated after the head", func(_ *testing.T, _ string, data []byte) []byte {
		return data[:bytes.Index(data, []byte(`"value"`))+7]
	}},
	{"no line break", func(_ *testing.T, _ string, data []byte) []byte { return data[:len(data)-1] }},
	{"a bit of the value", func(_ *testing.T, _ string, data []byte) []byte { data[len(data)-10] ^= 1; return data }},
	{"a bit of the revision", func(_ *testing.T, _ string, data []byte) []byte {
		data[bytes.Index(data, []byte(`"revision":"`))+15] ^= 1
		return data
	}},
	{"a definition", func(*testing.T, string, []byte) []byte { return []byte(`{"id":"b","name":"B"}`) }},
	{"the file of another record", func(t *testing.T, path string, _ []byte) []byte {
		data, err := os.ReadFile(filepath.Join(filepath.Dir(path), "a.json"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}},
}

// Get and List find each kind of corruption. The file is set aside and named in the log, and the other records stay
// available.
func TestCorruptFiles(t *testing.T) {
	for _, c := range corruptions {
		for _, way := range []string{"Get", "List"} {
			t.Run(c.name+"/"+way, func(t *testing.T) {
				dir := t.TempDir()
				var log bytes.Buffer
				s := open(t, dir, &filestore.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
				put(t, s, "a", "b", "c")
				path := filepath.Join(dir, "things", "b.json")
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, c.corrupt(t, path, data), 0o600); err != nil {
					t.Fatal(err)
				}
				expectSetAside(t, s, way == "Get")
				aside, _ := filepath.Glob(filepath.Join(dir, ".damaged", "things-b.json.*"))
				if len(aside) != 1 || !strings.Contains(log.String(), path) {
					t.Errorf("set aside: %q; the log: %s", aside, log.String())
				}
				if _, err := s.Put(t.Context(), thing("b"), []byte("new"), store.IfAbsent()); err != nil {
					t.Errorf("Put of the corrupt record: %v", err)
				}
			})
		}
	}
}

// expectSetAside checks that the corrupt record b is set aside when it is read, first by Get or else by List.
func expectSetAside(t *testing.T, s store.Store, get bool) {
	t.Helper()
	if get {
		_, err := s.Get(t.Context(), thing("b"))
		if !errors.Is(err, store.ErrCorrupt) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get: %v, want ErrCorrupt", err)
		}
	}
	if got := list(t, s); got != "a c" {
		t.Errorf("List yields %q, want the other records", got)
	}
	if _, err := s.Get(t.Context(), thing("b")); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("Get afterwards: %v, want ErrNotFound", err)
	}
}

func thing(id string) store.Key { return store.Key{Kind: "things", ID: id} }

// put writes records with these ids.
func put(t testing.TB, s *filestore.Store, ids ...string) {
	t.Helper()
	for _, id := range ids {
		value := []byte(`{"a":"value of ` + id + `"}`)
		if _, err := s.Put(t.Context(), thing(id), value, store.Condition{}); err != nil {
			t.Fatal(err)
		}
	}
	flush(t, s)
}

// flush writes the files of all records.
func flush(t testing.TB, s *filestore.Store) {
	t.Helper()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// list returns the ids of the things.
func list(t *testing.T, s store.Store) string {
	t.Helper()
	var ids []string
	for r, err := range s.List(t.Context(), "things") {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, r.Key.ID)
	}
	return strings.Join(ids, " ")
}

// A Put replaces a corrupt file as if there were none.
func TestPutReplacesACorruptFile(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	key := thing("a")
	if _, err := s.Put(t.Context(), key, []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	flush(t, s)
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
		t.Errorf("set aside: %q, want the corrupt file", aside)
	}
}

// A directory or a link with the name of a record does not affect the other records.
func TestStrayEntries(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, nil)
	put(t, s, "a", "z")
	if err := os.MkdirAll(filepath.Join(dir, "things", "directory.json", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "things", "link.json")); err != nil {
		t.Fatal(err)
	}
	if got := list(t, s); got != "a z" {
		t.Errorf("List yields %q, want a and z", got)
	}
	for _, name := range []string{"directory", "link"} {
		if _, err := s.Get(t.Context(), thing(name)); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("Get(%s): %v, want ErrNotFound", name, err)
		}
	}
}

// A write that fails changes nothing and leaves no file behind.
func TestFailedWrite(t *testing.T) {
	// The test runs in a process of its own, because the limit below is one of the process.
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
	key := thing("a")
	if _, err := s.Put(t.Context(), key, []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	// Larger files cannot be written from now on, as on a full disk.
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
		t.Fatal("Put of a large record: no error")
	}
	if r, err := s.Get(t.Context(), key); err != nil || string(r.Value) != "1" {
		t.Errorf("%q, %v", r.Value, err)
	}
	left, _ := filepath.Glob(filepath.Join(dir, "things", ".tmp-*"))
	if len(left) != 0 {
		t.Errorf("temporary files left: %q", left)
	}
}

func TestFilesArePrivate(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	s := open(t, dir, nil)
	if _, err := s.Put(t.Context(), thing("a"), []byte("1"), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v, want no permissions for others", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// FuzzPaths writes, lists and deletes a record with any id. No file may be created outside the directory of the kind,
// and no two ids may share a file.
func FuzzPaths(f *testing.F) {
	for _, id := range []string{
		"a", "A", "..", "../../x", "CON", "con.txt", "a.", "%41", "\n", strings.Repeat("A", 200), ".lock",
		".tmp-x", "é",
	} {
		f.Add(id)
	}
	base := f.TempDir()
	s := open(f, filepath.Join(base, "in", "data"), nil)
	put(f, s, "fixed")
	f.Fuzz(func(t *testing.T, id string) {
		if thing(id).Check() != nil || id == "fixed" {
			return
		}
		if _, err := s.Put(t.Context(), thing(id), []byte(id), store.IfAbsent()); err != nil {
			t.Fatal(err)
		}
		r, err := s.Get(t.Context(), thing(id))
		if err != nil || string(r.Value) != id || r.Key != thing(id) {
			t.Fatalf("Get: %+v, %v", r, err)
		}
		if got := list(t, s); got != min(id, "fixed")+" "+max(id, "fixed") {
			t.Fatalf("List yields %q", got)
		}
		expectNames(t, base, "in")
		expectNames(t, filepath.Join(base, "in"), "data")
		expectNames(t, filepath.Join(base, "in", "data"), ".journal", ".lock", "things")
		if err := s.Delete(t.Context(), thing(id), store.IfRevision(r.Revision)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), thing("fixed")); err != nil {
			t.Fatal(err)
		}
	})
}

// expectNames checks the names in a directory.
func expectNames(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%s contains %q, want %q", dir, got, want)
	}
}

// A record is written, and read again after the directory was closed and opened.
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
	key := store.Key{Kind: "titles", ID: "composer"}
	if _, err := s.Put(ctx, key, []byte(`{"id":"Composer"}`), store.IfAbsent()); err != nil {
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
