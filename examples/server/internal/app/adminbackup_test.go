package app

import (
	"archive/zip"
	"bytes"
	"context"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A backup is written to a file, whose name is printed. A full one can be read by its owner only. A file that exists is
// replaced only with --overwrite.
func TestBackupCommand(t *testing.T) {
	forTargets(t, func(t *testing.T, target adminTarget) {
		t.Chdir(target.dir)
		for _, c := range []struct {
			args   []string
			name   string
			others os.FileMode // permissions of others that the file must not have
			member string
		}{
			{nil, "patch_archive.zip", 0, "App.json"},
			{[]string{"--full"}, "patchsource_full.zip", 0o077, "patchsource/titles.ndjson"},
			{[]string{"--full", "-o", "other.zip"}, "other.zip", 0o077, "patchsource/tokens.ndjson"},
		} {
			if name := target.must("backup", c.args...); name != c.name {
				t.Errorf("%q: standard output has %q, want %s", c.args, name, c.name)
			}
			info, err := os.Stat(c.name)
			if err != nil || info.Mode().Perm()&c.others != 0 {
				t.Errorf("%s: got %v, %v", c.name, info, err)
			}
			z, err := zip.OpenReader(c.name)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, f := range z.File {
				found = found || strings.HasSuffix(f.Name, c.member)
			}
			if _ = z.Close(); !found {
				t.Errorf("%s does not have %s", c.name, c.member)
			}
		}
		writeFile(t, "mine.zip", "mine")
		code, stdout, stderr := target.call("backup", "-o", "mine.zip")
		if data, _ := os.ReadFile("mine.zip"); code != 1 || stdout != "" || string(data) != "mine" ||
			!strings.Contains(stderr, "--overwrite") {
			t.Errorf("over a file: got exit code %d, %q in the file, and %s", code, data, stderr)
		}
		target.must("backup", "-o", "mine.zip", "--overwrite")
		if _, err := zip.OpenReader("mine.zip"); err != nil {
			t.Errorf("with --overwrite: %v", err)
		}
		if left, _ := filepath.Glob(".*.part"); len(left) > 0 {
			t.Errorf("left the files %q", left)
		}
	})
}

// fileNames returns the names of the files in a folder.
func fileNames(t *testing.T, dir string) (names []string) {
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

// A backup that is interrupted leaves no file.
func TestInterruptedBackupLeavesNoFile(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	dir := t.TempDir()
	began := false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/zip")
		_, _ = w.Write([]byte("PK\x03\x04"))
		_ = http.NewResponseController(w).Flush()
		waitFor(t, "the file", func() bool { return len(fileNames(t, dir)) > 0 })
		began = true
		cancel()
		<-r.Context().Done()
	}))
	defer s.Close()
	var stdout, stderr bytes.Buffer
	args := []string{"backup", "--server", s.URL, "-o", filepath.Join(dir, "backup.zip")}
	code := Run(ctx, args, nil, &stdout, &stderr)
	if code != 1 || stdout.Len() > 0 || !strings.Contains(stderr.String(), "interrupted") {
		t.Errorf("got exit code %d, want 1: %s%s", code, &stdout, &stderr)
	}
	if names := fileNames(t, dir); !began || len(names) > 0 {
		t.Errorf("left the files %q", names)
	}
}

// backupOf returns a zip archive with members.
func backupOf(t *testing.T, members map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range members {
		w, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Store})
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A backup that cannot be restored is not kept, and does not take the place of an earlier one.
func TestBackupThatCannotBeRestoredIsNotKept(t *testing.T) {
	good := backupOf(t, map[string]string{"patch_archive/App.json": definition("App", "1")})
	full := map[string]string{
		"patchsource/format.json":   `{"format":3}`,
		"patchsource/titles.ndjson": `{"id":"x","value":{}}`,
	}
	old := maps.Clone(full)
	old["patch_archive/App.json"] = "{ }"
	badLine := map[string]string{"patchsource/titles.ndjson": `{"id":"x","value":{}`}
	newer := map[string]string{"patchsource/format.json": `{"format":99}`, "patchsource/titles.ndjson": ""}
	for _, c := range []struct {
		name string
		body []byte
		full bool
		code int
	}{
		{"good", good, false, 0},
		{"good and full", backupOf(t, full), true, 0},
		{"full, with a definition that today's rules refuse", backupOf(t, old), true, 0},
		{"full, with a wrong checksum", bytes.Replace(backupOf(t, old), []byte("{ }"), []byte("[ ]"), 1), true, 1},
		{"truncated", good[:len(good)-30], false, 1},
		{"a wrong checksum", bytes.Replace(good, []byte("App"), []byte("Axp"), 2), false, 1},
		{"an invalid definition", backupOf(t, map[string]string{"patch_archive/App.json": "{}"}), false, 1},
		{"not full", good, true, 1},
		{"full unasked", backupOf(t, full), false, 1},
		{"a record that is cut off", backupOf(t, badLine), true, 1},
		{"a newer format", backupOf(t, newer), true, 1},
		{"no zip", []byte("<html>"), false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", "application/zip")
				_, _ = w.Write(c.body)
			}))
			defer s.Close()
			dir := t.TempDir()
			file := filepath.Join(dir, "backup.zip")
			writeFile(t, file, "earlier")
			writeFile(t, filepath.Join(dir, "token"), "pst_x")
			args := []string{"backup", "--server", s.URL, "-o", file, "--overwrite", "--token-file", dir + "/token"}
			if c.full {
				args = append(args, "--full")
			}
			code, stdout, stderr := callCommand(t, args...)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			want := "earlier"
			if c.code == 0 {
				want = string(c.body)
			}
			if code != c.code || string(data) != want {
				t.Errorf("got exit code %d, want %d, with %d bytes: %s%s", code, c.code, len(data), stdout, stderr)
			}
			if names := fileNames(t, dir); len(names) != 2 {
				t.Errorf("left the files %q", names)
			}
		})
	}
}
