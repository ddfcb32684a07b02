package appbundle_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"howett.net/plist"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/appbundle"
	"github.com/patchsource/patchsource/patch/patchtest"
)

var (
	modified = time.Date(2018, 2, 2, 18, 39, 58, 0, time.FixedZone("", 3600))
	now      = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
)

// bundle returns an application with this Info.plist.
func bundle(info []byte) fstest.MapFS {
	return fstest.MapFS{
		".":                   {Mode: fs.ModeDir | 0o755, ModTime: modified},
		"Contents/Info.plist": {Data: info, ModTime: now},
	}
}

// xml returns a property list in XML with some strings, given as keys and values in turn.
func xml(pairs ...string) []byte {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict><key>CFBundleURLTypes</key><array><dict><key>x</key><integer>1</integer></dict></array>`)
	for i := 0; i < len(pairs); i += 2 {
		fmt.Fprintf(&b, "<key>%s</key><string>%s</string>", pairs[i], pairs[i+1])
	}
	b.WriteString("</dict></plist>")
	return []byte(b.String())
}

// binary returns a property list in binary form with some strings, given as keys and values in turn.
func binary(t testing.TB, pairs ...string) []byte {
	t.Helper()
	m := map[string]any{"CFBundleURLTypes": []any{map[string]any{"x": 1}}}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	data, err := plist.Marshal(m, plist.BinaryFormat)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// expected returns a definition as Patch-Starter-Script makes it.
func expected(id, name, publisher, appName, bundleID, version, minimumOS, attributes string) string {
	r := strings.NewReplacer("ID", id, "NAME", name, "PUBLISHER", publisher, "APP", appName, "BUNDLE", bundleID,
		"VERSION", version, "MINOS", minimumOS, "ATTRIBUTES", attributes)
	text := r.Replace(`{"id":"ID","name":"NAME","publisher":"PUBLISHER","appName":"APP","bundleId":"BUNDLE",
		"lastModified":"2026-01-02T03:04:05Z","currentVersion":"VERSION",
		"requirements":[{"name":"Application Bundle @","operator":"is","value":"BUNDLE","type":"recon","and":true}],
		"patches":[{"version":"VERSION","releaseDate":"2018-02-02T17:39:58Z","standalone":true,
			"minimumOperatingSystem":"MINOS","reboot":false,
			"killApps":[{"bundleId":"BUNDLE","appName":"APP"}],
			"components":[{"name":"NAME","version":"VERSION","criteria":[
				{"name":"Application Bundle @","operator":"is","value":"BUNDLE","type":"recon","and":true},
				{"name":"Application Version","operator":"is","value":"VERSION","type":"recon"}]}],
			"capabilities":[{"name":"Operating System Version","operator":"greater than or equal","value":"MINOS",
				"type":"recon"}],
			"dependencies":[]}],
		"extensionAttributes":[ATTRIBUTES]}`)
	return strings.ReplaceAll(text, "@", "ID")
}

func TestNew(t *testing.T) {
	all := []string{
		"CFBundleName", "Some App",
		"CFBundleShortVersionString", "1.2",
		"CFBundleIdentifier", "com.example.some",
		"LSMinimumSystemVersion", "10.9",
	}
	unnamed, identifier := all[2:], all[4:6]
	someApp := expected("SomeApp", "Some App", "Some App", "Some App.app", "com.example.some", "1.2", "10.9", "")
	for _, c := range []struct {
		name string
		info []byte
		file string
		opts appbundle.Options
		want string
	}{
		{"XML", xml(all...), "Some App.app", appbundle.Options{}, someApp},
		{"binary", binary(t, all...), "Some App.app", appbundle.Options{}, someApp},
		{"every option", xml(all...), "Some App.app",
			appbundle.Options{
				Publisher: "Vendor", Name: "Other Name", Version: "2.0", MinimumOS: "11.0",
				Scripts: [][]byte{[]byte("#!/bin/sh\n"), nil},
			},
			expected("OtherName", "Other Name", "Vendor", "Some App.app", "com.example.some", "2.0", "11.0",
				`{"key":"other-name","value":"IyEvYmluL3NoCg==","displayName":"Other Name"},
				{"key":"other-name-2","value":"","displayName":"Other Name"}`)},
		{"no CFBundleName", xml(unnamed...), "Some App.app", appbundle.Options{}, someApp},
		{"missing keys in the options", xml(identifier...), "A.app", appbundle.Options{Version: "3", MinimumOS: "12"},
			expected("A", "A", "A", "A.app", "com.example.some", "3", "12", "")},
		{"unicode name",
			binary(t, append([]string{"CFBundleName", "Café Über & Söhne"}, unnamed...)...), "Café.app",
			appbundle.Options{Publisher: "株式会社"},
			expected("CafeUberSohne", "Café Über & Söhne", "株式会社", "Café.app", "com.example.some", "1.2",
				"10.9", "")},
		{"a byte order mark", append([]byte("\ufeff"), xml(all...)...), "Some App.app", appbundle.Options{}, someApp},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opts.Now = now
			d, err := appbundle.New(bundle(c.info), c.file, &c.opts)
			if err != nil {
				t.Fatal(err)
			}
			out, err := json.Marshal(d)
			if err != nil {
				t.Fatal(err)
			}
			var got, want any
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Lint has no warning about a definition that is made from an application.
func TestNewIsLintClean(t *testing.T) {
	info := xml("CFBundleShortVersionString", "1", "CFBundleIdentifier", "b", "LSMinimumSystemVersion", "10.9")
	d, err := appbundle.New(bundle(info), "A.app", nil)
	if err != nil {
		t.Fatal(err)
	}
	if w := patch.Lint(d, &patch.LintOptions{Now: now}); len(w) != 0 {
		t.Errorf("Lint = %+v, want no warnings", w)
	}
	if d.LastModified != "" {
		t.Errorf("lastModified is %q without Now, want none", d.LastModified)
	}
}

func TestErrors(t *testing.T) {
	version := []string{"CFBundleShortVersionString", "1"}
	identifier := []string{"CFBundleIdentifier", "b"}
	minimum := []string{"LSMinimumSystemVersion", "10.9"}
	all := slices.Concat(version, identifier, minimum)
	unnamed := slices.Concat([]string{"CFBundleName", "株式"}, all)
	wrongType := strings.Replace(string(xml(all...)), "<string>1</string>", "<array/>", 1)
	for _, c := range []struct {
		name string
		info []byte
		err  error
		text string // part of the message
	}{
		{"no identifier", xml(slices.Concat(version, minimum)...), appbundle.ErrMissing, "CFBundleIdentifier"},
		{"no version", xml(slices.Concat(identifier, minimum)...), appbundle.ErrMissing, "CFBundleShortVersionString"},
		{"no minimum OS", xml(slices.Concat(identifier, version)...), appbundle.ErrMissing, "LSMinimumSystemVersion"},
		{"empty", nil, appbundle.ErrPropertyList, ""},
		{"text form", []byte(`{ CFBundleName = "A"; }`), appbundle.ErrPropertyList, "neither XML nor binary"},
		{"truncated binary", binary(t, all...)[:60], appbundle.ErrPropertyList, ""},
		{"truncated XML", xml(all...)[:200], appbundle.ErrPropertyList, ""},
		{"too large", append(xml(), bytes.Repeat([]byte(" "), 1<<20)...), appbundle.ErrPropertyList, "bytes"},
		{"a name without a letter for an id", xml(unnamed...), patch.ErrInvalid, "/id"},
		{"a version of the wrong type", []byte(wrongType), appbundle.ErrPropertyList, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := appbundle.New(bundle(c.info), "A.app", nil)
			if !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("New = %v, want %v with %q", err, c.err, c.text)
			}
		})
	}
	if _, err := appbundle.New(fstest.MapFS{}, "A.app", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("New without Info.plist = %v, want fs.ErrNotExist", err)
	}
	if _, err := appbundle.New(nil, "A.app", nil); !errors.Is(err, appbundle.ErrNoBundle) {
		t.Errorf("New(nil) = %v, want ErrNoBundle", err)
	}
	if _, err := appbundle.Zip(nil, nil); !errors.Is(err, appbundle.ErrNoBundle) {
		t.Errorf("Zip(nil) = %v, want ErrNoBundle", err)
	}
	// These values would take gigabytes if all of them were decoded.
	deep := []byte("<plist><dict><key>x</key>" + strings.Repeat("<array>", 100_000))
	if _, err := appbundle.New(bundle(deep), "A.app", nil); !errors.Is(err, appbundle.ErrPropertyList) {
		t.Errorf("New of deep nesting = %v, want ErrPropertyList", err)
	}
}

// packed returns a zip of empty files, but for Info.plists, whose identifiers are their names.
func packed(t *testing.T, modified time.Time, names ...string) *zip.Reader {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, name := range names {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Modified: modified})
		if err == nil && strings.HasSuffix(name, "Info.plist") {
			_, err = f.Write(xml("CFBundleShortVersionString", "1", "CFBundleIdentifier", name,
				"LSMinimumSystemVersion", "10.9"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestZip(t *testing.T) {
	several := packed(t, modified, "__MACOSX/A.app/Contents/Info.plist", "x/B.app/Contents/Info.plist",
		"x/B.app/Contents/Helpers/A.app/Contents/Info.plist", "x/C.app/Contents/Info.plist")
	d, err := appbundle.Zip(several, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d.ID != "B" || *d.AppName != "B.app" || d.Patches[0].ReleaseDate != "2018-02-02T17:39:58Z" {
		t.Errorf("Zip = %s of %s, released at %s, want B of B.app, 2018-02-02T17:39:58Z", d.ID, *d.AppName,
			d.Patches[0].ReleaseDate)
	}
	undated := packed(t, time.Time{}, "A.app/Contents/Info.plist")
	if d, err := appbundle.Zip(undated, &appbundle.Options{Now: now}); err != nil ||
		d.Patches[0].ReleaseDate != patch.FormatTime(now) {
		t.Errorf("Zip without times = %v, want the release date %v", err, now)
	}
	if _, err := appbundle.Zip(undated, nil); err == nil {
		t.Error("Zip without times and without Now returns no error")
	}
	if _, err := appbundle.Zip(packed(t, modified, "readme.txt"), nil); !errors.Is(err, appbundle.ErrNoBundle) {
		t.Errorf("Zip without an application = %v, want ErrNoBundle", err)
	}
}

func FuzzPropertyList(f *testing.F) {
	f.Add(xml("CFBundleShortVersionString", "1", "CFBundleIdentifier", "b", "LSMinimumSystemVersion", "10.9"))
	f.Add(binary(f, "CFBundleShortVersionString", "1", "CFBundleIdentifier", "b", "LSMinimumSystemVersion", "10.9"))
	f.Add([]byte("<plist><dict>"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var d *patch.Definition
		var err error
		patchtest.Bounded(t, len(data), func() { d, err = appbundle.New(bundle(data), "A.app", nil) })
		if err == nil {
			err = d.Validate()
			if err != nil {
				t.Errorf("New returns an invalid definition: %v", err)
			}
		}
	})
}

func Example() {
	app := fstest.MapFS{
		".": {Mode: fs.ModeDir, ModTime: time.Date(2018, 2, 2, 17, 39, 58, 0, time.UTC)},
		"Contents/Info.plist": {Data: []byte(`<plist version="1.0"><dict>
			<key>CFBundleName</key><string>Some App</string>
			<key>CFBundleIdentifier</key><string>com.example.some</string>
			<key>CFBundleShortVersionString</key><string>1.2</string>
			<key>LSMinimumSystemVersion</key><string>10.13</string>
		</dict></plist>`)},
	}
	d, err := appbundle.New(app, "Some App.app", &appbundle.Options{Publisher: "Example"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.ID, d.CurrentVersion, d.Patches[0].ReleaseDate)
	// Output: SomeApp 1.2 2018-02-02T17:39:58Z
}
