package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Uploads are kept in the folder of the store. The server removes old ones when it starts.
func TestUploadsAreKeptBesideTheStore(t *testing.T) {
	dir := t.TempDir()
	uploads := filepath.Join(dir, "data", ".uploads")
	if err := os.MkdirAll(uploads, 0o700); err != nil {
		t.Fatal(err)
	}
	leftover := filepath.Join(uploads, "patchsource-upload-1")
	if err := os.WriteFile(leftover, []byte("PK"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, dir)
	if _, err := os.Stat(leftover); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old upload: got %v, want ErrNotExist", err)
	}
	if status, body := p.do("POST", "/api/v1/titles/import", definition("App", "1")); status != 200 {
		t.Errorf("import: got status %d: %s", status, body)
	}
	if err := os.Remove(uploads); err != nil { // it is empty
		t.Error(err)
	}
	status, body := p.do("POST", "/api/v1/titles/import", definition("Other", "1"))
	if info, err := os.Stat(uploads); status != 200 || err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("import without the folder: got status %d: %s; the folder: %v, %v", status, body, info, err)
	}
	if c := p.stop(); c != 0 {
		t.Fatalf("got exit code %d", c)
	}
	start(t, dir)
	if info, err := os.Stat(uploads); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder after another start: got %v, %v", info, err)
	}
}

// If the server cannot save when tokens were last used, it logs that, and stops without an error.
func TestStopWithoutTheStorage(t *testing.T) {
	p := start(t, t.TempDir())
	if status, body := p.do("GET", "/api/v1/token", ""); status != 200 { // the token is used
		t.Fatalf("got status %d: %s", status, body)
	}
	waitFor(t, "the file of the token", func() bool {
		files, _ := filepath.Glob(filepath.Join(p.dir, "data", "tokens", "*.json"))
		return len(files) > 0
	})
	if err := os.RemoveAll(filepath.Join(p.dir, "data", "tokens")); err != nil {
		t.Fatal(err)
	}
	if c := p.stop(); c != 0 || !strings.Contains(p.logged(), "could not save when tokens were last used") {
		t.Errorf("got exit code %d; the log:\n%s", c, p.logged())
	}
}

// If the data folder is deleted while the server runs, changes are answered with 503, and the feed is still served.
func TestDataFolderDeletedUnderTheServer(t *testing.T) {
	p := start(t, t.TempDir())
	if status, body := p.do("POST", "/api/v1/title", definition("App", "1")); status != 201 {
		t.Fatalf("got status %d: %s", status, body)
	}
	if status, body := p.do("GET", "/readyz", ""); status != 200 {
		t.Fatalf("got status %d: %s", status, body)
	}
	if err := os.RemoveAll(filepath.Join(p.dir, "data")); err != nil {
		t.Fatal(err)
	}
	for _, call := range [][3]string{
		{"GET", "/readyz", ""},
		{"POST", "/api/v1/title/App/version", versionJSON("2")},
		{"DELETE", "/api/v1/title/App", ""},
		{"POST", "/api/v1/title", definition("Other", "1")},
	} {
		if status, body := p.do(call[0], call[1], call[2]); status != 503 {
			t.Errorf("%s %s: got status %d, want 503: %s", call[0], call[1], status, body)
		}
	}
	if status, body := p.do("GET", "/jamf/v1/software", ""); status != 200 || !strings.Contains(body, `"App"`) {
		t.Errorf("the feed: got status %d, want the title: %s", status, body)
	}
}
