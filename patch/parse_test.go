package patch_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// corpus returns 150 definitions made from real products.
func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	z, err := zip.OpenReader("testdata/definitions.zip")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	all := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if all[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	if len(all) != 150 {
		t.Fatalf("%d definitions in the corpus, want 150", len(all))
	}
	return all
}

// decode reads JSON as encoding/json does, as a second opinion.
func decode(t *testing.T, data []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %.200s", err, data)
	}
	return v
}

func TestCorpusComesBackWhole(t *testing.T) {
	for name, data := range corpus(t) {
		d, err := patch.Parse(data, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		out, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decode(t, data), decode(t, out)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestInvalidCorpus(t *testing.T) {
	data, err := os.ReadFile("testdata/invalid/index.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		File  string
		Paths []string
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 40 {
		t.Fatalf("only %d cases", len(cases))
	}
	for _, c := range cases {
		t.Run(c.File, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata/invalid", c.File))
			if err != nil {
				t.Fatal(err)
			}
			_, err = patch.Parse(data, nil)
			if !errors.Is(err, patch.ErrInvalid) {
				t.Fatalf("Parse: %v, want ErrInvalid", err)
			}
			var got []string
			var ve *patch.ValidationError
			if errors.As(err, &ve) {
				for _, f := range ve.Failures {
					got = append(got, f.Path)
				}
			}
			if len(c.Paths) > 0 && !slices.Equal(got, c.Paths) {
				t.Errorf("failures at %q, want exactly %q", got, c.Paths)
			}
		})
	}
}

// minimal is the smallest definition there is.
const minimal = `{"id":"a","name":"A","publisher":"P","appName":null,"bundleId":null,` +
	`"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],` +
	`"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}],` +
	`"extensionAttributes":[]}`

// edit returns minimal with one piece replaced.
func edit(t *testing.T, old, new string) string {
	t.Helper()
	if strings.Count(minimal, old) == 0 {
		t.Fatalf("%q is not in the definition", old)
	}
	return strings.Replace(minimal, old, new, 1)
}

func TestParseFindsEveryFailureAtOnce(t *testing.T) {
	_, err := patch.Parse([]byte(`{"id":"a b","name":7,"publisher":null,"appName":1,"requirements":{},"patches":[
		{"version":"1","releaseDate":"yesterday","standalone":"yes","reboot":false,"killApps":[1],"components":[{"name":"c","version":"1","criteria":[{"name":"n","operator":"is","value":1,"type":"recon"}]}],"capabilities":[],"dependencies":{}},
		"text",
		{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"","reboot":false,"killApps":[],"components":[],"capabilities":[]}],
		"extensionAttributes":[{"key":"k","value":"*","displayName":"d"}],"lastModified":""}`), &patch.ParseOptions{At: "/definition"})
	var ve *patch.ValidationError
	if !errors.As(err, &ve) {
		t.Fatalf("%v", err)
	}
	var got []string
	for _, f := range ve.Failures {
		got = append(got, f.Path)
		if f.Message == "" {
			t.Errorf("%s: no message", f.Path)
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

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		name, text string
		path       string // of the one failure; "-": a syntax error
	}{
		{"a name twice", edit(t, `"name":"A"`, `"name":"A","name":"A"`), "-"},
		{"an unknown name twice", edit(t, `"name":"A"`, `"name":"A","x":{"y":1,"y":2}`), "-"},
		{"half a surrogate pair", edit(t, `"name":"A"`, `"name":"\ud800"`), "-"},
		{"a trailing comma", edit(t, `null,"req`, `null,,"req`), "-"},
		{"a second value", minimal + "{}", "-"},
		{"a byte order mark", "\ufeff" + minimal, "-"},
		{"65 levels in an unknown member", edit(t, `"name":"A"`, `"name":"A","x":`+strings.Repeat("[", 64)+strings.Repeat("]", 64)), "-"},
		{"a number too many", edit(t, `"name":"A"`, `"name":"A","x":01`), "-"},
		{"id of 256", edit(t, `"id":"a"`, `"id":"`+strings.Repeat("a", 256)+`"`), "/id"},
		{"id .", edit(t, `"id":"a"`, `"id":"."`), "/id"},
		{"unicode id", edit(t, `"id":"a"`, `"id":"ä"`), "/id"},
		{"null version", edit(t, `"version":"1"`, `"version":null`), "/patches/0/version"},
		{"date without zone", edit(t, `58Z`, `58`), "/patches/0/releaseDate"},
		{"date with 25 hours", edit(t, `T17`, `T25`), "/patches/0/releaseDate"},
		{"date with an hour of one digit", edit(t, `T17`, `T7`), "/patches/0/releaseDate"},
		{"null dependencies", edit(t, `"capabilities":[]`, `"capabilities":[],"dependencies":null`), "/patches/0/dependencies"},
		{"a version of 256 bytes", edit(t, `"version":"1"`, `"version":"`+strings.Repeat("1", 256)+`"`), "/patches/0/version"},
		{"a name of 1001 bytes", edit(t, `"name":"A"`, `"name":"`+strings.Repeat("A", 1001)+`"`), "/name"},
		{"lastModified null", edit(t, `"name":"A"`, `"name":"A","lastModified":null`), "/lastModified"},
		{"requirement with null and", edit(t, `"and":true`, `"and":null`), "/requirements/0/and"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := patch.Parse([]byte(c.text), nil)
			if !errors.Is(err, patch.ErrInvalid) {
				t.Fatalf("%v, want ErrInvalid", err)
			}
			var ve *patch.ValidationError
			switch {
			case c.path == "-":
				var se *patch.SyntaxError
				if !errors.As(err, &se) || se.Line < 1 || se.Column < 1 || se.Reason == "" {
					t.Errorf("%#v, want a SyntaxError with a place", err)
				}
			case !errors.As(err, &ve) || len(ve.Failures) != 1 || ve.Failures[0].Path != c.path:
				t.Errorf("%v, want one failure at %s", err, c.path)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"the smallest", minimal},
		{"64 levels", edit(t, `"name":"A"`, `"name":"A","x":`+strings.Repeat("[", 63)+strings.Repeat("]", 63))},
		{"brackets in strings are no levels", edit(t, `"name":"A"`, `"name":"\"`+strings.Repeat("[", 100)+`"`)},
		{"fractions of a second", edit(t, `58Z`, `58.123456Z`)},
		{"an offset", edit(t, `58Z`, `58+01:00`)},
		{"an offset without colon", edit(t, `58Z`, `58-0730`)},
		{"criterion without and", edit(t, `"capabilities":[]`, `"capabilities":[{"name":"n","operator":"is","value":"v","type":"recon"}]`)},
		{"empty publisher", edit(t, `"publisher":"P"`, `"publisher":""`)},
		{"id of 255", edit(t, `"id":"a"`, `"id":"`+strings.Repeat("a", 255)+`"`)},
		{"script with line breaks", edit(t, `"extensionAttributes":[]`, `"extensionAttributes":[{"key":"k","value":"aGVs\nbG8=\n","displayName":"d"}]`)},
		{"white space around", " \n" + minimal + "\t\r\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := patch.Parse([]byte(c.text), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSyntaxErrorSaysWhere(t *testing.T) {
	_, err := patch.Parse(
		[]byte("{\n  \"id\": \"a\",\n  \"patches\": [{\"version\": \"1\", \"version\": \"2\"}]\n}"),
		nil,
	)
	var se *patch.SyntaxError
	if !errors.As(err, &se) {
		t.Fatal(err)
	}
	if se.Line != 3 || se.Pointer != "/patches/0/version" || !strings.Contains(se.Reason, `"version" twice`) {
		t.Errorf("%+v", se)
	}
}

func TestUnknownMembersSurviveAtEveryLevel(t *testing.T) {
	text := `{"id":"a","x0":1,"name":"A","publisher":"P","appName":null,"bundleId":"b","lastModified":"2018-02-02T17:39:58.5+01:00","currentVersion":"0",
		"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":false,"x1":[2.50,-0,1e400]}],
		"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"10.9","reboot":false,
			"killApps":[{"bundleId":"b","appName":"a","x2":null}],
			"components":[{"name":"c","version":"1","criteria":[{"name":"n","operator":"is","value":"v","type":"recon","x3":"\u0041\u2028</script>"}],"x4":{"name":1}}],
			"capabilities":[{"name":"n","operator":"is","value":"v","type":"recon","and":true,"x5":true}],"dependencies":[{"a":[1]}],"x6":""}],
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
		t.Errorf("numbers were rewritten: %s", out)
	}
	if !bytes.HasPrefix(
		out,
		[]byte(
			`{"id":"a","name":"A","publisher":"P","appName":null,"bundleId":"b","lastModified":"2018-02-02T17:39:58.5+01:00","currentVersion":"0","requirements":[{"name":`,
		),
	) ||
		!bytes.HasSuffix(out, []byte(`"x0":1,"lastmodified":"x","":0}`)) {
		t.Errorf("not the canonical order: %s", out)
	}
}

func TestTooLarge(t *testing.T) {
	_, err := patch.Parse([]byte(minimal), &patch.ParseOptions{MaxBytes: len(minimal) - 1})
	if !errors.Is(err, patch.ErrTooLarge) || errors.Is(err, patch.ErrInvalid) {
		t.Errorf("%v, want ErrTooLarge alone", err)
	}
	if _, err := patch.Parse([]byte(minimal), &patch.ParseOptions{MaxBytes: len(minimal)}); err != nil {
		t.Error(err)
	}
}

func TestFailuresAreBounded(t *testing.T) {
	text := edit(t, `"patches":[`, `"patches":[`+strings.Repeat("{},", 100_000))
	_, err := patch.Parse([]byte(text), nil)
	var ve *patch.ValidationError
	if !errors.As(err, &ve) || len(ve.Failures) != patch.MaxFailures || !ve.Truncated {
		t.Errorf("%.200v", err)
	}
	var members strings.Builder
	for i := range 100_001 {
		fmt.Fprintf(&members, `"x%d":0,`, i)
	}
	if _, err := patch.Parse([]byte(edit(t, `"name":"A"`, members.String()+`"name":"A"`)), nil); !errors.Is(
		err,
		patch.ErrInvalid,
	) {
		t.Errorf("unknown members without end: %v", err)
	}
	if n := len(err.Error()); n > 1000 {
		t.Errorf("a message of %d bytes", n)
	}
}

func TestValidateGoMadeDefinitions(t *testing.T) {
	good, err := patch.Parse([]byte(minimal), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		break_ func(*patch.Definition)
		path   string
	}{
		{"invalid UTF-8", func(d *patch.Definition) { d.Publisher = "\xff" }, "/publisher"},
		{"no JSON in Extra", func(d *patch.Definition) { d.Extra = []patch.Field{{Name: "x", Value: json.RawMessage("nope")}} }, "/x"},
		{"nothing in Extra", func(d *patch.Definition) { d.Extra = []patch.Field{{Name: "x"}} }, "/x"},
		{"our own name in Extra", func(d *patch.Definition) { d.Extra = []patch.Field{{Name: "id", Value: json.RawMessage("1")}} }, "/id"},
		{"a name twice in Extra", func(d *patch.Definition) {
			f := patch.Field{Name: "a/b~", Value: json.RawMessage("1")}
			d.Patches[0].Extra = []patch.Field{f, f}
		}, "/patches/0/a~1b~0"},
		{"JSON too deep where it stands", func(d *patch.Definition) {
			d.Patches[0].Extra = []patch.Field{{Name: "x", Value: json.RawMessage(strings.Repeat("[", 62) + strings.Repeat("]", 62))}}
		}, "/patches/0/x"},
		{"dependencies no array", func(d *patch.Definition) { d.Patches[0].Dependencies = json.RawMessage("{}") }, "/patches/0/dependencies"},
		{"nil requirements", func(d *patch.Definition) { d.Requirements = nil }, "/requirements"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := *good
			d.Patches = slices.Clone(good.Patches)
			c.break_(&d)
			err := d.Validate()
			var ve *patch.ValidationError
			if !errors.As(err, &ve) || len(ve.Failures) != 1 || ve.Failures[0].Path != c.path {
				t.Errorf("%v, want one failure at %s", err, c.path)
			}
		})
	}
	if err := good.Validate(); err != nil {
		t.Error(err)
	}
}

func TestUnmarshalJSONWithin(t *testing.T) {
	var box struct {
		D patch.Definition
		P []patch.Patch
	}
	p := minimal[strings.Index(minimal, `"patches":[`)+len(`"patches":`) : strings.Index(minimal, `,"extensionAttributes"`)]
	if err := json.Unmarshal([]byte(`{"D":`+minimal+`,"P":`+p+`}`), &box); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(box)
	if err != nil {
		t.Fatal(err)
	}
	if want := `{"D":` + minimal + `,"P":` + p + `}`; string(out) != want {
		t.Errorf("%s\nwant %s", out, want)
	}
	if err := json.Unmarshal([]byte(`{"D":{}}`), &box); !errors.Is(err, patch.ErrInvalid) {
		t.Errorf("%v, want ErrInvalid", err)
	}
}

// FuzzParse holds what is accepted to its promise: it is valid, it is written,
// and what is written is read to the same value and written the same again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	for name, data := range corpus(f) {
		if len(data) < 8000 {
			f.Add(data)
		}
		_ = name
	}
	invalid, _ := filepath.Glob("testdata/invalid/*.json")
	for _, name := range invalid {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var d *patch.Definition
		var err error
		patchtest.Bounded(t, len(data), func() { d, err = patch.Parse(data, nil) })
		if err != nil {
			if !errors.Is(err, patch.ErrInvalid) && !errors.Is(err, patch.ErrTooLarge) {
				t.Fatalf("an error of no kind: %v", err)
			}
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatalf("accepted, but invalid: %v", err)
		}
		once, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("accepted, but not written: %v", err)
		}
		again, err := patch.Parse(once, nil)
		if err != nil {
			t.Fatalf("written, but refused: %v\n%s", err, once)
		}
		if diff := cmp.Diff(d, again); diff != "" {
			t.Fatalf("another value: %s", diff)
		}
		twice, err := json.Marshal(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("written differently: %v\n%s\n%s", err, once, twice)
		}
		// A second opinion on what is kept: the same JSON, but for the order of members.
		if diff := cmp.Diff(decode(t, data), decode(t, once)); diff != "" {
			t.Fatalf("lost: %s", diff)
		}
	})
}
