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

// A backup that the script has taken can be loaded; old ones go, and nobody else can read
// the new one.
func TestBackupScript(t *testing.T) {
	trial.Need(t, "curl", "by which the script calls the server")
	dir := t.TempDir()
	binary := trial.Build(t, dir)
	store := filepath.Join(dir, "data")
	server := trial.Start(
		t,
		exec.Command(binary, "--addr", "127.0.0.1:0", "--store", "file:"+store, "--log-format", "json"),
	)
	token := server.Token(store + ".admin-token")
	if res, text := trial.Call(t, http.DefaultClient, "POST", server.URL+"/api/v1/title", token, strings.NewReader(trial.Definition("App", "1"))); res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	folder := filepath.Join(dir, "new", "backups") // which the script makes
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
	run := func(url, tokenFile string, args ...string) (string, error) {
		cmd := exec.Command("sh", append([]string{"backup.sh"}, args...)...)
		cmd.Env = append(
			os.Environ(),
			"NO_PROXY=127.0.0.1",
			"PATCHSOURCE_URL="+url,
			"PATCHSOURCE_TOKEN_FILE="+tokenFile,
		)
		out, err := cmd.CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	name, err := run(server.URL+"/", store+".admin-token", folder)
	if err != nil {
		t.Fatalf("%v: %s", err, name)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", err, info)
	}
	z, err := zip.OpenReader(name)
	if err != nil {
		t.Fatal(err)
	}
	_ = z.Close()
	if _, err := os.Stat(old); err == nil {
		t.Error("the old one is still there")
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("something else is gone")
	}
	// What fails leaves nothing that looks like a backup.
	wrong := filepath.Join(dir, "wrong")
	if err := os.WriteFile(wrong, []byte("pst_wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	empty := t.TempDir()
	for _, file := range []string{wrong, wrong + "x"} {
		if out, err := run(server.URL, file, empty); err == nil {
			t.Errorf("%s: %s", file, out)
		}
	}
	if _, err := run(server.URL, wrong); err == nil {
		t.Error("no folder is no error")
	}
	if left, _ := os.ReadDir(empty); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
	// Come back with it.
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
	again := trial.Start(
		t,
		exec.Command(
			binary,
			"--addr",
			"127.0.0.1:0",
			"--store",
			"file:"+moved,
			"--log-format",
			"json",
			"--restore",
			name,
		),
	)
	if res, text := trial.Call(t, http.DefaultClient, "POST", again.URL+"/api/v1/title/App/version", token, strings.NewReader(trial.Version("2"))); res.StatusCode != 201 {
		t.Errorf("%d %s", res.StatusCode, text)
	}
}
