package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/report"
	"github.com/patchsource/patchsource/patch"
)

const lintData = "../../patch/testdata/lint/"

var now = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// call runs the program.
func call(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = run(args, &out, &errs, false, now)
	return code, out.String(), errs.String()
}

func TestExitCodes(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.json")
	if err := os.WriteFile(broken, []byte("{\n \"id\": \"a b\",\n}"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // on stdout, or on stderr with code 2
	}{
		{"clean", []string{lintData + "clean.json"}, 0, "1 files, 0 errors, 0 warnings"},
		{"warnings pass", []string{lintData + "order-swapped.json"}, 0, "/patches/1/version"},
		{"strict", []string{"--strict", lintData + "order-swapped.json"}, 1, "error: /patches/1/version"},
		{"one rule as an error", []string{"--error", "order", lintData + "order-swapped.json"}, 1, "[order]"},
		{"one rule off", []string{"--strict", "--off", "order", lintData + "order-swapped.json"}, 0, "0 warnings"},
		{"no JSON", []string{broken}, 1, ":3: error"},
		{"no definition", []string{lintData + "index.json"}, 1, "must be an object"},
		{
			"a zip", []string{"../../patch/testdata/definitions.zip", "--off=dates"}, 0,
			"150 files, 0 errors, 0 warnings",
		},
		{"rules", []string{"--rules"}, 0, "current-version"},
		{"help", []string{"--help"}, 0, "Exit codes"},
		{"no arguments", nil, 2, "name files"},
		{"no such rule", []string{"--off", "nope", "x"}, 2, "nope"},
		{"no such file", []string{"/nowhere.json"}, 2, "/nowhere.json"},
		{"nothing to check", []string{"."}, 2, "no *.json"},
		{"no such format", []string{"--format", "xml", "x"}, 2, "xml"},
	} {
		code, out, stderr := call(c.args...)
		got := out
		if c.code == 2 {
			got = stderr
		}
		if code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s: got exit code %d, want %d with %q in it: %s", c.name, code, c.code, c.want, got)
		}
	}
}

func TestAFolder(t *testing.T) {
	code, out, stderr := call(lintData)
	if code != 1 || stderr != "" || !strings.Contains(out, "17 files, 1 errors, 15 warnings") {
		t.Errorf("got exit code %d: %s %s", code, out, stderr)
	}
	if !strings.Contains(out, lintData+"regex-broken.json:") {
		t.Errorf("the report does not contain regex-broken.json: %s", out)
	}
}

func TestFormats(t *testing.T) {
	file := lintData + "operator-unknown.json"
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	line := 0 // the line of the operator
	for i, l := range strings.Split(string(data), "\n") {
		if strings.Contains(l, `"operator"`) {
			line = i + 1
			break
		}
	}
	var results []report.Result
	_, out, _ := call("-f", "json", file)
	if err := json.Unmarshal([]byte(out), &results); err != nil || len(results) != 1 || len(results[0].Findings) != 1 {
		t.Fatalf("json: got %v: %s, want one finding", err, out)
	}
	if f := results[0].Findings[0]; f.Line != line || f.Code != "operator" || f.Path != "/requirements/0/operator" ||
		f.Level != "warning" {
		t.Errorf("json: got %+v, want line %d", f, line)
	}
	var log struct {
		Version string
		Runs    []struct {
			Results []struct {
				RuleID    string
				Locations []struct {
					PhysicalLocation struct {
						ArtifactLocation struct{ URI string }
						Region           struct{ StartLine int }
					}
				}
			}
		}
	}
	_, out, _ = call("-f", "sarif", file)
	if err := json.Unmarshal([]byte(out), &log); err != nil || log.Version != "2.1.0" || len(log.Runs[0].Results) != 1 {
		t.Fatalf("sarif: got %v: %s, want one result", err, out)
	}
	r := log.Runs[0].Results[0]
	if at := r.Locations[0].PhysicalLocation; r.RuleID != "operator" || at.Region.StartLine != line ||
		!strings.HasSuffix(at.ArtifactLocation.URI, "operator-unknown.json") {
		t.Errorf("sarif: got %+v, want line %d", r, line)
	}
	_, out, _ = call("-f", "github", file)
	if !strings.HasPrefix(out, "::warning file="+file+",line=") || strings.Count(out, "\n") != 1 {
		t.Errorf("github: got %s", out)
	}
	if _, out, _ := call("-f", "json", lintData+"clean.json"); !strings.Contains(out, `"findings": []`) {
		t.Errorf("json without findings: got %s", out)
	}
}

func TestFix(t *testing.T) {
	dir := t.TempDir()
	original, err := os.ReadFile(lintData + "order-swapped.json")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "d.json")
	if err := os.WriteFile(path, original, 0o640); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := call("--fix", "--strict", path)
	if code != 0 || stderr != "" || !strings.Contains(out, "fixed: /patches/1/version") {
		t.Errorf("--fix: got exit code %d: %s %s", code, out, stderr)
	}
	fixed, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := patch.Parse(fixed, nil)
	if err != nil || len(patch.Lint(d, &patch.LintOptions{Now: now})) != 0 || d.LastModified != patch.FormatTime(now) {
		t.Errorf("the fixed file: %v: %s", err, fixed)
	}
	if strings.Count(string(fixed), "\n") != strings.Count(string(original), "\n") {
		t.Errorf("the fixed file has %d lines, want %d",
			strings.Count(string(fixed), "\n"), strings.Count(string(original), "\n"))
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("the fixed file: got %v, %v, want mode 0640", info, err)
	}
	// Fixing the file again does not change it.
	if code, out, _ := call("--fix", path); code != 0 || !strings.Contains(out, "0 fixed") {
		t.Errorf("--fix again: got exit code %d: %s", code, out)
	}
	if again, _ := os.ReadFile(path); !bytes.Equal(again, fixed) {
		t.Error("a file without warnings was written")
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) != 0 {
		t.Errorf("temporary files were left behind: %q", left)
	}
}

// Fixed warnings are reported at their paths before the fix.
func TestFixedPlaces(t *testing.T) {
	dir := t.TempDir()
	var d map[string]any
	data, err := os.ReadFile(lintData + "order-swapped.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &d); err != nil {
		t.Fatal(err)
	}
	d["name"] = "R&D <x>"
	last := d["patches"].([]any)[1].(map[string]any) // the newest version, which --fix moves to the front
	last["components"].([]any)[0].(map[string]any)["version"] = "bad"
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(d); err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(b.String(), "\n", "\r\n")
	line := strings.Count(text[:strings.Index(text, `"bad"`)], "\n") + 1
	real, link := filepath.Join(dir, "real.json"), filepath.Join(dir, "link.json")
	if err := os.WriteFile(real, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.json", link); err != nil {
		t.Fatal(err)
	}
	_, out, _ := call("--fix", link)
	if want := fmt.Sprintf("link.json:%d: fixed: /patches/1/components/0/version", line); !strings.Contains(out, want) {
		t.Errorf("got %s\nwant %s in it", out, want)
	}
	fixed, err := os.ReadFile(real)
	if err != nil || !bytes.Contains(fixed, []byte("R&D <x>")) ||
		bytes.Count(fixed, []byte("\n")) != bytes.Count(fixed, []byte("\r\n")) ||
		bytes.Contains(fixed, []byte(`"bad"`)) {
		t.Errorf("the fixed file: %v: %s", err, fixed)
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link was replaced (%v)", err)
	}
}

// A name in a definition cannot add a line to the report, which GitHub Actions would take for a command.
func TestNoCommandInTheReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.json")
	if err := os.WriteFile(path, []byte(`{"a\n::error::pwned":"\ud800"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"text", "github"} {
		if _, out, _ := call("-f", format, path); strings.Contains(out, "\n::error::pwned") {
			t.Errorf("%s: the report contains a command: %s", format, out)
		}
	}
}
