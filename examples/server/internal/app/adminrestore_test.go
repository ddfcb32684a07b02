package app

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// backup writes a backup with titles and their versions to a file, and returns its path.
func (a adminTarget) backup(titles map[string]string) string {
	a.t.Helper()
	members := map[string]string{}
	for id, version := range titles {
		members["patch_archive/"+id+".json"] = definition(id, version)
	}
	file := filepath.Join(a.t.TempDir(), "backup.zip")
	writeFile(a.t, file, string(backupOf(a.t, members)))
	return file
}

// served returns the current versions of the titles by their ids, and leaves the target running or stopped as it was.
func (a adminTarget) served() map[string]string {
	a.t.Helper()
	p := a.p
	if p == nil {
		p = start(a.t, a.dir)
		defer p.stop()
	}
	var list []struct{ ID, CurrentVersion string }
	if _, body := p.do("GET", "/jamf/v1/software", ""); json.Unmarshal([]byte(body), &list) != nil {
		a.t.Fatalf("the list is %s", body)
	}
	all := map[string]string{}
	for _, title := range list {
		all[title.ID] = title.CurrentVersion
	}
	return all
}

// check checks which titles are served.
func (a adminTarget) check(after string, want map[string]string) {
	a.t.Helper()
	got := a.served()
	equal := len(got) == len(want)
	for id, version := range want {
		equal = equal && got[id] == version
	}
	if !equal {
		a.t.Errorf("%s: the titles are %v, want %v", after, got, want)
	}
}

// A restore says what it would do, and needs the answer yes, or --yes, before it replaces or deletes a title.
func TestRestoreAsksBeforeReplacing(t *testing.T) {
	forTargets(t, func(t *testing.T, target adminTarget) {
		before := map[string]string{"App": "1"}
		file := target.backup(map[string]string{"App": "2", "New": "1"})
		for _, c := range []struct {
			name, answer string
			args         []string
			code         int
			want         string
		}{
			{"without a mode", "", nil, 1, "--mode merge"},
			{"dry run", "", []string{"--mode", "merge", "--dry-run"}, 0,
				"titles: 1 to create, 1 to replace\n  to replace: App"},
			{"no", "n\n", []string{"--mode", "merge"}, 1, "nothing was changed"},
			{"an unknown mode", "", []string{"--mode", "all"}, 2, "--mode all: it must be empty, merge or replace"},
		} {
			code, stdout, stderr := target.answer(c.answer, "restore", append(c.args, file)...)
			if code != c.code || !strings.Contains(stdout+stderr, c.want) {
				t.Errorf("%s: got exit code %d, want %d with %q: %s%s", c.name, code, c.code, c.want, stdout, stderr)
			}
		}
		if code, _, stderr := target.call("restore", file, "--mode", "merge"); code != 2 ||
			!strings.Contains(stderr, "--yes") {
			t.Errorf("without a terminal: got exit code %d, want 2: %s", code, stderr)
		}
		target.check("without a confirmation", before)
		if code, _, stderr := target.answer("yes\n", "restore", file, "--mode", "merge"); code != 0 {
			t.Errorf("yes: got exit code %d: %s", code, stderr)
		}
		target.check("merge", map[string]string{"App": "2", "New": "1"})
		if code, _, stderr := target.call("restore", file, "--mode", "merge"); code != 0 ||
			!strings.Contains(stderr, "nothing to restore") {
			t.Errorf("again: got exit code %d: %s", code, stderr)
		}
		one := target.backup(map[string]string{"New": "1"})
		if code, _, stderr := target.answer("n\n", "restore", one, "--mode", "replace"); code != 1 ||
			!strings.Contains(stderr, "to delete: App") {
			t.Errorf("a deletion: got exit code %d, want 1: %s", code, stderr)
		}
		target.must("restore", one, "--mode", "replace", "--yes")
		target.check("replace", map[string]string{"New": "1"})
	})
}

// What is no backup is refused, and nothing is changed.
func TestRestoreRefuses(t *testing.T) {
	forTargets(t, func(t *testing.T, target adminTarget) {
		file := target.file("x.zip")
		for _, c := range []struct {
			name, want string
			data       []byte
		}{
			{"no zip", "not a backup", []byte("x")},
			{"an invalid definition", "Bad.json", backupOf(t, map[string]string{"patch_archive/Bad.json": "{}"})},
		} {
			writeFile(t, file, string(c.data))
			code, _, stderr := target.call("restore", file, "--mode", "merge", "--yes")
			if code != 1 || !strings.Contains(stderr, c.want) {
				t.Errorf("%s: got exit code %d, want 1 with %q: %s", c.name, code, c.want, stderr)
			}
		}
		if code, _, stderr := target.call("restore", target.file("missing")); code != 1 || stderr == "" {
			t.Errorf("a missing file: got exit code %d, want 1: %s", code, stderr)
		}
		target.check("after refusals", map[string]string{"App": "1"})
	})
}

// readFile returns the text of a file.
func readFile(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// copyFile copies a file.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	writeFile(t, to, readFile(t, from))
}

// A full backup is loaded into an empty store as a whole, and into no other one. A server then goes on with it.
func TestRestoreOfAFullBackup(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.do("POST", "/api/v1/title", definition("App", "1"))
	token := p.token()
	p.stop()
	file, data := filepath.Join(dir, "full.zip"), filepath.Join(dir, "data")
	if code, _, stderr := callCommand(t, "backup", "--full", "-o", file, "--store", "file:"+data); code != 0 {
		t.Fatalf("got exit code %d: %s", code, stderr)
	}
	moved := t.TempDir()
	into := "file:" + filepath.Join(moved, "data")
	damaged := filepath.Join(dir, "damaged.zip")
	writeFile(t, damaged, strings.Replace(readFile(t, file), "PK\x03\x04", "PK\x03\x05", 1))
	if code, _, stderr := callCommand(t, "restore", damaged, "--store", into); code != 1 ||
		!strings.Contains(stderr, "nothing was changed") {
		t.Errorf("a damaged backup: got exit code %d, want 1: %s", code, stderr)
	}
	if code, stdout, stderr := callCommand(t, "restore", file, "--store", into, "--dry-run"); code != 0 ||
		!strings.Contains(stdout, "1 title,") {
		t.Errorf("--dry-run: got exit code %d: %s%s", code, stdout, stderr)
	}
	if names := fileNames(t, moved); len(names) > 0 {
		t.Errorf("a refused restore and a dry run made %q", names)
	}
	if code, _, stderr := callCommand(t, "restore", file, "--store", into); code != 0 ||
		!strings.Contains(stderr, "copy the secret file") {
		t.Fatalf("got exit code %d: %s", code, stderr)
	}
	if code, _, stderr := callCommand(t, "restore", file, "--store", into); code != 1 ||
		!strings.Contains(stderr, "the store is not empty") {
		t.Errorf("into a store with records: got exit code %d, want 1: %s", code, stderr)
	}
	copyFile(t, data+".secret", filepath.Join(moved, "data.secret"))
	copyFile(t, data+".admin-token", filepath.Join(moved, "data.admin-token"))
	again := start(t, moved)
	if got := status(t, again, token); got != 200 {
		t.Errorf("the administrator token: got status %d", got)
	}
	if got, body := again.do("GET", "/jamf/v1/patch/App", ""); got != 200 {
		t.Errorf("the title: got status %d: %s", got, body)
	}
	// A running server restores the titles of a full backup.
	code, _, stderr := callCommand(t, "restore", file, "--mode", "merge", "--server", again.url, "--token-file",
		filepath.Join(moved, "data.admin-token"))
	if code != 0 || !strings.Contains(stderr, "only the titles") {
		t.Errorf("with a server: got exit code %d: %s", code, stderr)
	}
}

// A restore over the store of a stopped server needs the secret of its servers, and does not replace it.
func TestRestoreNeedsTheSecret(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	p.stop()
	target := adminTarget{t, dir, []string{"--store", "file:" + filepath.Join(dir, "data")}, nil}
	file := target.backup(map[string]string{"App": "1"})
	wrong := target.file("wrong")
	writeFile(t, wrong, strings.Repeat("ab", 32))
	for _, secret := range []string{wrong, target.file("missing")} {
		if code, _, stderr := target.call("restore", file, "--secret-file", secret); code != 1 ||
			!strings.Contains(stderr, "--secret-file") {
			t.Errorf("%s: got exit code %d, want 1: %s", secret, code, stderr)
		}
	}
	target.must("restore", file)
	again := start(t, dir)
	if strings.Contains(again.logged(), "secret is not the one") {
		t.Errorf("the secret of the store was replaced: %s", again.logged())
	}
}

// A restore at a server goes on after the command was interrupted, and the command names the job.
func TestInterruptedRestoreNamesTheJob(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Query().Has("dry_run"):
			_ = json.NewEncoder(w).Encode(wire.RestorePlan{Counts: map[string]int{"create": 1}})
		case r.Method == "POST":
			if r.Header.Get("Prefer") != "respond-async" {
				t.Error("the restore is no job")
			}
			w.WriteHeader(http.StatusAccepted)
			_ = json.NewEncoder(w).Encode(wire.Job{ID: "j1", State: wire.JobRunning})
		default:
			cancel()
			_ = json.NewEncoder(w).Encode(wire.Job{ID: "j1", State: wire.JobRunning, Total: 2, Done: 1})
		}
	}))
	defer s.Close()
	target := adminTarget{t: t, dir: t.TempDir()}
	writeFile(t, target.file("token"), "pst_x")
	args := []string{
		"restore", target.backup(map[string]string{"App": "1"}),
		"--server", s.URL, "--token-file", target.file("token"),
	}
	var stdout, stderr bytes.Buffer
	code := Run(ctx, args, nil, &stdout, &stderr)
	if code != 1 || !strings.Contains(stderr.String(), "goes on at the server: see the job j1") {
		t.Errorf("got exit code %d, want 1: %s%s", code, &stdout, &stderr)
	}
}

// The command copies as --copy-from does, and its errors name its arguments.
func TestCopyCommand(t *testing.T) {
	dir := t.TempDir()
	list := fill(t, dir)
	from, to := "file:"+filepath.Join(dir, "data"), "file:"+filepath.Join(dir, "moved/data")
	if code, _, stderr := callCommand(t, "copy", from, to); code != 0 ||
		!strings.Contains(stderr, "copied and compared all records") {
		t.Fatalf("got exit code %d: %s", code, stderr)
	}
	p := start(t, filepath.Join(dir, "moved"))
	if _, got := p.do("GET", "/jamf/v1/software", ""); got != list {
		t.Errorf("the copy serves %s, want %s", got, list)
	}
	p.stop()
	for _, c := range []struct {
		want string
		args []string
		code int
	}{
		{"TO file:", []string{from, to}, 1},
		{"FROM file:", []string{"file:" + filepath.Join(dir, "missing"), to}, 1},
		{"it must be file:", []string{"nowhere", to}, 2},
		{"it must be file:", []string{from, "nowhere"}, 2},
		{"cannot be copied", []string{from, "memory:"}, 2},
		{"--store-password-file", []string{from, to, "--store-password-file", "x"}, 2},
		{`expected "<to>"`, []string{from}, 2},
	} {
		code, _, stderr := callCommand(t, append([]string{"copy"}, c.args...)...)
		if code != c.code || !strings.Contains(stderr, c.want) || strings.Contains(stderr, "--copy-from") {
			t.Errorf("%q: got exit code %d, want %d with %q: %s", c.args, code, c.code, c.want, stderr)
		}
	}
}
