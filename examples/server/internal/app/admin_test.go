package app

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// An adminTarget is a server that commands manage, running or stopped.
type adminTarget struct {
	t    *testing.T
	dir  string
	args []string // the flags that name it
	p    *process // nil if it is stopped
}

// serve returns the running server, which it starts if it is stopped.
func (a adminTarget) serve() *process {
	a.t.Helper()
	if a.p != nil {
		return a.p
	}
	return start(a.t, a.dir)
}

// forTargets runs a test with a running server, and with the store of one that is stopped. The server has the title
// App.
func forTargets(t *testing.T, test func(t *testing.T, target adminTarget)) {
	for _, offline := range []bool{false, true} {
		name := "running server"
		if offline {
			name = "stopped server"
		}
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			p := start(t, dir)
			if status, body := p.do("POST", "/api/v1/title", definition("App", "1")); status != 201 {
				t.Fatalf("got status %d: %s", status, body)
			}
			target := adminTarget{t, dir, []string{"--store", "file:" + filepath.Join(dir, "data")}, nil}
			if offline {
				p.stop()
			} else {
				target.p = p
				target.args = []string{"--server", p.url, "--token-file", filepath.Join(dir, "data.admin-token")}
			}
			test(t, target)
		})
	}
}

// call runs a command with the flags that name the target, and returns its exit code and output.
func (a adminTarget) call(command string, args ...string) (code int, stdout, stderr string) {
	a.t.Helper()
	return callCommand(a.t, append(append(strings.Fields(command), args...), a.args...)...)
}

// must runs a command that has to succeed, and returns its output without the line break at the end.
func (a adminTarget) must(command string, args ...string) string {
	a.t.Helper()
	code, stdout, stderr := a.call(command, args...)
	if code != 0 {
		a.t.Fatalf("%s %q: got exit code %d: %s%s", command, args, code, stdout, stderr)
	}
	return strings.TrimSuffix(stdout, "\n")
}

// answer runs a command at a terminal where a question gets an answer.
func (a adminTarget) answer(text, command string, args ...string) (code int, stdout, stderr string) {
	a.t.Helper()
	var out, errs bytes.Buffer
	p := newProgram(nil, strings.NewReader(text), &out, &errs)
	p.Interactive = true
	words := append(strings.Fields(command), append(args, a.args...)...)
	found, err := findCommand(words)
	if err != nil {
		a.t.Fatal(err)
	}
	code = found.run(a.t.Context(), words[1:], p)
	return code, out.String(), errs.String()
}

// file returns the path of a file in the folder of the target.
func (a adminTarget) file(name string) string { return filepath.Join(a.dir, name) }

// Commands over the store of a running server are refused, and the error says how to call the server.
func TestCommandsOverAUsedStore(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	full := filepath.Join(dir, "full.zip")
	code, _, stderr := callCommand(t, "backup", "--full", "-o", full, "--server", p.url,
		"--token-file", filepath.Join(dir, "data.admin-token"))
	if code != 0 {
		t.Fatalf("got exit code %d: %s", code, stderr)
	}
	for _, command := range [][]string{
		{"token", "list"}, {"token", "create"}, {"token", "revoke", "x"}, {"backup"}, {"restore", full},
		{"restore", full, "--mode", "merge"},
	} {
		code, stdout, stderr := callCommand(t, append(command, "--store", "file:"+filepath.Join(dir, "data"))...)
		if code != 1 || stdout != "" || !strings.Contains(stderr, "--server URL") {
			t.Errorf("%q: got exit code %d, want 1 with a hint: %s%s", command, code, stdout, stderr)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 {
		t.Errorf("left the files %q", left)
	}
}

// Arguments that name no patch source, or one in two ways, are refused with exit code 2.
func TestCommandsWithoutASource(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"nothing", "name the patch source", nil},
		{"both", "omit one of them", []string{"--server", "http://127.0.0.1:1", "--store", "file:./x"}},
		{"no token", "--token-file", []string{"--server", "http://127.0.0.1:1"}},
		{"no URL", "must be a URL", []string{"--server", "localhost"}},
		{"another scheme", "is not an address", []string{"--server", "ftp://host", "--token-file", "token"}},
		{"a token for a store", "are for --server", []string{"--store", "file:./x", "--token-file", "token"}},
		{"a secret for a server", "are for --store", []string{"--server", "http://127.0.0.1:1", "--secret-file", "x"}},
		{"misspelled", "did you mean --server?", []string{"--sever", "http://127.0.0.1:1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			writeFile(t, "token", "pst_x")
			code, stdout, stderr := callCommand(t, append([]string{"token", "list"}, c.args...)...)
			if code != 2 || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("got exit code %d, want 2 with %q: %s%s", code, c.want, stdout, stderr)
			}
		})
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{"no such file", []string{"--store", "file:./missing"}},
		{"it is empty", []string{"--store", "memory:"}},
		{"no such file", []string{"--server", "http://127.0.0.1:1", "--token-file", "missing"}},
		{"does not contain a token", []string{"--server", "http://127.0.0.1:1", "--token-file", "/dev/null"}},
		{"connection refused", []string{"--server", closedAddress(), "--token-file", "token"}},
	} {
		code, _, stderr := callCommand(t, append([]string{"token", "list"}, c.args...)...)
		if code != 1 || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: got exit code %d, want 1 with %q: %s", c.args, code, c.want, stderr)
		}
	}
	if _, err := os.Stat("missing"); err == nil {
		t.Error("the missing folder was created")
	}
}

// The environment names the source if no flag does, and the folder ./data is the last resort.
func TestCommandsReadTheEnvironment(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	p := start(t, dir)
	url, file := "PATCHSOURCE_URL="+p.url, "PATCHSOURCE_TOKEN_FILE="+filepath.Join(dir, "data.admin-token")
	token := "PATCHSOURCE_TOKEN=" + p.token()
	list := func(environ []string, args ...string) (int, string) {
		code, stdout, stderr := runOnce(t, environ, append([]string{"token", "list"}, args...)...)
		return code, stdout + stderr
	}
	for _, c := range []struct {
		name    string
		environ []string
		args    []string
		code    int
	}{
		{"URL and file", []string{url, file}, nil, 0},
		{"URL and token", []string{url, token}, nil, 0},
		{"a file of a flag", []string{url, "PATCHSOURCE_TOKEN=pst_x"}, []string{"--token-file", "data.admin-token"}, 0},
		{"a wrong token", []string{url, "PATCHSOURCE_TOKEN=pst_x"}, nil, 1},
		{"no token", []string{url}, nil, 2},
		{"variables of the server", []string{url, file, "PATCHSOURCE_ADDR=:1", "PATCHSOURCE_STORE=file:./x"}, nil, 0},
		{"a store of a flag", []string{url, file}, []string{"--store", "file:./data"}, 1}, // it is in use
		{"the folder, in use", nil, nil, 1},
	} {
		if code, output := list(c.environ, c.args...); code != c.code {
			t.Errorf("%s: got exit code %d, want %d: %s", c.name, code, c.code, output)
		}
	}
	p.stop()
	for _, environ := range [][]string{nil, {"PATCHSOURCE_STORE=file:data"}} {
		if code, output := list(environ); code != 0 || !strings.Contains(output, "administrator") {
			t.Errorf("%q: got exit code %d: %s", environ, code, output)
		}
	}
}

// A server with a certificate of a private authority is called with --ca. Its certificate is verified without it.
func TestCommandsVerifyCertificates(t *testing.T) {
	source := newTLSServer(t, newPatchSource(t))
	out := filepath.Join(t.TempDir(), "backup.zip")
	if code, _, stderr := callCommand(t, "backup", "--server", source.URL, "-o", out); code != 1 ||
		!strings.Contains(stderr, "certificate") {
		t.Errorf("without --ca: got exit code %d, want 1: %s", code, stderr)
	}
	ca := writeCertificate(t, source)
	if code, _, stderr := callCommand(t, "backup", "--server", source.URL, "-o", out, "--ca", ca); code != 0 {
		t.Errorf("with --ca: got exit code %d: %s", code, stderr)
	}
}

// status returns the status of a request with a token.
func status(t *testing.T, p *process, token string) int {
	t.Helper()
	r, err := http.NewRequest("GET", p.url+"/api/v1/token", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	return res.StatusCode
}
