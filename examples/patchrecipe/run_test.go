package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/examples/internal/report"
	"github.com/patchsource/patchsource/patch"
)

var update = flag.Bool("update", false, "write the golden files")

var now = time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)

// call runs the program.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs, now)
	return code, out.String(), errs.String()
}

// A vendor serves release feeds, in a folder of recipes that the test works in.
type vendor struct {
	*httptest.Server
	mu    sync.Mutex
	pages map[string]string
	asked int
}

// newVendor starts a vendor, and makes a new folder the working directory, which has recipes of two applications.
func newVendor(t *testing.T) *vendor {
	t.Helper()
	v := &vendor{pages: map[string]string{}}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.asked++
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "hidden"})
		page, ok := v.pages[r.URL.Path]
		if !ok {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(page))
	}))
	t.Cleanup(v.Close)
	t.Chdir(t.TempDir())
	v.put("/atlas.xml", appcast("2.0.0"))
	v.put("/boreal.txt", "Boreal 1.4 for macOS")
	writeFile(t, "recipes/Atlas.json", v.recipe("Atlas", `{"kind": "sparkle", "url": "`+v.URL+`/atlas.xml"}`))
	writeFile(t, "recipes/Boreal.json", v.recipe("Boreal", `{"kind": "text", "url": "`+v.URL+
		`/boreal.txt?token=hidden", "match": "Boreal (?P<version>[0-9.]+)"}`))
	if err := os.Mkdir("definitions", 0o755); err != nil {
		t.Fatal(err)
	}
	return v
}

// put sets the page at a path.
func (v *vendor) put(path, page string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.pages[path] = page
}

// appcast returns a Sparkle appcast.
func appcast(versions ...string) string {
	var b strings.Builder
	b.WriteString(`<rss xmlns:sparkle="http://www.andymatuschak.org/xml-namespaces/sparkle"><channel>`)
	for i, v := range versions {
		fmt.Fprintf(&b, `<item><pubDate>Mon, %02d Nov 2026 10:00:00 +0000</pubDate>`+
			`<sparkle:version>%d</sparkle:version><sparkle:shortVersionString>%s</sparkle:shortVersionString>`+
			`<enclosure url="https://x.example/%s.zip"/></item>`,
			i+1, i+1, v, v)
	}
	b.WriteString(`</channel></rss>`)
	return b.String()
}

func (v *vendor) recipe(name, feed string) string {
	return fmt.Sprintf("{\n  \"id\": %q,\n  \"name\": %q,\n  \"publisher\": \"Example\",\n"+
		"  \"bundleId\": \"com.example.%s\",\n  \"minimumOperatingSystem\": \"12\",\n  \"feed\": %s\n}\n",
		name, name, strings.ToLower(name), feed)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readText(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// golden compares a text with a file in testdata. The path of the folder is absolute, because tests change the working
// directory.
func golden(t *testing.T, dir, name, got string) {
	t.Helper()
	path := filepath.Join(dir, name)
	if *update {
		writeFile(t, path, got)
	}
	if diff := cmp.Diff(readText(t, path), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func testdata(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// all are the arguments for both recipes.
var all = []string{"--definitions", "definitions", "--allow-private-networks", "recipes"}

// The life of two titles: they are created, get versions, and one gets a version that a person decides about.
func TestApply(t *testing.T) {
	data := testdata(t)
	v := newVendor(t)
	step := func(name string, want int, command string, more ...string) {
		t.Helper()
		code, out, stderr := call(t, append(append([]string{command}, more...), all...)...)
		if code != want || stderr != "" {
			t.Errorf("%s: got exit code %d, want %d: %s", name, code, want, stderr)
		}
		golden(t, data, name+".txt", out)
	}
	step("check-first", 0, "check")
	if names, _ := os.ReadDir("definitions"); len(names) != 0 {
		t.Errorf("check wrote %v", names)
	}
	step("apply-first", 0, "apply")
	golden(t, data, "Boreal-first.json", readText(t, "definitions/Boreal.json"))
	step("apply-again", 0, "apply")

	// People edit the definition: what they added stays, and so does the form of the file.
	text := readText(t, "definitions/Atlas.json")
	text = strings.ReplaceAll(text, "  ", "\t")
	text = strings.Replace(text, "{\n", "{\n\t\"comment\": \"ours\",\n", 1)
	writeFile(t, "definitions/Atlas.json", text)
	v.put("/atlas.xml", appcast("2.0.0", "2.10.0", "2.9.0", "2.11.0b1"))
	v.put("/boreal.txt", "Boreal 2026.2")
	step("check-new", 0, "check")
	if readText(t, "definitions/Atlas.json") != text {
		t.Error("check changed a definition")
	}
	step("check-strict", 1, "check", "--strict")
	step("apply-new", 0, "apply")
	got := readText(t, "definitions/Atlas.json")
	golden(t, data, "Atlas-new.json", got)
	def, err := patch.Parse([]byte(got), nil)
	if err != nil || len(def.Patches) != 3 || def.Patches[0].Version != "2.10.0" || def.Patches[1].Version != "2.9.0" {
		t.Errorf("got %v, %+v; want the versions 2.10.0, 2.9.0 and 2.0.0", err, def)
	}

	step("apply-approve", 0, "apply", "--approve")
	if got := readText(t, "definitions/Boreal.json"); !strings.Contains(got, `"currentVersion": "2026.2"`) {
		t.Errorf("--approve did not add the version: %s", got)
	}

	// A feed that fails, or lists less, changes nothing.
	v.put("/atlas.xml", "<html>maintenance</html>")
	v.put("/boreal.txt", "Boreal 1.4")
	step("apply-broken", 1, "apply")
	if readText(t, "definitions/Atlas.json") != got {
		t.Error("a broken feed changed a definition")
	}
	if left, _ := filepath.Glob("definitions/.*"); len(left) != 0 {
		t.Errorf("temporary files were left behind: %q", left)
	}
}

// Answers that were recorded are read without the vendor, say the same, and have no secrets.
func TestRecord(t *testing.T) {
	v := newVendor(t)
	v.put("/boreal.txt", "Boreal 1.5 caf\xe9")
	code, online, stderr := call(t, append([]string{"check", "--record", "answers"}, all...)...)
	if code != 0 || stderr != "" {
		t.Fatalf("--record: got exit code %d: %s", code, stderr)
	}
	files, err := filepath.Glob("answers/*.json")
	if err != nil || len(files) != 3 {
		t.Fatalf("got the files %q, want two answers and expected.json", files)
	}
	for _, name := range files {
		if strings.Contains(readText(t, name), "hidden") {
			t.Errorf("%s has a secret: %s", name, readText(t, name))
		}
	}
	if got := readText(t, "answers/expected.json"); got != "{\n  \"Atlas\": \"2.0.0\",\n  \"Boreal\": \"1.5\"\n}\n" {
		t.Errorf("expected.json: got %s", got)
	}
	v.Close()
	code, offline, _ := call(t, "check", "--offline", "answers", "--definitions", "definitions", "recipes")
	if code != 0 || offline != online {
		t.Errorf("--offline: got exit code %d, %s\nwant %s", code, offline, online)
	}
	if code, out, _ := call(t, "test", "--offline", "answers", "recipes"); code != 0 ||
		!strings.Contains(out, "the newest version is 1.5 [expected]") {
		t.Errorf("test: got exit code %d: %s", code, out)
	}
	boreal := readText(t, "recipes/Boreal.json")
	for name, c := range map[string]struct{ file, text, want string }{
		"another version":  {"answers/expected.json", `{"Atlas": "2.0.0", "Boreal": "1.6"}`, "is 1.5, want 1.6"},
		"no version":       {"answers/expected.json", `{"Atlas": "2.0.0"}`, "has no version of Boreal"},
		"a rule is broken": {"recipes/Boreal.json", strings.Replace(boreal, "Boreal (", "B (", 1), "/feed"},
		"no answer":        {"recipes/Boreal.json", strings.Replace(boreal, "boreal.txt", "x", 1), "record it"},
	} {
		before := readText(t, c.file)
		writeFile(t, c.file, c.text)
		code, out, _ := call(t, "test", "--offline", "answers", "recipes")
		if code != 1 || !strings.Contains(out, c.want) {
			t.Errorf("%s: got exit code %d, want 1 with %q in it: %s", name, code, c.want, out)
		}
		writeFile(t, c.file, before)
	}
}

func TestFormats(t *testing.T) {
	newVendor(t)
	writeFile(t, "recipes/Broken.json", "{\n  \"id\": \"Broken\",\n  \"feed\": {\n    \"kind\": \"nope\"\n  }\n}\n")
	var results []report.Result
	code, out, _ := call(t, append([]string{"check", "-f", "json"}, all...)...)
	if err := json.Unmarshal([]byte(out), &results); code != 1 || err != nil || len(results) != 3 {
		t.Fatalf("json: got exit code %d, %v: %s", code, err, out)
	}
	if f := results[0].Findings[0]; f.Code != "new" || f.Version != "2.0.0" || f.Line != 7 {
		t.Errorf("json: got %+v, want version 2.0.0 at line 7", f)
	}
	_, out, _ = call(t, append([]string{"check", "-f", "sarif"}, all...)...)
	for _, want := range []string{`"name": "patchrecipe"`, `"ruleId": "invalid"`, `"level": "note"`,
		`"uri": "recipes/Broken.json"`} {
		if !strings.Contains(out, want) {
			t.Errorf("sarif: got %s, want %s in it", out, want)
		}
	}
	_, out, _ = call(t, append([]string{"check", "-f", "github"}, all...)...)
	for _, want := range []string{"::notice file=recipes/Atlas.json,line=7,title=new::/feed: ",
		"::error file=recipes/Broken.json,line=1,title=invalid::"} {
		if !strings.Contains(out, want) {
			t.Errorf("github: got %s, want %s in it", out, want)
		}
	}
}

// The definition of a recipe ID.recipe.json is beside it.
func TestBeside(t *testing.T) {
	v := newVendor(t)
	writeFile(t, "both/Atlas.recipe.json", readText(t, "recipes/Atlas.json"))
	writeFile(t, "both/below/Other.json", "no recipe")
	args := []string{"apply", "--allow-private-networks", "both"}
	if code, out, stderr := call(t, args...); code != 0 || !strings.Contains(out, "both/Atlas.json was created") {
		t.Fatalf("got exit code %d: %s %s", code, out, stderr)
	}
	v.put("/atlas.xml", appcast("2.0.1"))
	if code, out, _ := call(t, args...); code != 0 || !strings.Contains(out, "2.0.1 was added to both/Atlas.json") {
		t.Errorf("got exit code %d: %s", code, out)
	}
}

// Definitions that cannot be used are errors, before a feed is asked.
func TestDefinitionErrors(t *testing.T) {
	v := newVendor(t)
	const atlas, boreal = "definitions/Atlas.json", "definitions/Boreal.json"
	if code, out, _ := call(t, append([]string{"apply"}, all...)...); code != 0 {
		t.Fatalf("got exit code %d: %s", code, out)
	}
	other := strings.TrimPrefix(strings.TrimLeft(readText(t, boreal), "{\n "), "\n")
	for name, c := range map[string]struct{ file, text, path, want string }{
		"invalid":        {atlas, `{"id": "Atlas"}`, "recipes/Atlas.json", atlas + ":1: error: /name: "},
		"of another id":  {atlas, "{\n " + other, "recipes/Atlas.json", atlas + ":2: error: /id: is \"Boreal\""},
		"not JSON":       {atlas, "{\n", "recipes/Atlas.json", atlas + ":2: error: "},
		"the recipe":     {boreal, readText(t, "recipes/Boreal.json"), boreal, "is the recipe itself"},
		"of two recipes": {"recipes/Atlas2.json", readText(t, "recipes/Atlas.json"), "recipes", "that of the recipe"},
	} {
		v.put("/atlas.xml", appcast("2.0.0"))
		writeFile(t, c.file, c.text)
		args := []string{"apply", "--definitions", "definitions", "--allow-private-networks", c.path}
		if code, out, _ := call(t, args...); code != 1 || !strings.Contains(out, c.want) {
			t.Errorf("%s: got exit code %d, want 1 with %q in it: %s", name, code, c.want, out)
		}
		for _, made := range []string{c.file, atlas, boreal} {
			_ = os.Remove(made)
		}
	}
	if code, out, _ := call(t, "apply", "--allow-private-networks", "recipes/Atlas.json"); code != 1 ||
		!strings.Contains(out, "--definitions") {
		t.Errorf("no place for the definition: got exit code %d: %s", code, out)
	}
}

// A version without a date is held forever, because nothing is remembered: it is a warning, and --approve adds it.
func TestHoldWithoutDate(t *testing.T) {
	v := newVendor(t)
	boreal := readText(t, "recipes/Boreal.json")
	boreal = strings.TrimSuffix(boreal, "\n}\n") + ",\n  \"policy\": {\"hold\": \"48h\"}\n}\n"
	writeFile(t, "recipes/Boreal.json", boreal)
	if code, out, _ := call(t, append([]string{"apply"}, all...)...); code != 0 {
		t.Fatalf("got exit code %d: %s", code, out)
	}
	v.put("/boreal.txt", "Boreal 1.5")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"check"}, 0, "recipes/Boreal.json:8: warning: /policy/hold: version 1.5 would wait forever"},
		{[]string{"apply"}, 0, "add it with apply --approve, or remove hold"},
		{[]string{"check", "--strict"}, 1, "error: /policy/hold"},
		{[]string{"apply", "--approve"}, 0, "1.5 was added to definitions/Boreal.json, although the policy"},
		{[]string{"check", "--strict"}, 0, "the title has the newest release, 1.5"},
	} {
		code, out, _ := call(t, append(c.args, all...)...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: got exit code %d, want %d with %q in it: %s", c.args, code, c.code, c.want, out)
		}
	}

	// A version with a date waits for its time only, even with --approve.
	atlas := readText(t, "recipes/Atlas.json")
	atlas = strings.TrimSuffix(atlas, "\n}\n") + ",\n  \"policy\": {\"hold\": \"720h\"}\n}\n"
	writeFile(t, "recipes/Atlas.json", atlas)
	v.put("/atlas.xml", appcast("2.0.0", "2.0.1"))
	code, out, _ := call(t, append([]string{"apply", "--approve"}, all...)...)
	if code != 0 || !strings.Contains(out, "notice: /policy: version 2.0.1 waits") {
		t.Errorf("got exit code %d, want 2.0.1 to wait: %s", code, out)
	}
}

// The name of a recipe's file is its id.
func TestFileName(t *testing.T) {
	newVendor(t)
	writeFile(t, "other/Boreal-old.recipe.json", readText(t, "recipes/Boreal.json"))
	code, out, _ := call(t, "check", "--allow-private-networks", "other", "recipes")
	const want = "other/Boreal-old.recipe.json:2: warning: /id: the file is not named by the id Boreal: rename it to " +
		"Boreal.recipe.json"
	if code != 0 || !strings.Contains(out, want) || !strings.HasSuffix(out, "3 recipes, 0 errors, 1 warning\n") {
		t.Errorf("got exit code %d, want one warning %q: %s", code, want, out)
	}
}

func TestExitCodes(t *testing.T) {
	newVendor(t)
	writeFile(t, "empty/README.md", "")
	writeFile(t, "token", "\n")
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // on stdout, or on stderr with code 2
	}{
		{"help", []string{"--help"}, 0, "Exit codes"},
		{"no arguments", nil, 2, "command"},
		{"no path", []string{"check"}, 2, "path"},
		{"no such command", []string{"update", "recipes"}, 2, "check"},
		{"no such file", []string{"check", "nowhere.json"}, 2, "nowhere.json"},
		{"no such flag", []string{"check", "--token", "x", "recipes"}, 2, "--feed-token HOST=FILE"},
		{"no recipe in the folder", []string{"check", "empty"}, 2, "no recipe"},
		{"no such folder of definitions", []string{"check", "--definitions", "nope", "recipes"}, 2, "--definitions"},
		{"no such folder of answers", []string{"check", "--offline", "nope", "recipes"}, 2, "--offline"},
		{"two folders of answers", []string{"check", "--offline", "a", "--record", "b", "recipes"}, 2, "--offline"},
		{"test needs answers", []string{"test", "recipes"}, 2, "--offline DIR"},
		{"test needs versions", []string{"test", "--offline", "empty", "recipes"}, 2, "expected.json"},
		{"check does not approve", []string{"check", "--approve", "recipes"}, 2, "--approve"},
		{"an empty token", []string{"check", "--feed-token", "github.com=token", "recipes"}, 2, "empty"},
		{"a private network", []string{"check", "recipes"}, 1, "/feed"},
	} {
		code, out, stderr := call(t, c.args...)
		got := out
		if c.code == 2 {
			got = stderr
		}
		if code != c.code || !strings.Contains(got, c.want) {
			t.Errorf("%s: got exit code %d, want %d with %q in it: %s", c.name, code, c.code, c.want, got)
		}
	}
}

// The starter set finds the newest versions in answers of the shapes that its feeds have, one of each kind.
func TestStarterSet(t *testing.T) {
	const answers = "testdata/recipes/answers"
	expected, err := readExpected(answers)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"test", "--offline", answers}
	for id := range expected {
		args = append(args, "../recipes/"+id+".json")
	}
	code, out, stderr := call(t, args...)
	want := fmt.Sprintf("%d recipes, 0 errors, 0 warnings\n", len(expected))
	if code != 0 || !strings.HasSuffix(out, want) {
		t.Errorf("got exit code %d, want 0: %s %s", code, out, stderr)
	}
}
