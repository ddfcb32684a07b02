package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/wire"
)

// tokens returns the tokens that token list writes, by their names.
func (a adminTarget) tokens() map[string]wire.Token {
	a.t.Helper()
	var list wire.TokenList
	if err := json.Unmarshal([]byte(a.must("token list", "--json")), &list); err != nil {
		a.t.Fatal(err)
	}
	all := map[string]wire.Token{}
	for _, token := range list.Tokens {
		all[token.Name] = token
	}
	return all
}

// A token that was created is listed. Standard output has nothing but the token.
func TestTokenCreateAndList(t *testing.T) {
	forTargets(t, func(t *testing.T, target adminTarget) {
		token := target.must("token create", "--name", "build", "--title", "app", "--days", "2")
		if !strings.HasPrefix(token, "pst_") || len(token) != len("pst_")+59 {
			t.Errorf("standard output has %q, want the token alone", token)
		}
		target.must("token create", "--name", "all", "--never-expires")
		target.must("token create", "--name", "admin", "--administrator")
		all := target.tokens()
		build, every := all["build"], all["all"]
		if build.Kind != wire.TitleToken || !slices.Equal(build.Titles, []string{"App"}) || build.Expires == nil ||
			every.Kind != wire.Editor || every.Expires != nil || all["admin"].Kind != wire.Administrator {
			t.Errorf("got the tokens %+v", all)
		}
		table := target.must("token list")
		for _, want := range []string{"NAME", "build", "App", "never", build.ID} {
			if !strings.Contains(table, want) {
				t.Errorf("the list does not have %q: %s", want, table)
			}
		}
	})
}

// A token that was revoked is not listed, and is refused.
func TestRevokedTokenIsRefused(t *testing.T) {
	forTargets(t, func(t *testing.T, target adminTarget) {
		token := target.must("token create", "--name", "build")
		build := target.tokens()["build"]
		kept := target.must("token create", "--name", "kept")
		if code, stdout, stderr := target.call("token revoke", "--yes", build.ID); code != 0 || stdout != "" {
			t.Errorf("revoke: got exit code %d: %s%s", code, stdout, stderr)
		}
		if _, listed := target.tokens()["build"]; listed {
			t.Error("the list has the revoked token")
		}
		if code, _, stderr := target.call("token revoke", "--yes", build.ID); code != 1 ||
			!strings.Contains(stderr, "no valid token") {
			t.Errorf("revoke it again: got exit code %d: %s", code, stderr)
		}
		p := target.serve()
		if got := status(t, p, token); got != 401 {
			t.Errorf("the revoked token: got status %d, want 401", got)
		}
		if got := status(t, p, kept); got != 200 {
			t.Errorf("the other token: got status %d, want 200", got)
		}
	})
}

// A token is written to a file that only its owner can read. A file that exists is not changed, and no token is made.
func TestTokenFileIsNotOverwritten(t *testing.T) {
	forTargets(t, func(t *testing.T, target adminTarget) {
		file := target.file("ci.token")
		if stdout := target.must("token create", "--name", "ci", "-o", file); stdout != "" {
			t.Errorf("standard output has %q", stdout)
		}
		info, err := os.Stat(file)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("the file: got %v, %v, want mode 0600", info, err)
		}
		before, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(before), "pst_") {
			t.Errorf("the file has %q, %v", before, err)
		}
		for _, output := range []string{file, target.dir, target.file("missing/token")} {
			code, stdout, stderr := target.call("token create", "--name", "second", "-o", output)
			if code != 1 || stdout != "" || !strings.Contains(stderr, "--output") {
				t.Errorf("%s: got exit code %d, want 1: %s%s", output, code, stdout, stderr)
			}
		}
		if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
			t.Errorf("the file was changed: %q, %v", after, err)
		}
		if _, made := target.tokens()["second"]; made {
			t.Error("a token was made that could not be written")
		}
		if left, _ := filepath.Glob(target.file(".*.part")); len(left) > 0 {
			t.Errorf("left the files %q", left)
		}
	})
}

// Invalid tokens are refused before anything is called.
func TestTokenCreateRefuses(t *testing.T) {
	forTargets(t, func(t *testing.T, target adminTarget) {
		for _, c := range []struct {
			code int
			want string
			args []string
		}{
			{2, "excludes --title", []string{"--administrator", "--title", "App"}},
			{2, "excludes --never-expires", []string{"--days", "3", "--never-expires"}},
			{2, "from 1 to 365", []string{"--days", "0"}},
			{1, "no title", []string{"--title", "Nope"}},
			{1, "name", []string{"--name", strings.Repeat("x", 101)}},
		} {
			code, stdout, stderr := target.call("token create", c.args...)
			if code != c.code || stdout != "" || !strings.Contains(stderr, c.want) {
				t.Errorf("%q: got exit code %d, want %d with %q: %s%s", c.args, code, c.code, c.want, stdout, stderr)
			}
		}
	})
}

// A revocation needs the answer yes, or --yes where nobody can be asked. The last administrator's token stays.
func TestRevokeAsks(t *testing.T) {
	forTargets(t, func(t *testing.T, target adminTarget) {
		target.must("token create", "--name", "ci")
		id := target.tokens()["ci"].ID
		if code, _, stderr := target.call("token revoke", id); code != 2 || !strings.Contains(stderr, "--yes") {
			t.Errorf("without a terminal: got exit code %d, want 2: %s", code, stderr)
		}
		for _, answer := range []string{"n\n", "\n", ""} {
			code, _, stderr := target.answer(answer, "token revoke", id)
			if code != 1 || !strings.Contains(stderr, `"ci"`) || !strings.Contains(stderr, "nothing was changed") {
				t.Errorf("answer %q: got exit code %d, want 1: %s", answer, code, stderr)
			}
		}
		if code, _, stderr := target.call("token revoke", "--yes", id, "missing"); code != 1 ||
			!strings.Contains(stderr, "nothing was revoked") {
			t.Errorf("with an unknown id: got exit code %d, want 1: %s", code, stderr)
		}
		if _, valid := target.tokens()["ci"]; !valid {
			t.Fatal("the token was revoked without a confirmation")
		}
		if code, _, stderr := target.answer("Y\n", "token revoke", id); code != 0 {
			t.Errorf("answer yes: got exit code %d: %s", code, stderr)
		}
		if _, valid := target.tokens()["ci"]; valid {
			t.Error("the token was not revoked")
		}
		last := target.tokens()[""].ID
		if code, _, stderr := target.call("token revoke", "--yes", last); code != 1 ||
			!strings.Contains(stderr, "--last-administrator") {
			t.Errorf("the last administrator: got exit code %d, want 1: %s", code, stderr)
		}
		target.must("token revoke", "--yes", "--last-administrator", last)
	})
}

// A token in place of its id is refused, and not repeated.
func TestRevokeRefusesTokens(t *testing.T) {
	token := "pst_" + strings.Repeat("A", 59)
	code, stdout, stderr := callCommand(t, "token", "revoke", "--yes", token, "--store", "file:./x")
	if code != 2 || strings.Contains(stdout+stderr, token) || !strings.Contains(stderr, "give its id") {
		t.Errorf("got exit code %d, want 2: %s%s", code, stdout, stderr)
	}
}

// A lost administrator token is replaced with the store of the stopped server. The server keeps the new one.
func TestLostAdministratorToken(t *testing.T) {
	dir := t.TempDir()
	p := start(t, dir)
	lost := p.token()
	p.stop()
	file := filepath.Join(dir, "data.admin-token")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := callCommand(t, "token", "create", "--administrator", "--never-expires", "-o", file,
		"--store", "file:"+filepath.Join(dir, "data"))
	if code != 0 {
		t.Fatalf("got exit code %d: %s", code, stderr)
	}
	token, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	p = start(t, dir)
	if p.token() != strings.TrimSpace(string(token)) || p.token() == lost {
		t.Error("the server replaced the new token")
	}
	if status, body := p.do("GET", "/api/v1/audit", ""); status != 200 || !strings.Contains(body, "token create") {
		t.Errorf("the audit log: got status %d: %s", status, body)
	}
}

// Servers that share a store need not be stopped: they accept a token that is made with their store, and refuse it once
// it is revoked.
func TestTokensOfASharedStore(t *testing.T) {
	name, dir := postgresStore(t)+"tokens", t.TempDir()
	p := start(t, dir, "--store", name, "--secret-file", dir+"/data.secret",
		"--admin-token-file", dir+"/data.admin-token")
	target := adminTarget{t, dir, []string{"--store", name}, p}
	token := target.must("token create", "--name", "ci", "--administrator")
	if got := status(t, p, token); got != 200 {
		t.Errorf("the new token: got status %d", got)
	}
	target.must("token revoke", "--yes", target.tokens()["ci"].ID)
	waitFor(t, "the token is refused", func() bool { return status(t, p, token) == 401 })
}
