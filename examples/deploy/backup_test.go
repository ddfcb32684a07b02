//go:build linux

package deploy_test

import (
	"archive/zip"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// The script takes a full backup that can be loaded and that only its owner can read, and removes old backups.
func TestBackupScript(t *testing.T) {
	trial.Need(t, "curl", "which the script needs")
	dir := t.TempDir()
	binary := trial.Build(t, dir)
	store := filepath.Join(dir, "data")
	run := func(store string, args ...string) *trial.Server {
		args = append([]string{"--addr", "127.0.0.1:0", "--store", "file:" + store, "--log-format", "json"}, args...)
		return trial.Start(t, exec.Command(binary, args...))
	}
	server := run(store)
	token := server.Token(store + ".admin-token")
	create := func(url, body string) {
		t.Helper()
		res, text := trial.Call(t, http.DefaultClient, "POST", url, token, strings.NewReader(body))
		if res.StatusCode != 201 {
			t.Fatalf("%s: got status %d: %s", url, res.StatusCode, text)
		}
	}
	create(server.URL+"/api/v1/title", trial.Definition("App", "1"))
	folder := filepath.Join(dir, "new", "backups")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	old, other := filepath.Join(folder, "patchsource-full-2020-01-01T000000Z.zip"), filepath.Join(folder, "other.zip")
	for _, name := range []string{old, other} {
		long := time.Now().AddDate(0, -3, 0)
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, long, long); err != nil {
			t.Fatal(err)
		}
	}
	script := func(url, tokenFile string, args ...string) (string, error) {
		cmd := exec.Command("sh", append([]string{"backup.sh"}, args...)...)
		cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1",
			"PATCHSOURCE_URL="+url, "PATCHSOURCE_TOKEN_FILE="+tokenFile)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	name, err := script(server.URL+"/", store+".admin-token", folder)
	if err != nil {
		t.Fatalf("backup.sh: %v: %s", err, name)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup: got %v, %v, want mode 0600", info, err)
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	_ = z.Close()
	if _, err := os.Stat(old); err == nil {
		t.Error("the old backup was not removed")
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("another file was removed")
	}
	// A failure leaves no file that looks like a backup.
	wrong := filepath.Join(dir, "wrong")
	if err := os.WriteFile(wrong, []byte("pst_wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	for _, file := range []string{wrong, wrong + "x"} {
		if out, err := script(server.URL, file, empty); err == nil {
			t.Errorf("with the token in %s: no error: %s", file, out)
		}
	}
	if _, err := script(server.URL, wrong); err == nil {
		t.Error("without a folder: no error")
	}
	if left, _ := os.ReadDir(empty); len(left) > 0 {
		t.Errorf("failures left the files %v", left)
	}
	// Another server loads the backup.
	moved := filepath.Join(dir, "moved")
	for _, kind := range []string{".secret", ".admin-token"} {
		data, err := os.ReadFile(store + kind)
		if err == nil {
			err = os.WriteFile(moved+kind, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	again := run(moved, "--restore", name)
	create(again.URL+"/api/v1/title/App/version", trial.Version("2"))
}
