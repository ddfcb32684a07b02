//go:build unix

// Package publish tests the scripts that publish titles and versions, with a running server.
package publish_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// start starts a server with its store in dir, and returns its URL and the administrator token.
func start(t *testing.T, dir string) (url, token string) {
	t.Helper()
	store := filepath.Join(dir, "data")
	s := trial.Start(t, exec.Command(trial.Build(t, dir), "--addr", "127.0.0.1:0", "--store", "file:"+store,
		"--log-format", "json", "--no-access-log"))
	return s.URL, s.Token(store + ".admin-token")
}

// post posts a body and returns the status and the body of the answer.
func post(t *testing.T, url, token, body string) (int, string) {
	t.Helper()
	res, text := trial.Call(t, http.DefaultClient, "POST", url, token, strings.NewReader(body))
	return res.StatusCode, text
}

// versions returns the versions of a title, separated by spaces.
func versions(t *testing.T, url, id string) string {
	t.Helper()
	_, text := trial.Call(t, http.DefaultClient, "GET", url+"/jamf/v1/patch/"+id, "", nil)
	var def struct {
		Patches []struct{ Version string }
	}
	if err := json.Unmarshal([]byte(text), &def); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var all []string
	for _, p := range def.Patches {
		all = append(all, p.Version)
	}
	return strings.Join(all, " ")
}

// script returns a command that runs publish.sh.
func script(url, token, stdin string, args ...string) *exec.Cmd {
	cmd := exec.Command("sh", append([]string{"publish.sh"}, args...)...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "LC_ALL=C", "PATCHSOURCE_URL="+url, "PATCHSOURCE_TOKEN="+token)
	return cmd
}

// titleToken makes a token for a title.
func titleToken(t *testing.T, url, token, id string) string {
	t.Helper()
	_, text := post(t, url+"/api/v1/tokens", token, `{"titles_in_scope":["`+id+`"]}`)
	var made struct {
		Token string `json:"api_token"`
	}
	if err := json.Unmarshal([]byte(text), &made); err != nil || made.Token == "" {
		t.Fatalf("make a token: %v: %s", err, text)
	}
	return made.Token
}

func TestScript(t *testing.T) {
	trial.Need(t, "curl", "which the script needs")
	url, token := start(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "a definition.json")
	if err := os.WriteFile(file, []byte(trial.Definition("App", "1.0")), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := script(url+"/", token, "", "title", file).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Title 'App' created") {
		t.Fatalf("%v: %s", err, out)
	}
	own := titleToken(t, url, token, "App")
	warned := strings.Replace(trial.Definition("App", "1.1", "1.0"), `"publisher":"Example"`, `"publisher":""`, 1)
	otherID := strings.Replace(warned, `{"id":"App"`, `{"x":{"id":"Nope"},"id":"App"`, 1)
	changed := trial.Definition("App", "1.1", "1.0")
	fromFile, fromStdin := []string{"title", file}, []string{"title", "-"}
	version := []string{"version", "App", "-"}
	for _, c := range []struct {
		name, stdin, token string
		args               []string
		ok                 bool
		want, versions     string
	}{
		{
			"the title's own token", "", own, fromFile, true,
			"Title 'App' is the same already: nothing was changed", "1.0",
		},
		{
			"a token that cannot create titles", trial.Definition("Other", "1"), own, fromStdin, false,
			"permission denied", "1.0",
		},
		{"a warning", warned, own, fromStdin, true, "the publisher is empty", "1.1 1.0"},
		{"no id", `{"name":"App"}`, token, fromStdin, false, "there is no id", "1.1 1.0"},
		{"another id in front", otherID, own, fromStdin, false, "the server answered", "1.1 1.0"},
		{"the first file again", "", token, fromFile, true, "version 1.1 removed", "1.0"},
		{"a change on standard input", changed, token, fromStdin, true, "Title 'App' updated", "1.1 1.0"},
		{"a version", trial.Version("1.2"), token, version, true, "Version '1.2' added to title 'App'", "1.2 1.1 1.0"},
		{
			"an older version", trial.Version("0.9"), token, version, true,
			"Version '0.9' added to title 'App'", "1.2 1.1 1.0 0.9",
		},
		{
			"the same version", trial.Version("1.2"), token, version, true,
			"Version '1.2' exists already", "1.2 1.1 1.0 0.9",
		},
		{"an invalid version", `{"version":"9"}`, token, version, false, "/releaseDate", "1.2 1.1 1.0 0.9"},
		{
			"another title", trial.Version("9"), token, []string{"version", "Nope", "-"}, false,
			"There is no title 'Nope'.", "1.2 1.1 1.0 0.9",
		},
		{"an invalid token", trial.Version("9"), "pst_wrong", version, false, "unauthorized", "1.2 1.1 1.0 0.9"},
		{"a missing file", "", token, []string{"title", file + "x"}, false, "No such file", "1.2 1.1 1.0 0.9"},
		{"no arguments", "", token, nil, false, "publish.sh title FILE", "1.2 1.1 1.0 0.9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := script(url+"/", c.token, c.stdin, c.args...).CombinedOutput()
			if (err == nil) != c.ok || !strings.Contains(string(out), c.want) ||
				strings.Contains(string(out), c.token) {
				t.Errorf("got %v: %s\nwant success: %v, %q, and no token", err, out, c.ok, c.want)
			}
			if got := versions(t, url, "App"); got != c.versions {
				t.Errorf("the versions are %s, want %s", got, c.versions)
			}
		})
	}
}

// A contributor publishes the same file several times, without their name in it.
func TestScriptOfAContributor(t *testing.T) {
	trial.Need(t, "curl", "which the script needs")
	dir := t.TempDir()
	url, _ := start(t, dir)
	mailed := func(pattern string) string {
		t.Helper()
		var all strings.Builder
		mails, _ := filepath.Glob(filepath.Join(dir, "data.outbox", "*.eml"))
		for _, name := range mails {
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.WriteString(strings.NewReplacer("=\r\n", "", "=3D", "=", "&amp;", "&").Replace(string(data)))
		}
		return regexp.MustCompile(pattern).FindString(all.String())
	}
	post(t, url+"/api/v1/contributors/register", "", `{"name":"macman","email":"mac@example.com"}`)
	trial.Call(t, http.DefaultClient, "GET", url+mailed(`/api/v1/contributors/verify\?[^\s"<]+`), "", nil)
	token := mailed(`pst_[A-Z0-9]{59}`)
	for _, c := range []struct{ body, want, versions string }{
		{trial.Definition("Slack", "1"), "Title 'Slack_macman' created", "1"},
		{trial.Definition("Slack", "1"), "is the same already", "1"},
		{trial.Definition("Slack", "2", "1"), "Title 'Slack_macman' updated", "2 1"},
	} {
		out, err := script(url, token, c.body, "title", "-").CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.want) {
			t.Errorf("got %v: %s\nwant %q", err, out, c.want)
		}
		if got := versions(t, url, "Slack_macman"); got != c.versions {
			t.Errorf("the versions are %s, want %s", got, c.versions)
		}
	}
}

// A script that is stopped by a signal leaves no files behind.
func TestScriptIsStopped(t *testing.T) {
	trial.Need(t, "curl", "which the script needs")
	requested := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(requested)
		select {
		case <-r.Context().Done():
		case <-time.After(20 * time.Second):
		}
	}))
	defer hanging.Close()
	temp := t.TempDir()
	cmd := script(hanging.URL, "pst_secret", trial.Definition("App", "1"), "title", "-")
	cmd.Env = append(cmd.Env, "TMPDIR="+temp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-requested
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("the script succeeded, want a failure")
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("the script left %v", left)
	}
}
