package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/memstore"
)

// An instance is a patchsource server in the role of Title Editor.
type instance struct {
	*httptest.Server
	t        *testing.T
	password string        // a token, in a file
	token    string        // the same
	refuse   atomic.Uint32 // how many requests are answered with 503 from now on
	writes   atomic.Uint32 // requests other than GET, without logins
}

func newInstance(t *testing.T) *instance {
	t.Helper()
	s, err := server.Open(t.Context(), server.Config{Store: memstore.New()})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := s.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.Administrator})
	if err != nil {
		t.Fatal(err)
	}
	i := &instance{t: t, token: token, password: filepath.Join(t.TempDir(), "password")}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v2/") && !strings.Contains(r.URL.Path, "/auth/") {
			if n := i.refuse.Load(); n > 0 && i.refuse.CompareAndSwap(n, n-1) {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			if r.Method != http.MethodGet {
				i.writes.Add(1)
			}
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		i.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := os.WriteFile(i.password, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return i
}

// do makes a call, which must succeed, and returns its answer.
func (i *instance) do(method, path, body string) string {
	i.t.Helper()
	r, err := http.NewRequestWithContext(i.t.Context(), method, i.URL+path, strings.NewReader(body))
	if err != nil {
		i.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+i.token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		i.t.Fatal(err)
	}
	defer answer.Body.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(answer.Body); err != nil || answer.StatusCode >= 300 {
		i.t.Fatalf("%s %s: status %d, error %v: %s", method, path, answer.StatusCode, err, &b)
	}
	return b.String()
}

// patchJSON returns a complete patch of a version. more is put in front of its members.
func patchJSON(version, more string) string {
	return fmt.Sprintf(`{%s"version":%q,"releaseDate":"2026-01-02T03:04:05Z","standalone":true,`+
		`"minimumOperatingSystem":"12","reboot":false,"killApps":[{"bundleId":"com.example.a","appName":"A.app"}],`+
		`"components":[{"name":"A","version":%[2]q,"criteria":[{"name":"Application Bundle ID","operator":"is",`+
		`"value":"com.example.a","type":"recon","and":true},{"name":"Application Version","operator":"is",`+
		`"value":%[2]q,"type":"recon","and":false}]}],"capabilities":[{"name":"Operating System Version",`+
		`"operator":"greater than or equal","value":"12","type":"recon","and":true}]}`, more, version)
}

// titleJSON returns a definition with an extension attribute and some patches.
func titleJSON(id string, patches ...string) string {
	return fmt.Sprintf(`{"id":%q,"name":%[1]q,"publisher":"P","appName":null,"bundleId":"com.example.a",`+
		`"requirements":[{"name":"Application Bundle ID","operator":"is","value":"com.example.a","type":"recon",`+
		`"and":true}],"patches":[%s],"extensionAttributes":[{"key":"k-%[1]s","value":"IyEvYmluL3NoCg==",`+
		`"displayName":"K"}]}`, id, strings.Join(patches, ","))
}

// fill makes a title that is served, with a disabled version; one that is disabled; and a draft.
func fill(i *instance) {
	i.do("POST", "/api/v1/title", titleJSON("App", patchJSON("3", `"enabled":false,`), patchJSON("2", ""),
		patchJSON("1", "")))
	i.do("POST", "/api/v1/title", titleJSON("Off", patchJSON("1", "")))
	i.do("POST", "/api/v1/titles/Off/disable", "")
	i.do("PUT", "/api/v1/titles/Draft/draft", `{"id":"Draft","name":"Draft"}`)
}

// command runs the program.
func command(args ...string) (code int, output string) {
	var out bytes.Buffer
	code = run(context.Background(), args, nil, &out, &out)
	return code, out.String()
}

// withoutTime removes the times of changes from a definition.
func withoutTime(t *testing.T, definition string) string {
	t.Helper()
	var d map[string]any
	if err := json.Unmarshal([]byte(definition), &d); err != nil {
		t.Fatal(err)
	}
	delete(d, "lastModified")
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// checkCopy checks that to has all titles of from.
func checkCopy(t *testing.T, from, to *instance) {
	t.Helper()
	was, is := from.do("GET", "/jamf/v1/patch/App", ""), to.do("GET", "/jamf/v1/patch/App", "")
	if withoutTime(t, was) != withoutTime(t, is) {
		t.Errorf("the title is\n%s\nand was\n%s", is, was)
	}
	if list := to.do("GET", "/jamf/v1/software", ""); strings.Contains(list, "Off") || strings.Contains(list, "Draft") {
		t.Errorf("a disabled title is served: %s", list)
	}
	if whole := to.do("GET", "/api/v1/titles/App?disabled=1", ""); !strings.Contains(whole, `"enabled":false`) {
		t.Errorf("the disabled version is missing: %s", whole)
	}
	for _, id := range []string{"Off", "Draft"} {
		if draft := to.do("GET", "/api/v1/titles/"+id+"/draft", ""); !strings.Contains(draft, `"`+id+`"`) {
			t.Errorf("the draft of %s: %s", id, draft)
		}
	}
}

func TestExportAndImport(t *testing.T) {
	from, to, dir := newInstance(t), newInstance(t), filepath.Join(t.TempDir(), "titles")
	fill(from)
	code, out := command("export", dir, "--from", from.URL, "--from-password-file", from.password)
	if code != 0 || !strings.Contains(out, "3 exported") {
		t.Fatalf("export: %d: %s", code, out)
	}
	code, out = command("import", dir, "--to", to.URL, "--to-password-file", to.password, "--dry-run")
	if code != 0 || !strings.Contains(out, "3 created") || to.writes.Load() != 0 {
		t.Errorf("a dry run: %d: %s", code, out)
	}
	to.refuse.Store(2)
	code, out = command("import", dir, "--to", to.URL, "--to-password-file", to.password)
	if code != 0 || !strings.Contains(out, "3 created") {
		t.Fatalf("import: %d: %s", code, out)
	}
	checkCopy(t, from, to)
}

func TestCopy(t *testing.T) {
	from, to := newInstance(t), newInstance(t)
	fill(from)
	args := []string{
		"copy", "--from", from.URL, "--from-password-file", from.password, "--to", to.URL,
		"--to-password-file", to.password,
	}
	if code, out := command(args...); code != 0 || !strings.Contains(out, "3 created") {
		t.Fatalf("copy: %d: %s", code, out)
	}
	checkCopy(t, from, to)
	writes := to.writes.Load()
	if code, out := command(args...); code != 0 || !strings.Contains(out, "3 unchanged") || to.writes.Load() != writes {
		t.Errorf("again: %d, %d changes: %s", code, to.writes.Load()-writes, out)
	}

	// An interrupted copy: the title is there and not enabled yet.
	to.do("POST", "/api/v1/titles/App/disable", "")
	if code, out := command(args...); code != 0 || !strings.Contains(out, "1 enabled") {
		t.Errorf("after an interruption: %d: %s", code, out)
	}
	checkCopy(t, from, to)

	from.do("POST", "/api/v1/title/App/version", patchJSON("4", ""))
	if code, out := command(args...); code != 1 || !strings.Contains(out, "1 different") {
		t.Errorf("a title that differs: %d: %s", code, out)
	}
	if code, out := command(append(args, "--update")...); code != 0 || !strings.Contains(out, "1 updated") {
		t.Errorf("--update: %d: %s", code, out)
	}
	checkCopy(t, from, to)
}

func TestArguments(t *testing.T) {
	i := newInstance(t)
	wrong := filepath.Join(t.TempDir(), "wrong")
	if err := os.WriteFile(wrong, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, args, output string
		code               int
	}{
		{"help", "--help", "Exit codes", 0},
		{"no instance", "export dir", "--from", 2},
		{"no folder", "export --from " + i.URL + " --from-password-file " + i.password, "folder", 2},
		{"an empty folder", "import " + t.TempDir() + " --to " + i.URL + " --to-password-file " + i.password,
			"no *.json", 2},
		{"no password", "export dir --from " + i.URL, "no password", 2},
		{"a wrong password", "export dir --from " + i.URL + " --from-password-file " + wrong, "log in", 2},
		{"no https", "export dir --from http://example.com --from-password-file " + wrong, "https", 2},
		{"no URL", "export dir --from example.com --from-password-file " + wrong, "is no URL", 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, out := command(strings.Fields(test.args)...)
			if code != test.code || !strings.Contains(out, test.output) {
				t.Errorf("exit code %d, want %d with %q: %s", code, test.code, test.output, out)
			}
			if strings.Contains(out, i.token) {
				t.Errorf("the output has the password: %s", out)
			}
		})
	}
}
