//go:build unix

package publish_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/examples/internal/trial"
)

// autopkglib is the part of AutoPkg's library that the processor uses.
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

// An autopkg runs the processor.
type autopkg struct {
	t                               *testing.T
	python, curl, processor, folder string
	url, token                      string
}

// run runs the processor with input variables. It returns the output and the environment afterwards.
func (a *autopkg) run(input map[string]string) (out string, env map[string]any, err error) {
	a.t.Helper()
	all := map[string]string{
		"PATCHSOURCE_URL":   a.url,
		"PATCHSOURCE_TOKEN": a.token,
		"patch_title_id":    "App",
		"CURL_PATH":         a.curl,
	}
	for k, v := range input {
		all[k] = v
	}
	data, err := json.Marshal(all)
	if err != nil {
		a.t.Fatal(err)
	}
	cmd := exec.Command(a.python, a.processor)
	cmd.Dir, cmd.Stdin = a.folder, strings.NewReader(string(data))
	cmd.Env = append(os.Environ(), "NO_PROXY=127.0.0.1", "PYTHONPATH="+a.folder, "PYTHONDONTWRITEBYTECODE=1")
	combined, err := cmd.CombinedOutput()
	env = map[string]any{}
	if data, readErr := os.ReadFile(filepath.Join(a.folder, "env.json")); readErr == nil && err == nil {
		_ = json.Unmarshal(data, &env) // an empty environment fails the test
	}
	return string(combined), env, err
}

// newAutopkg starts a server with a title App 1.0, and returns an autopkg for it.
func newAutopkg(t *testing.T) *autopkg {
	t.Helper()
	a := &autopkg{
		t:      t,
		python: trial.Need(t, "python3", "which runs AutoPkg's processors"),
		curl:   trial.Need(t, "curl", "which the processor needs"),
		folder: t.TempDir(),
	}
	a.url, a.token = start(t, t.TempDir())
	var err error
	if a.processor, err = filepath.Abs("autopkg/PatchSourcePublisher.py"); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(a.folder, "autopkglib.py"), []byte(autopkglib), 0o600); err != nil {
		t.Fatal(err)
	}
	const criterion = `{"name":"Application Version","operator":"is","value":"1.0","type":"recon"}`
	a.create(strings.NewReplacer(
		`"extensionAttributes":[]`, `"extensionAttributes":[{"key":"app-version","displayName":"App version",`+
			`"value":"IyEvYmluL3NoCmVjaG8gIjxyZXN1bHQ+MTwvcmVzdWx0PiI="}]`,
		criterion, criterion+`,{"name":"app-version","operator":"is","value":"1.0","type":"extensionAttribute"}`,
		`"version":"1.0","releaseDate"`, `"version":"1.0","patchId":7,"releaseDate"`,
	).Replace(trial.Definition("App", "1.0")))
	return a
}

// create creates a title.
func (a *autopkg) create(def string) {
	a.t.Helper()
	if status, text := post(a.t, a.url+"/api/v1/title", a.token, def); status != 201 {
		a.t.Fatalf("create a title: got status %d: %s", status, text)
	}
}

// The processor adds a version that is made from the newest one.
func TestAutoPkg(t *testing.T) {
	a := newAutopkg(t)
	out, env, err := a.run(map[string]string{"version": "1.1", "patch_minimum_os": "11.0"})
	if err != nil || env["patch_version_added"] != true || env["patchsource_publisher_summary_result"] == nil {
		t.Fatalf("%v: %s %v", err, out, env)
	}
	if strings.Contains(out, "Warning") {
		t.Errorf("the version has warnings: %s", out)
	}
	_, text := trial.Call(t, http.DefaultClient, "GET", a.url+"/jamf/v1/patch/App", "", nil)
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
		p.Components[0].Version != "1.1" || p.Capabilities[0].Value != "11.0" {
		t.Errorf("got the version %+v", p)
	}
	for i, want := range []string{"com.example.app", "1.1", "1.1"} {
		if c := p.Components[0].Criteria[i]; c.Value != want {
			t.Errorf("the criterion %s has the value %s, want %s", c.Name, c.Value, want)
		}
	}
	// Adding the version again changes nothing.
	if out, env, err = a.run(map[string]string{"version": "1.1"}); err != nil || env["patch_version_added"] != false ||
		!strings.Contains(out, "already") {
		t.Errorf("the same version: got %v: %s %v", err, out, env)
	}
	if got := versions(t, a.url, "App"); got != "1.1 1.0" {
		t.Errorf("the versions are %s, want 1.1 1.0", got)
	}
}

func TestAutoPkgFailures(t *testing.T) {
	a := newAutopkg(t)
	a.create(strings.Replace(trial.Definition("Regex", "10.1.1"),
		`"operator":"is","value":"10.1.1"`, `"operator":"matches regex","value":"^10\\.1\\.1$"`, 1))
	for _, c := range []struct {
		name  string
		input map[string]string
		want  []string // in the output
	}{
		{
			"an invalid version", map[string]string{"version": "1.2", "patch_release_date": "yesterday"},
			[]string{"ProcessorError", "/releaseDate"},
		},
		{
			"an unknown title", map[string]string{"version": "1.2", "patch_title_id": "Nope"},
			[]string{"There is no title 'Nope'."},
		},
		{
			"an unreachable server", map[string]string{"version": "1.2", "PATCHSOURCE_URL": "http://127.0.0.1:1"},
			[]string{"cannot be reached"},
		},
		{
			"no token", map[string]string{"version": "1.2", "PATCHSOURCE_TOKEN": ""},
			[]string{"PATCHSOURCE_TOKEN is not set"},
		},
		{
			"no criterion with the version", map[string]string{"version": "11.0", "patch_title_id": "Regex"},
			[]string{"add this version by hand"},
		},
	} {
		out, _, err := a.run(c.input)
		if err == nil || strings.Contains(out, a.token) {
			t.Errorf("%s: got %v: %s\nwant a failure and no token", c.name, err, out)
		}
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: the output does not contain %q: %s", c.name, want, out)
			}
		}
	}
	if got := versions(t, a.url, "App"); got != "1.0" {
		t.Errorf("the versions are %s, want 1.0", got)
	}
}

// The token is not a declared input: AutoPkg prints those.
func TestAutoPkgTokenIsNotDeclared(t *testing.T) {
	source, err := os.ReadFile("autopkg/PatchSourcePublisher.py")
	if err != nil || strings.Contains(string(source), `"PATCHSOURCE_TOKEN": {`) {
		t.Errorf("the token is a declared input (%v)", err)
	}
}
