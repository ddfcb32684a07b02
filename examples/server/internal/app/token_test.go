package app

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The administrator token is written to a file that only its owner can read, and not logged.
func TestTheTokenIsWrittenAndNotLogged(t *testing.T) {
	p := start(t, t.TempDir())
	path := filepath.Join(p.dir, "data.admin-token")
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: got %v, %v, want mode 0600", info, err)
	}
	token := p.token()
	if log := p.logged(); !strings.Contains(log, path) || strings.Contains(log, token) {
		t.Errorf("the log: %s", log)
	}
	p.stop()
	p = start(t, p.dir)
	if p.token() != token {
		t.Error("the token changed after a restart")
	}
	if status, body := p.do("POST", "/api/v1/title", definition("A", "1")); status != 201 {
		t.Errorf("got status %d: %s", status, body)
	}
}

// A server whose administrator token was revoked starts, makes a new token, and logs a warning.
func TestRevokedAdministratorTokenStopsNothing(t *testing.T) {
	p := start(t, t.TempDir())
	old := p.token()
	id := strings.ToLower(old[len("pst_") : len("pst_")+12])
	call := "/api/v1/tokens/" + id + "/invalidate?confirm=last-administrator"
	if status, body := p.do("POST", call, ""); status != http.StatusNoContent {
		t.Fatalf("got status %d: %s", status, body)
	}
	p.stop()
	p = start(t, p.dir)
	if p.token() == old {
		t.Error("the file contains the revoked token")
	}
	if status, body := p.do("GET", "/api/v1/tokens", ""); status != http.StatusOK {
		t.Errorf("the new token: got status %d: %s", status, body)
	}
	if !strings.Contains(p.logged(), `"level":"WARN","msg":"the administrator token in the file is no longer valid`) ||
		strings.Contains(p.logged(), "pst_") {
		t.Errorf("the log: %s", p.logged())
	}
}

// A backup is not loaded if the server cannot start afterwards.
func TestRestoreWithoutItsSecret(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.do("POST", "/api/v1/title", definition("App", "1"))
	status, zip := p.do("GET", "/api/v1/backup?full=1", "")
	if status != 200 {
		t.Fatalf("got status %d: %s", status, zip)
	}
	p.stop()
	file, wrong, moved := filepath.Join(dir, "full.zip"), filepath.Join(dir, "wrong"), t.TempDir()
	writeFile(t, file, zip)
	if err := os.Mkdir(wrong, 0o700); err != nil { // no secret can be read from a folder
		t.Fatal(err)
	}
	for _, flag := range []string{"--secret-file", "--admin-token-file"} {
		args := []string{
			"--addr", "127.0.0.1:0", "--store", "file:" + filepath.Join(moved, "data"), "--restore", file, flag, wrong,
		}
		if code := Run(t.Context(), args, nil, io.Discard, io.Discard); code != 1 {
			t.Errorf("%s: got exit code %d, want 1", flag, code)
		}
	}
	again := start(t, moved, "--restore", file) // the store is still empty
	if status, text := again.do("GET", "/jamf/v1/patch/App", ""); status != 200 {
		t.Errorf("got status %d: %s", status, text)
	}
}

// A restore that fails makes no secret, so that the next start warns that its secret is a new one.
func TestFailedRestoreMakesNoSecret(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.do("POST", "/api/v1/title", definition("App", "1"))
	plain, full := filepath.Join(dir, "plain.zip"), filepath.Join(dir, "full.zip")
	for path, call := range map[string]string{plain: "/api/v1/backup", full: "/api/v1/backup?full=1"} {
		status, zip := p.do("GET", call, "")
		if status != 200 {
			t.Fatalf("%s: got status %d: %s", call, status, zip)
		}
		writeFile(t, path, zip)
	}
	p.stop()

	moved := t.TempDir()
	data := filepath.Join(moved, "data")
	code, _, log := runOnce(t, nil, "--addr", "127.0.0.1:0", "--store", "file:"+data, "--restore", plain)
	if code != 1 || !strings.Contains(log, "load a backup of definitions with --import") {
		t.Errorf("got exit code %d, want 1 and the hint to use --import: %s", code, log)
	}
	if _, err := os.Stat(data + ".secret"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the secret: got %v, want ErrNotExist", err)
	}
	again := start(t, moved, "--restore", full)
	for _, want := range []string{"made the server's secret", "there are titles already"} {
		if !strings.Contains(again.logged(), want) {
			t.Errorf("the log does not contain %q: %s", want, again.logged())
		}
	}
}
