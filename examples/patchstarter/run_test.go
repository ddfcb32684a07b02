package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

const plist = `<plist version="1.0"><dict>
	<key>CFBundleName</key><string>Some App</string>
	<key>CFBundleIdentifier</key><string>com.example.some</string>
	<key>CFBundleShortVersionString</key><string>1.2</string>
	<key>LSMinimumSystemVersion</key><string>10.13</string>
</dict></plist>`

// application writes a bundle with an Info.plist and returns its path.
func application(t *testing.T, info string) string {
	t.Helper()
	app := filepath.Join(t.TempDir(), "Some App.app")
	if err := os.MkdirAll(filepath.Join(app, "Contents"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(app, "Contents", "Info.plist"), []byte(info), 0o644); err != nil {
		t.Fatal(err)
	}
	at := time.Date(2018, 2, 2, 17, 39, 58, 0, time.UTC)
	if err := os.Chtimes(app, at, at); err != nil {
		t.Fatal(err)
	}
	return app
}

// call runs the program. If stdin is not empty, it is the input at a terminal.
func call(t *testing.T, stdin string, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, environment{
		getenv:   func(name string) string { return env[name] },
		stdin:    strings.NewReader(stdin),
		stdout:   &out,
		stderr:   &errs,
		terminal: stdin != "",
	})
	return code, out.String(), errs.String()
}

func TestDefinition(t *testing.T) {
	app := application(t, plist)
	code, out, stderr := call(t, "", nil, app+"/", "-p", "Vendor")
	if code != 0 || stderr != "" || !strings.HasPrefix(out, "{\n    \"id\": \"SomeApp\",\n") {
		t.Fatalf("got exit code %d, %q\n%s", code, stderr, out)
	}
	d, err := patch.Parse([]byte(out), nil)
	if err != nil || d.Publisher != "Vendor" || *d.AppName != "Some App.app" ||
		d.Patches[0].ReleaseDate != "2018-02-02T17:39:58Z" ||
		d.LastModified == "" {
		t.Errorf("got the definition %+v, %v", d, err)
	}
}

func TestEveryFlag(t *testing.T) {
	app := application(t, plist)
	script := filepath.Join(t.TempDir(), "ea.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho '<result>1</result>'\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{
			"-p", "Vendor", "-n", "Other Name", "-e", script, "-e", script,
			"--app-version", "2.0", "--min-sys-version", "11.0", app,
		},
		{
			app, "--publisher", "Vendor", "--name=Other Name", "--extension-attribute", script,
			"--extension-attribute=" + script, "--app-version=2.0", "--min-sys-version=11.0",
		},
	} {
		code, out, stderr := call(t, "", nil, args...)
		d, err := patch.Parse([]byte(out), nil)
		if code != 0 || stderr != "" || err != nil {
			t.Fatalf("got exit code %d, %q, %v", code, stderr, err)
		}
		if d.ID != "OtherName" || d.Publisher != "Vendor" || d.CurrentVersion != "2.0" ||
			d.Patches[0].MinimumOperatingSystem != "11.0" || len(d.ExtensionAttributes) != 2 ||
			d.ExtensionAttributes[0].Key != "other-name" {
			t.Errorf("got the definition %+v", d)
		}
	}
}

func TestOutput(t *testing.T) {
	app, dir := application(t, plist), t.TempDir()
	for _, c := range []struct {
		flag, file string
		parse      func([]byte) error
	}{
		{"--output=" + dir, "SomeApp.json", func(b []byte) error { _, err := patch.Parse(b, nil); return err }},
		{"--patch-only", "SomeApp-patch.json", func(b []byte) error { _, err := patch.ParsePatch(b, nil); return err }},
	} {
		if code, out, stderr := call(t, "", nil, app, c.flag, "-o", dir); code != 0 || out != "" || stderr != "" {
			t.Errorf("%s: got exit code %d, %q, %q", c.flag, code, out, stderr)
		}
		data, err := os.ReadFile(filepath.Join(dir, c.file))
		if err != nil || c.parse(data) != nil {
			t.Errorf("%s: got %v: %s", c.file, err, data)
		}
	}
}

func TestMissing(t *testing.T) {
	bare := application(t, `<plist><dict><key>CFBundleIdentifier</key><string>b</string></dict></plist>`)
	for _, c := range []struct {
		name, typed      string
		code             int
		version, minimum string
	}{
		{"answers", "3.1\n11\n", 0, "3.1", "11"},
		{"the default of the minimum", "3.1\n\n", 0, "3.1", "10.9"},
		{"no default of the version", "\n", 1, "", ""},
		{"no terminal", "", 1, "", ""},
		{"the end of the input", "3.1", 1, "", ""},
	} {
		code, out, stderr := call(t, c.typed, nil, bare, "--patch-only")
		if code != c.code || c.typed == "" && !strings.Contains(stderr, "--app-version") ||
			code == 1 && !strings.HasPrefix(stderr[strings.LastIndex(stderr, "ERROR"):], "ERROR: ") {
			t.Errorf("%s: got exit code %d, want %d: %q", c.name, code, c.code, stderr)
		}
		if c.code == 0 {
			if p, err := patch.ParsePatch([]byte(out), nil); err != nil || p.Version != c.version ||
				p.MinimumOperatingSystem != c.minimum {
				t.Errorf("%s: got %v: %s", c.name, err, out)
			}
		}
	}
}

func TestExitCodes(t *testing.T) {
	app := application(t, plist)
	for _, c := range []struct {
		name string
		args []string
		code int
		want string // in the error
	}{
		{"help", []string{"--help"}, 0, ""},
		{"no arguments", nil, 2, "path"},
		{"unknown flag", []string{app, "--nope"}, 2, "--nope"},
		{"no application", []string{"/nowhere/A.app"}, 1, "ERROR: "},
		{"a folder without Info.plist", []string{t.TempDir()}, 1, "Info.plist"},
		{"no script", []string{app, "-e", "/nowhere"}, 1, "ERROR: "},
		{"no folder", []string{app, "-o", "/nowhere"}, 1, "ERROR: "},
		{"no token", []string{app, "--url", "http://127.0.0.1:1"}, 1, "PATCHSOURCE_TOKEN"},
		{"an invalid URL", []string{app, "--url", "patches", "--token", "t"}, 1, "--url"},
		{"an unreachable server", []string{app, "--url", "http://127.0.0.1:1", "--token", "t"}, 1, "ERROR: "},
		{"--output with --url", []string{app, "--url", "http://127.0.0.1:1", "-o", "."}, 2, "--output"},
		{"--title without --patch-only", []string{app, "--title", "x"}, 2, "--patch-only"},
	} {
		code, out, stderr := call(t, "", nil, c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) || code != 0 && out != "" {
			t.Errorf("%s: got exit code %d, want %d with %q in %q; output: %q",
				c.name, code, c.code, c.want, stderr, out)
		}
	}
}

func TestZip(t *testing.T) {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("Some App.app/Contents/Info.plist")
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(f, plist)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "app.zip")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out, stderr := call(t, "", nil, path); code != 0 || !strings.Contains(out, `"id": "SomeApp"`) {
		t.Errorf("got exit code %d: %s %s", code, out, stderr)
	}
}

// Warnings about the definition and its scripts are written to stderr, and stdout contains only JSON.
func TestLint(t *testing.T) {
	script := filepath.Join(t.TempDir(), "ea.sh")
	if err := os.WriteFile(script, []byte("echo 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := call(t, "", nil, application(t, plist), "-e", script)
	if code != 0 || !json.Valid([]byte(out)) || strings.Count(stderr, "warning: /extensionAttributes/0/value") != 2 {
		t.Errorf("got exit code %d, %q", code, stderr)
	}
}

// The definition is posted to a patch source under a prefix, and the message of the answer is printed.
func TestPost(t *testing.T) {
	s := memstore.New()
	cat, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer cat.Close()
	tokens, err := auth.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := tokens.Issue(t.Context(), auth.Grant{Kind: auth.Administrator})
	if err != nil {
		t.Fatal(err)
	}
	source, err := httpapi.New(cat, &httpapi.Options{Tokens: tokens})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.StripPrefix("/patch", source))
	defer server.Close()
	app := application(t, plist)
	env := map[string]string{"PATCHSOURCE_TOKEN": token}
	if code, out, stderr := call(t, "", env, app, "--url", server.URL+"/patch/"); code != 0 ||
		out != "Title 'SomeApp' created\n" {
		t.Fatalf("got exit code %d, %q, %q", code, out, stderr)
	}
	if code, out, stderr := call(t, "", nil, app, "--url", server.URL+"/patch", "--token", token, "--patch-only",
		"--app-version", "1.3"); code != 0 || out != "Version '1.3' added to title 'SomeApp'\n" {
		t.Fatalf("got exit code %d, %q, %q", code, out, stderr)
	}
	// An older version does not become the current version.
	code, out, stderr := call(t, "", env, app, "--url", server.URL+"/patch", "--patch-only", "--app-version", "1.1")
	if code != 0 || out != "Version '1.1' added to title 'SomeApp'\n" {
		t.Fatalf("got exit code %d, %q, %q", code, out, stderr)
	}
	if code, _, stderr := call(t, "", env, app, "--url", server.URL+"/patch"); code != 1 ||
		!strings.Contains(stderr, "409") ||
		!strings.Contains(stderr, "already") {
		t.Errorf("got exit code %d, %q", code, stderr)
	}
	if code, _, stderr := call(t, "", env, app, "--url", server.URL+"/patch", "--patch-only",
		"--title", "Other_One"); code != 1 || !strings.Contains(stderr, "Other_One") {
		t.Errorf("got exit code %d, %q", code, stderr)
	}
	title, err := cat.Title("SomeApp")
	if err != nil || title.CurrentVersion != "1.3" {
		t.Errorf("got %+v, %v, want version 1.3", title, err)
	}
}
