package app

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Uploads are kept in the store's folder, and a start removes what is left there.
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
		t.Errorf("%v, want the leftover gone", err)
	}
	if status, body := p.do("POST", "/api/v1/titles/import", definition("App", "1")); status != 200 {
		t.Errorf("import: %d %s", status, body)
	}
	if err := os.Remove(uploads); err != nil { // nothing is in it
		t.Error(err)
	}
	status, body := p.do("POST", "/api/v1/titles/import", definition("Other", "1"))
	if info, err := os.Stat(uploads); status != 200 || err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("import without the folder: %d %s %v %v, want it made again", status, body, info, err)
	}
	if c := p.stop(); c != 0 {
		t.Fatalf("exit code %d", c)
	}
	start(t, dir)
	if info, err := os.Stat(uploads); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder after another start: %v %v", info, err)
	}
}

// When tokens were last used is not worth an error of the process.
func TestStopWithoutTheStorage(t *testing.T) {
	p := start(t, t.TempDir())
	if status, body := p.do("GET", "/api/v1/token", ""); status != 200 { // the token is used
		t.Fatalf("%d %s", status, body)
	}
	if err := os.RemoveAll(filepath.Join(p.dir, "data", "tokens")); err != nil {
		t.Fatal(err)
	}
	if c := p.stop(); c != 0 || !strings.Contains(p.logged(), "could not save when tokens were last used") {
		t.Errorf("exit code %d; the log:\n%s", c, p.logged())
	}
}

// A data folder that is deleted under the server is an outage.
func TestDataFolderDeletedUnderTheServer(t *testing.T) {
	p := start(t, t.TempDir())
	if status, body := p.do("POST", "/api/v1/title", definition("App", "1")); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	if status, body := p.do("GET", "/readyz", ""); status != 200 {
		t.Fatalf("%d %s", status, body)
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
			t.Errorf("%s %s: %d %s, want 503", call[0], call[1], status, body)
		}
	}
	if status, body := p.do("GET", "/jamf/v1/software", ""); status != 200 || !strings.Contains(body, `"App"`) {
		t.Errorf("the feed: %d %s, want the title still", status, body)
	}
}
