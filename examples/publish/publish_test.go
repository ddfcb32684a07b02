//go:build unix

// Package publish tests the scripts by which versions are published, against the server.
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

// start runs the server, and returns where it is, and a token.
func start(t *testing.T) (url, token string) {
	t.Helper()
	return startIn(t, t.TempDir())
}

func startIn(t *testing.T, dir string) (url, token string) {
	t.Helper()
	store := filepath.Join(dir, "data")
	s := trial.Start(
		t,
		exec.Command(
			trial.Build(t, dir),
			"--addr",
			"127.0.0.1:0",
			"--store",
			"file:"+store,
			"--log-format",
			"json",
			"--no-access-log",
		),
	)
	return s.URL, s.Token(store + ".admin-token")
}

// versions returns the versions of a title.
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

func TestScript(t *testing.T) {
	trial.Need(t, "curl", "by which the script calls the server")
	url, token := start(t)
	temp := t.TempDir()
	run := func(stdin, token string, args ...string) (string, error) {
		cmd := exec.Command("sh", append([]string{"publish.sh"}, args...)...)
		cmd.Stdin = strings.NewReader(stdin)
		cmd.Env = append(
			os.Environ(),
			"NO_PROXY=127.0.0.1",
			"LC_ALL=C",
			"TMPDIR="+temp,
			"PATCHSOURCE_URL="+url+"/",
			"PATCHSOURCE_TOKEN="+token,
		)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	file := filepath.Join(t.TempDir(), "a definition.json")
	if err := os.WriteFile(file, []byte(trial.Definition("App", "1.0")), 0o600); err != nil {
		t.Fatal(err)
	}
	bound := func() string { // to the title
		t.Helper()
		_, text := trial.Call(
			t,
			http.DefaultClient,
			"POST",
			url+"/api/v1/tokens",
			token,
			strings.NewReader(`{"titles_in_scope":["App"]}`),
		)
		var made struct {
			Token string `json:"api_token"`
		}
		if err := json.Unmarshal([]byte(text), &made); err != nil || made.Token == "" {
			t.Fatalf("%v: %s", err, text)
		}
		return made.Token
	}
	if out, err := run("", token, "title", file); err != nil || !strings.Contains(out, "Title 'App' created") {
		t.Fatalf("%v: %s", err, out)
	}
	own := bound()
	quiet := strings.Replace(trial.Definition("App", "1.1", "1.0"), `"publisher":"Example"`, `"publisher":""`, 1)
	for _, c := range []struct {
		name, stdin, token string
		args               []string
		ok                 bool
		says, versions     string
	}{
		{"the title's own token", "", own, []string{"title", file}, true, "Title 'App' is the same already: nothing was changed", "1.0"},
		{"it may not create others", trial.Definition("Other", "1"), own, []string{"title", "-"}, false, "permission denied", "1.0"},
		{"with a warning", quiet, own, []string{"title", "-"}, true, "the publisher is empty", "1.1 1.0"},
		{"no id", `{"name":"App"}`, token, []string{"title", "-"}, false, "there is no id", "1.1 1.0"},
		{"another id inside", strings.Replace(quiet, `{"id":"App"`, `{"x":{"id":"Nope"},"id":"App"`, 1), own, []string{"title", "-"}, false, "the server answered", "1.1 1.0"},
		{"back again", "", token, []string{"title", file}, true, "version 1.1 removed", "1.0"},
		{"changed, from standard input", trial.Definition("App", "1.1", "1.0"), token, []string{"title", "-"}, true, "Title 'App' updated", "1.1 1.0"},
		{"a version", trial.Version("1.2"), token, []string{"version", "App", "-"}, true, "Version '1.2' added to title 'App'", "1.2 1.1 1.0"},
		{"an older one", trial.Version("0.9"), token, []string{"version", "App", "-"}, true, "Version '0.9' added to title 'App'", "1.2 1.1 1.0 0.9"},
		{"the same version", trial.Version("1.2"), token, []string{"version", "App", "-"}, true, "Version '1.2' exists already", "1.2 1.1 1.0 0.9"},
		{"a broken one", `{"version":"9"}`, token, []string{"version", "App", "-"}, false, "/releaseDate", "1.2 1.1 1.0 0.9"},
		{"another title", trial.Version("9"), token, []string{"version", "Nope", "-"}, false, "There is no title 'Nope'.", "1.2 1.1 1.0 0.9"},
		{"a wrong token", trial.Version("9"), "pst_wrong", []string{"version", "App", "-"}, false, "unauthorized", "1.2 1.1 1.0 0.9"},
		{"no such file", "", token, []string{"title", file + "x"}, false, "No such file", "1.2 1.1 1.0 0.9"},
		{"nothing", "", token, nil, false, "publish.sh title FILE", "1.2 1.1 1.0 0.9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := run(c.stdin, c.token, c.args...)
			if (err == nil) != c.ok || !strings.Contains(out, c.says) || strings.Contains(out, c.token) {
				t.Errorf("%v: %s", err, out)
			}
			if got := versions(t, url, "App"); got != c.versions {
				t.Errorf("the versions are %s", got)
			}
		})
	}
}

// A contributor publishes the same file again and again, without their name in it.
func TestScriptOfAContributor(t *testing.T) {
	trial.Need(t, "curl", "by which the script calls the server")
	dir := t.TempDir()
	url, _ := startIn(t, dir)
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
	trial.Call(
		t,
		http.DefaultClient,
		"POST",
		url+"/api/v1/contributors/register",
		"",
		strings.NewReader(`{"name":"macman","email":"mac@example.com"}`),
	)
	trial.Call(t, http.DefaultClient, "GET", url+mailed(`/api/v1/contributors/verify\?[^\s"<]+`), "", nil)
	token := mailed(`pst_[A-Z0-9]{59}`)
	for _, c := range []struct{ body, says, versions string }{
		{trial.Definition("Slack", "1"), "Title 'Slack_macman' created", "1"},
		{trial.Definition("Slack", "1"), "is the same already", "1"},
		{trial.Definition("Slack", "2", "1"), "Title 'Slack_macman' updated", "2 1"},
	} {
		cmd := exec.Command("sh", "publish.sh", "title", "-")
		cmd.Stdin = strings.NewReader(c.body)
		cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "PATCHSOURCE_URL="+url, "PATCHSOURCE_TOKEN="+token)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), c.says) || versions(t, url, "Slack_macman") != c.versions {
			t.Errorf("%v: %s", err, out)
		}
	}
}

// Stopped by a signal, the script leaves nothing behind.
func TestScriptIsStopped(t *testing.T) {
	trial.Need(t, "curl", "by which the script calls the server")
	asked := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		close(asked)
		select {
		case <-r.Context().Done():
		case <-time.After(20 * time.Second):
		}
	}))
	defer hanging.Close()
	temp := t.TempDir()
	cmd := exec.Command("sh", "publish.sh", "title", "-")
	cmd.Stdin = strings.NewReader(trial.Definition("App", "1"))
	cmd.Env = append(
		os.Environ(),
		"NO_PROXY=127.0.0.1",
		"TMPDIR="+temp,
		"PATCHSOURCE_URL="+hanging.URL,
		"PATCHSOURCE_TOKEN=pst_secret",
	)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Error("it has ended well")
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

// autopkglib is as much of AutoPkg's library as the processor uses.
const autopkglib = `
import json, sys
class ProcessorError(Exception):
    pass
class Processor:
    def __init__(self):
        self.env = {}
    def output(self, message):
        print(message)
    def execute_shell(self):
        self.env = json.load(sys.stdin)
        for name, variable in self.input_variables.items():
            if "default" in variable:
                self.env.setdefault(name, variable["default"])
            if variable["required"] and name not in self.env:
                raise ProcessorError(name + " missing")
        try:
            self.main()
        except ProcessorError as err:
            sys.exit("ProcessorError: %s" % err)
        json.dump(self.env, open("env.json", "w"))
`

func TestAutoPkg(t *testing.T) {
	python := trial.Need(t, "python3", "which AutoPkg's processors run in")
	curl := trial.Need(t, "curl", "by which the processor calls the server")
	url, token := start(t)
	processor, err := filepath.Abs("autopkg/PatchSourcePublisher.py")
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	if err := os.WriteFile(filepath.Join(work, "autopkglib.py"), []byte(autopkglib), 0o600); err != nil {
		t.Fatal(err)
	}
	def := strings.Replace(
		trial.Definition("App", "1.0"),
		`"extensionAttributes":[]`,
		`"extensionAttributes":[{"key":"app-version","displayName":"App version","value":"IyEvYmluL3NoCmVjaG8gIjxyZXN1bHQ+MTwvcmVzdWx0PiI="}]`,
		1,
	)
	def = strings.Replace(
		def,
		`{"name":"Application Version","operator":"is","value":"1.0","type":"recon"}`,
		`{"name":"Application Version","operator":"is","value":"1.0","type":"recon"},{"name":"app-version","operator":"is","value":"1.0","type":"extensionAttribute"}`,
		1,
	)
	def = strings.Replace(def, `"version":"1.0",`, `"version":"1.0","patchId":7,`, 1)
	if res, text := trial.Call(t, http.DefaultClient, "POST", url+"/api/v1/title", token, strings.NewReader(def)); res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	run := func(env map[string]string) (string, map[string]any, error) {
		input := map[string]string{
			"PATCHSOURCE_URL":   url,
			"PATCHSOURCE_TOKEN": token,
			"patch_title_id":    "App",
			"CURL_PATH":         curl,
		}
		for k, v := range env {
			input[k] = v
		}
		data, _ := json.Marshal(input)
		cmd := exec.Command(python, processor)
		cmd.Dir, cmd.Stdin = work, strings.NewReader(string(data))
		cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "PYTHONPATH="+work, "PYTHONDONTWRITEBYTECODE=1")
		out, err := cmd.CombinedOutput()
		after := map[string]any{}
		if data, readErr := os.ReadFile(filepath.Join(work, "env.json")); readErr == nil && err == nil {
			_ = json.Unmarshal(data, &after)
		}
		return string(out), after, err
	}
	out, env, err := run(map[string]string{"version": "1.1", "patch_minimum_os": "11.0"})
	if err != nil || env["patch_version_added"] != true || env["patchsource_publisher_summary_result"] == nil {
		t.Fatalf("%v: %s %v", err, out, env)
	}
	_, text := trial.Call(t, http.DefaultClient, "GET", url+"/jamf/v1/patch/App", "", nil)
	var got struct {
		Patches []struct {
			Version, MinimumOperatingSystem string
			PatchID                         *int
			Components                      []struct {
				Version  string
				Criteria []struct{ Name, Value string }
			}
			Capabilities []struct{ Value string }
		}
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	p := got.Patches[0]
	if p.Version != "1.1" || p.MinimumOperatingSystem != "11.0" || p.PatchID != nil ||
		p.Components[0].Version != "1.1" ||
		p.Capabilities[0].Value != "11.0" {
		t.Errorf("%+v", p)
	}
	for i, want := range []string{"com.example.app", "1.1", "1.1"} {
		if c := p.Components[0].Criteria[i]; c.Value != want {
			t.Errorf("%s is %s", c.Name, c.Value)
		}
	}
	if strings.Contains(out, "Warning") {
		t.Errorf("%s", out)
	}
	// The same again; something that the server refuses; a server that is not there.
	if out, env, err = run(map[string]string{"version": "1.1"}); err != nil || env["patch_version_added"] != false ||
		!strings.Contains(out, "already") {
		t.Errorf("%v: %s %v", err, out, env)
	}
	if out, _, err = run(map[string]string{"version": "1.2", "patch_release_date": "yesterday"}); err == nil ||
		!strings.Contains(out, "ProcessorError") ||
		!strings.Contains(out, "/releaseDate") {
		t.Errorf("%v: %s", err, out)
	}
	if out, _, err = run(map[string]string{"version": "1.2", "patch_title_id": "Nope"}); err == nil ||
		!strings.Contains(out, "There is no title 'Nope'.") {
		t.Errorf("%v: %s", err, out)
	}
	if out, _, err = run(map[string]string{"version": "1.2", "PATCHSOURCE_URL": "http://127.0.0.1:1"}); err == nil ||
		!strings.Contains(out, "cannot be reached") ||
		strings.Contains(out, token) {
		t.Errorf("%v: %s", err, out)
	}
	if out, _, err = run(map[string]string{"version": "1.2", "PATCHSOURCE_TOKEN": ""}); err == nil ||
		!strings.Contains(out, "PATCHSOURCE_TOKEN is not set") {
		t.Errorf("%v: %s", err, out)
	}
	if got := versions(t, url, "App"); got != "1.1 1.0" {
		t.Errorf("the versions are %s", got)
	}
	// A version that nothing would tell from the one before.
	regex := strings.Replace(
		trial.Definition("Regex", "10.1.1"),
		`"operator":"is","value":"10.1.1"`,
		`"operator":"matches regex","value":"^10\\.1\\.1$"`,
		1,
	)
	if res, text := trial.Call(t, http.DefaultClient, "POST", url+"/api/v1/title", token, strings.NewReader(regex)); res.StatusCode != 201 {
		t.Fatalf("%d %s", res.StatusCode, text)
	}
	if out, _, err = run(map[string]string{"version": "11.0", "patch_title_id": "Regex"}); err == nil ||
		!strings.Contains(out, "add this version by hand") {
		t.Errorf("%v: %s", err, out)
	}
	// The token is nowhere where AutoPkg would print it.
	source, err := os.ReadFile(processor)
	if err != nil || strings.Contains(string(source), `"PATCHSOURCE_TOKEN": {`) {
		t.Errorf("%v: the token is a declared input", err)
	}
}
