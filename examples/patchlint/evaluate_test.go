package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// write writes a file in a temporary folder.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// example writes a definition.
func example(t *testing.T) string {
	t.Helper()
	d, err := patch.NewDefinition(patch.Application{
		Name: "Example", BundleID: "com.example.app", Version: "2.0", MinimumOS: "10.9", Released: time.Unix(0, 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	d.Complete(now)
	data, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return write(t, "example.json", string(data))
}

const inventoryCSV = "\ufeffComputer Name,Operating System Version,Application Title,Application Bundle ID," +
	"Application Version,Model\r\n" +
	"a,14.1,Example.app,com.example.app,2.0,Mac\r\n" +
	"b,10.8,Other.app,com.example.other,2.0,Mac\r\n" +
	"b,10.8,Example.app,com.example.app,1.0,Mac\r\n" +
	"c,14.1,,,,Mac\r\n"

func TestComputers(t *testing.T) {
	def := example(t)
	const array = `[{"name":"a","os_version":"14.1","applications":[{"bundle_id":"com.example.app","version":"2.0"}]}]`
	for _, c := range []struct {
		name, file string
		code       int
		want       []string // on stdout, or on stderr with code 2
	}{
		{"csv", write(t, "c.csv", inventoryCSV), 0, []string{
			"example.json: a: version 2.0 (latest), eligible",
			"example.json: b: unknown version, not eligible",
			"example.json: c: not installed, eligible",
			"\n    Not installed: ",
		}},
		{"array", write(t, "c.json", array), 0, []string{": a: version 2.0 (latest), eligible"}},
		{"object", write(t, "c.json", `{"title":"x","computers":`+array+`}`), 0, []string{": a: version 2.0 (latest)"}},
		{"empty", write(t, "c.csv", ""), 2, []string{"is empty"}},
		{"other columns", write(t, "c.csv", "Name\nx\n"), 2, []string{`"Computer Name"`}},
		{"column twice", write(t, "c.csv", "Computer Name,A,a\n"), 2, []string{"twice"}},
		{"short row", write(t, "c.csv", "Computer Name,A\nx\n"), 2, []string{"wrong number of fields"}},
		{"no computers", write(t, "c.json", "{}"), 2, []string{`no "computers"`}},
		{"wrong type", write(t, "c.json", `[{"name":1}]`), 2, []string{"name"}},
		{"no file", "/nowhere.csv", 2, []string{"/nowhere.csv"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, got, stderr := call("--computers", c.file, def)
			if c.code == 2 {
				got = stderr
			}
			if code != c.code {
				t.Errorf("got exit code %d, want %d: %s", code, c.code, stderr)
			}
			for _, want := range c.want {
				if !strings.Contains(got, want) {
					t.Errorf("the report lacks %q:\n%s", want, got)
				}
			}
		})
	}
}

func TestComputersAsJSON(t *testing.T) {
	file := write(t, "c.csv", inventoryCSV)
	code, out, stderr := call("--format", "json", "--computers", file, example(t))
	var all []evaluation
	if err := json.Unmarshal([]byte(out), &all); err != nil || code != 0 {
		t.Fatal(code, err, stderr)
	}
	if len(all) != 1 || all[0].Title != "Example" || len(all[0].Computers) != 3 || !all[0].Computers[0].Latest {
		t.Errorf("got %+v", all)
	}
	if code, _, stderr := call("--format", "sarif", "--computers", file, example(t)); code != 2 {
		t.Errorf("as sarif, the exit code is %d: %s", code, stderr)
	}
	if code, _, stderr := call("--computers", file, lintData+"index.json"); code != 2 ||
		!strings.Contains(stderr, "index.json") {
		t.Errorf("without a definition, the exit code is %d: %s", code, stderr)
	}
}

// The columns of an inventory export have the display names of extension attributes, or their keys.
func TestExtensionAttributeColumns(t *testing.T) {
	def := &patch.Definition{ExtensionAttributes: []patch.ExtensionAttribute{{Key: "my-ea", DisplayName: "My EA"}}}
	for _, column := range []string{"My EA", "my-ea"} {
		computers, err := parseInventory(strings.NewReader("Computer Name," + column + "\na,3\nb,\n"))
		if err != nil {
			t.Fatal(err)
		}
		got := withKeys(computers, def)
		if got[0].ExtensionAttributes["my-ea"] != "3" || got[0].Applications != nil {
			t.Errorf("with the column %q, the first computer is %+v", column, got[0])
		}
		if value, ok := got[1].ExtensionAttributes["my-ea"]; !ok || value != "" {
			t.Errorf("with the column %q, the second computer is %+v", column, got[1])
		}
	}
}
