//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/oasdiff/yaml3"
)

// TestMain runs the program instead of the tests if a test asks for it.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_PATCHRECIPE") != "" {
		main()
	}
	os.Exit(m.Run())
}

// workflowScript returns the script of the last step of the workflow.
func workflowScript(t *testing.T) string {
	t.Helper()
	var workflow struct {
		Permissions map[string]string
		Jobs        map[string]struct {
			Steps []struct {
				Run string
				Env map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(readText(t, "github-actions.yml")), &workflow); err != nil {
		t.Fatal(err)
	}
	steps := workflow.Jobs["apply"].Steps
	if len(steps) == 0 || steps[len(steps)-1].Run == "" || steps[len(steps)-1].Env["GH_TOKEN"] == "" {
		t.Fatalf("got %+v, want a job apply whose last step is a script with GH_TOKEN", workflow)
	}
	if workflow.Permissions["pull-requests"] != "write" || workflow.Permissions["contents"] != "write" {
		t.Errorf("the permissions are %v", workflow.Permissions)
	}
	return steps[len(steps)-1].Run
}

// A checkout is a clone of a repository with recipes, in which the workflow runs.
type checkout struct {
	t        *testing.T
	dir      string // has the programs that the script calls, and what it leaves
	script   string
	requests string // file of the pull requests that were opened
}

// newCheckout makes the working directory a clone.
func newCheckout(t *testing.T, script string) *checkout {
	t.Helper()
	for _, name := range []string{"bash", "git", "jq"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("%s is not installed", name)
		}
	}
	c := &checkout{t: t, dir: t.TempDir(), script: script}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c.requests = filepath.Join(c.dir, "requests")
	for name, text := range map[string]string{
		"patchrecipe": "#!/bin/sh\nTEST_PATCHRECIPE=1 exec '" + program + "' \"$@\" --allow-private-networks\n",
		"gh":          "#!/bin/sh\necho \"$8:\" \"$(cat \"${10}\")\" >>'" + c.requests + "'\n",
	} {
		writeFile(t, filepath.Join(c.dir, name), text)
		if err := os.Chmod(filepath.Join(c.dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	origin := filepath.Join(c.dir, "origin.git")
	c.run("git", "init", "--quiet", "--bare", "--initial-branch=main", origin)
	c.run("git", "init", "--quiet", "--initial-branch=main")
	c.run("git", "add", ".")
	c.run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "--quiet", "--message", "Begin")
	c.run("git", "remote", "add", "origin", origin)
	c.run("git", "push", "--quiet", "origin", "main")
	return c
}

// run runs a command and returns its output.
func (c *checkout) run(name string, args ...string) string {
	c.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "PATH="+c.dir+":"+os.Getenv("PATH"), "RUNNER_TEMP="+c.dir, "GH_TOKEN=secret",
		"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null")
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// clean removes the changes of the run before.
func (c *checkout) clean() {
	c.t.Helper()
	c.run("git", "clean", "--quiet", "--force", "-d")
	c.run("git", "checkout", "--quiet", ".")
}

// apply runs the script in a fresh clone and returns its output.
func (c *checkout) apply() string {
	c.t.Helper()
	c.clean()
	return c.run("bash", "-e", "-c", c.script)
}

// The workflow opens a pull request for each title with a new version, once, whether or not other feeds fail.
func TestWorkflow(t *testing.T) {
	script := workflowScript(t)
	v := newVendor(t)
	writeFile(t, "definitions/README.md", "Our definitions.\n")
	c := newCheckout(t, script)
	v.put("/boreal.txt", "nothing")
	out := c.apply()
	if !strings.Contains(out, "::warning file=recipes/Boreal.json,line=7::") {
		t.Errorf("the feed that failed is not reported: %s", out)
	}
	v.put("/boreal.txt", "Boreal 1.4")
	c.apply()
	c.apply()
	want := "Atlas 2.0.0: - definitions/Atlas.json was created with version 2.0.0\n" +
		"Boreal 1.4: - definitions/Boreal.json was created with version 1.4\n"
	if got := readText(t, c.requests); got != want {
		t.Errorf("pull requests: got %s\nwant %s", got, want)
	}

	// Once the pull requests are merged, the next version has one of its own, which says what a person decides about.
	c.clean()
	c.run("git", "merge", "--quiet", "--no-edit", "origin/patchrecipe/Atlas-2.0.0")
	c.run("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "merge", "--quiet", "--no-edit",
		"origin/patchrecipe/Boreal-1.4")
	v.put("/boreal.txt", "Boreal 2026.1")
	c.apply()
	got := strings.TrimPrefix(readText(t, c.requests), want)
	if !strings.HasPrefix(got, "Boreal 2026.1: - version 2026.1 was added") ||
		!strings.Contains(got, "a person has to") || strings.Count(got, "\n") != 1 {
		t.Errorf("pull requests after the merge: got %s", got)
	}
	diff := c.run("git", "diff", "--stat", "main", "origin/patchrecipe/Boreal-2026.1")
	if !strings.Contains(diff, "1 file changed") {
		t.Errorf("the pull request changes more than one file: %s", diff)
	}
	if _, err := os.Stat(filepath.Join(c.dir, "token")); err == nil {
		t.Error("the token was left in a file")
	}
}
