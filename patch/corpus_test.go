package patch_test

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// corpus returns 150 definitions of real products, keyed by file name.
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
		t.Fatalf("the corpus has %d definitions, want 150", len(all))
	}
	return all
}

// decode decodes JSON with encoding/json, as a cross-check of Parse.
func decode(t *testing.T, data []byte) (v any) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&v); err != nil {
		t.Fatalf("%v in %.200s", err, data)
	}
	return v
}

func TestCorpusRoundTrip(t *testing.T) {
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
		t.Fatalf("the index has %d cases, want at least 40", len(cases))
	}
	for _, c := range cases {
		t.Run(c.File, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join("testdata/invalid", c.File))
			if err != nil {
				t.Fatal(err)
			}
			_, err = patch.Parse(data, nil)
			if !errors.Is(err, patch.ErrInvalid) {
				t.Fatalf("Parse = %v, want ErrInvalid", err)
			}
			var got []string
			var ve *patch.ValidationError
			if errors.As(err, &ve) {
				for _, f := range ve.Failures {
					got = append(got, f.Path)
				}
			}
			if len(c.Paths) > 0 && !slices.Equal(got, c.Paths) {
				t.Errorf("failures at %q, want %q", got, c.Paths)
			}
		})
	}
}

// FuzzParse checks that a definition that Parse accepts is valid, and is unchanged after it is written and read again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	for _, data := range corpus(f) {
		if len(data) < 8000 {
			f.Add(data)
		}
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
				t.Fatalf("Parse = %v, want ErrInvalid or ErrTooLarge", err)
			}
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatalf("Parse accepts an invalid definition: %v", err)
		}
		once, err := json.Marshal(d)
		if err != nil {
			t.Fatalf("json.Marshal of an accepted definition: %v", err)
		}
		again, err := patch.Parse(once, nil)
		if err != nil {
			t.Fatalf("Parse rejects the marshaled definition: %v\n%s", err, once)
		}
		if diff := cmp.Diff(d, again); diff != "" {
			t.Fatalf("Parse reads a different definition from the marshaled one: %s", diff)
		}
		twice, err := json.Marshal(again)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("json.Marshal writes the same definition differently: %v\n%s\n%s", err, once, twice)
		}
		// As a cross-check, encoding/json sees the same JSON, apart from the order of members.
		if diff := cmp.Diff(decode(t, data), decode(t, once)); diff != "" {
			t.Fatalf("the marshaled definition differs from the original: %s", diff)
		}
	})
}
