package patch_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
)

// minimal is the smallest valid definition.
const minimal = `{"id":"a","name":"A","publisher":"P","appName":null,"bundleId":null,` +
	`"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],` +
	`"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,` +
	`"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}],` +
	`"extensionAttributes":[]}`

// edit returns minimal with one part replaced.
func edit(t *testing.T, old, new string) string {
	t.Helper()
	if strings.Count(minimal, old) == 0 {
		t.Fatalf("the smallest definition does not contain %q", old)
	}
	return strings.Replace(minimal, old, new, 1)
}

func TestParseFindsEveryFailureAtOnce(t *testing.T) {
	const text = `{"id":"a b","name":7,"publisher":null,"appName":1,"requirements":{},"patches":[
		{"version":"1","releaseDate":"yesterday","standalone":"yes","reboot":false,"killApps":[1],
			"components":[{"name":"c","version":"1","criteria":[
				{"name":"n","operator":"is","value":1,"type":"recon"}]}],
			"capabilities":[],"dependencies":{}},
		"text",
		{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"",
			"reboot":false,"killApps":[],"components":[],"capabilities":[]}],
		"extensionAttributes":[{"key":"k","value":"*","displayName":"d"}],"lastModified":""}`
	_, err := patch.Parse([]byte(text), &patch.ParseOptions{At: "/definition"})
	var ve *patch.ValidationError
	if !errors.As(err, &ve) {
		t.Fatalf("Parse = %v, want a ValidationError", err)
	}
	var got []string
	for _, f := range ve.Failures {
		got = append(got, f.Path)
		if f.Message == "" {
			t.Errorf("the failure at %s has no message", f.Path)
		}
	}
	slices.Sort(got)
	want := []string{
		"/definition/appName",
		"/definition/bundleId",
		"/definition/extensionAttributes/0/value",
		"/definition/id",
		"/definition/lastModified",
		"/definition/name",
		"/definition/patches/0/components/0/criteria/0/value",
		"/definition/patches/0/dependencies",
		"/definition/patches/0/killApps/0",
		"/definition/patches/0/minimumOperatingSystem",
		"/definition/patches/0/releaseDate",
		"/definition/patches/0/standalone",
		"/definition/patches/1",
		"/definition/patches/2/version",
		"/definition/publisher",
		"/definition/requirements",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// nested returns an array with a number of levels.
func nested(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		path       string // of the only failure; "-" for a syntax error
	}{
		{"a duplicate member", edit(t, `"name":"A"`, `"name":"A","name":"A"`), "-"},
		{"a duplicate unknown member", edit(t, `"name":"A"`, `"name":"A","x":{"y":1,"y":2}`), "-"},
		{"half a surrogate pair", edit(t, `"name":"A"`, `"name":"\ud800"`), "-"},
		{"a trailing comma", edit(t, `null,"req`, `null,,"req`), "-"},
		{"a second value", minimal + "{}", "-"},
		{"a byte order mark", "\ufeff" + minimal, "-"},
		{"65 levels in an unknown member", edit(t, `"name":"A"`, `"name":"A","x":`+nested(64)), "-"},
		{"a number with a leading zero", edit(t, `"name":"A"`, `"name":"A","x":01`), "-"},
		{"an id of 256 bytes", edit(t, `"id":"a"`, `"id":"`+strings.Repeat("a", 256)+`"`), "/id"},
		{"the id .", edit(t, `"id":"a"`, `"id":"."`), "/id"},
		{"an id that is not ASCII", edit(t, `"id":"a"`, `"id":"ä"`), "/id"},
		{"a null version", edit(t, `"version":"1"`, `"version":null`), "/patches/0/version"},
		{"a date without zone", edit(t, `58Z`, `58`), "/patches/0/releaseDate"},
		{"a date with 25 hours", edit(t, `T17`, `T25`), "/patches/0/releaseDate"},
		{"a date with an hour of one digit", edit(t, `T17`, `T7`), "/patches/0/releaseDate"},
		{"null dependencies", edit(t, `"capabilities":[]`, `"capabilities":[],"dependencies":null`),
			"/patches/0/dependencies"},
		{"a version of 256 bytes", edit(t, `"version":"1"`, `"version":"`+strings.Repeat("1", 256)+`"`),
			"/patches/0/version"},
		{"a name of 1001 bytes", edit(t, `"name":"A"`, `"name":"`+strings.Repeat("A", 1001)+`"`), "/name"},
		{"a null lastModified", edit(t, `"name":"A"`, `"name":"A","lastModified":null`), "/lastModified"},
		{"a null and in a requirement", edit(t, `"and":true`, `"and":null`), "/requirements/0/and"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := patch.Parse([]byte(c.text), nil)
			if !errors.Is(err, patch.ErrInvalid) {
				t.Fatalf("Parse = %v, want ErrInvalid", err)
			}
			var ve *patch.ValidationError
			switch {
			case c.path == "-":
				var se *patch.SyntaxError
				if !errors.As(err, &se) || se.Line < 1 || se.Column < 1 || se.Reason == "" {
					t.Errorf("Parse = %#v, want a SyntaxError with a place and a reason", err)
				}
			case !errors.As(err, &ve) || len(ve.Failures) != 1 || ve.Failures[0].Path != c.path:
				t.Errorf("Parse = %v, want one failure at %s", err, c.path)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"the smallest definition", minimal},
		{"64 levels", edit(t, `"name":"A"`, `"name":"A","x":`+nested(63))},
		{"brackets in strings", edit(t, `"name":"A"`, `"name":"\"`+strings.Repeat("[", 100)+`"`)},
		{"fractions of a second", edit(t, `58Z`, `58.123456Z`)},
		{"an offset", edit(t, `58Z`, `58+01:00`)},
		{"an offset without colon", edit(t, `58Z`, `58-0730`)},
		{"a criterion without and", edit(t, `"capabilities":[]`,
			`"capabilities":[{"name":"n","operator":"is","value":"v","type":"recon"}]`)},
		{"an empty publisher", edit(t, `"publisher":"P"`, `"publisher":""`)},
		{"an id of 255 bytes", edit(t, `"id":"a"`, `"id":"`+strings.Repeat("a", 255)+`"`)},
		{"a script with line breaks", edit(t, `"extensionAttributes":[]`,
			`"extensionAttributes":[{"key":"k","value":"aGVs\nbG8=\n","displayName":"d"}]`)},
		{"white space around it", " \n" + minimal + "\t\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := patch.Parse([]byte(c.text), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSyntaxErrorHasPlace(t *testing.T) {
	_, err := patch.Parse([]byte(`{
  "id": "a",
  "patches": [{"version": "1", "version": "2"}]
}`), nil)
	var se *patch.SyntaxError
	if !errors.As(err, &se) {
		t.Fatal(err)
	}
	if se.Line != 3 || se.Pointer != "/patches/0/version" || !strings.Contains(se.Reason, `"version" twice`) {
		t.Errorf("Parse = %+v, want line 3, /patches/0/version and the duplicate member", se)
	}
}

func TestUnknownMembersAreKept(t *testing.T) {
	text := `{"id":"a","x0":1,"name":"A","publisher":"P","appName":null,"bundleId":"b",
		"lastModified":"2018-02-02T17:39:58.5+01:00","currentVersion":"0",
		"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":false,"x1":[2.50,-0,1e400]}],
		"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,
			"minimumOperatingSystem":"10.9","reboot":false,
			"killApps":[{"bundleId":"b","appName":"a","x2":null}],
			"components":[{"name":"c","version":"1","criteria":[{"name":"n","operator":"is","value":"v","type":"recon",
				"x3":"\u0041\u2028</script>"}],"x4":{"name":1}}],
			"capabilities":[{"name":"n","operator":"is","value":"v","type":"recon","and":true,"x5":true}],
			"dependencies":[{"a":[1]}],"x6":""}],
		"extensionAttributes":[{"key":"k","value":"","displayName":"d","x7":{}}],"lastmodified":"x","":0}`
	d, err := patch.Parse([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decode(t, []byte(text)), decode(t, out)); diff != "" {
		t.Error(diff)
	}
	if !bytes.Contains(out, []byte("[2.50,-0,1e400]")) {
		t.Errorf("numbers are written differently: %s", out)
	}
	start := `{"id":"a","name":"A","publisher":"P","appName":null,"bundleId":"b",` +
		`"lastModified":"2018-02-02T17:39:58.5+01:00","currentVersion":"0","requirements":[{"name":`
	end := `"x0":1,"lastmodified":"x","":0}`
	if !bytes.HasPrefix(out, []byte(start)) || !bytes.HasSuffix(out, []byte(end)) {
		t.Errorf("the members are not in the canonical order: %s", out)
	}
}

func TestTooLarge(t *testing.T) {
	_, err := patch.Parse([]byte(minimal), &patch.ParseOptions{MaxBytes: len(minimal) - 1})
	if !errors.Is(err, patch.ErrTooLarge) || errors.Is(err, patch.ErrInvalid) {
		t.Errorf("Parse = %v, want ErrTooLarge and not ErrInvalid", err)
	}
	for _, limit := range []int{len(minimal), -1} {
		if _, err := patch.Parse([]byte(minimal), &patch.ParseOptions{MaxBytes: limit}); err != nil {
			t.Errorf("Parse with MaxBytes %d = %v", limit, err)
		}
	}
	large := minimal + strings.Repeat(" ", patch.DefaultMaxBytes)
	if _, err := patch.Parse([]byte(large), nil); !errors.Is(err, patch.ErrTooLarge) {
		t.Errorf("Parse of more than DefaultMaxBytes = %v, want ErrTooLarge", err)
	}
	if _, err := patch.Parse([]byte(large), &patch.ParseOptions{MaxBytes: -1}); err != nil {
		t.Errorf("Parse without a limit = %v", err)
	}
}

func TestUnmarshalJSONWithin(t *testing.T) {
	var box struct {
		D patch.Definition
		P []patch.Patch
	}
	_, p, _ := strings.Cut(minimal, `"patches":`)
	p, _, _ = strings.Cut(p, `,"extensionAttributes"`)
	if err := json.Unmarshal([]byte(`{"D":`+minimal+`,"P":`+p+`}`), &box); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(box)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"D":` + minimal + `,"P":` + p + `}`; string(out) != want {
		t.Errorf("json.Marshal = %s\nwant %s", out, want)
	}
	if err := json.Unmarshal([]byte(`{"D":{}}`), &box); !errors.Is(err, patch.ErrInvalid) {
		t.Errorf("json.Unmarshal of an invalid definition = %v, want ErrInvalid", err)
	}
}
