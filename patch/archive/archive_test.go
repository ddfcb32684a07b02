package archive_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/patch/patchtest"
)

func definition(id string) string {
	return `{"id":"` + id + `","name":"A","publisher":"P","appName":null,"bundleId":null,"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],"patches":[` +
		`{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}],"extensionAttributes":[]}`
}

// zipped makes a zip of names and contents, in turn.
func zipped(t testing.TB, members ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(members); i += 2 {
		w, err := z.Create(members[i])
		if err == nil {
			_, err = io.WriteString(w, members[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(data []byte, opts *archive.ReadOptions) (ids []string, errs []error) {
	for m, err := range archive.Read(bytes.NewReader(data), int64(len(data)), opts) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ids = append(ids, m.Definition.ID)
	}
	return ids, errs
}

func TestRead(t *testing.T) {
	link := func() []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: "patch_archive/link.json"}
		h.SetMode(fs.ModeSymlink | 0o777)
		w, _ := z.CreateHeader(h)
		_, _ = io.WriteString(w, "/etc/passwd")
		_ = z.Close()
		return b.Bytes()
	}
	for _, c := range []struct {
		name string
		data []byte
		opts *archive.ReadOptions
		ids  string
		errs []string // what they say
		is   error
	}{
		{"Patch Server's layout", zipped(t, "patch_archive/A.json", definition("A"), "patch_archive/B.json", definition("B")), nil, "A B", nil, nil},
		{"at the root", zipped(t, "A.json", definition("A"), "B.JSON", definition("B")), nil, "A B", nil, nil},
		{"with junk", zipped(t, "patch_archive/", "", "patch_archive/A.json", definition("A"), "__MACOSX/", "", "__MACOSX/patch_archive/._A.json", "x", "patch_archive/.DS_Store", "x", "._B.json", "x", "a/__MACOSX/c.json", "{"), nil, "A", nil, nil},
		{"a full backup", zipped(t, "patch_archive/A.json", definition("A"), "patchsource/records.ndjson", "x"), nil, "A", nil, nil},
		{"empty", zipped(t), nil, "", nil, nil},
		{"several bad ones", zipped(t, "a.json", "{}", "B.json", definition("B"), "c.json", "{"), nil, "B", []string{"a.json: ", "c.json: "}, patch.ErrInvalid},
		{"another file", zipped(t, "a.txt", "x"), nil, "", []string{"a.txt: it is no .json file"}, archive.ErrMember},
		{"a name that climbs", zipped(t, "../../etc/a.json", definition("A")), nil, "", []string{"leads elsewhere"}, archive.ErrMember},
		{"an absolute name", zipped(t, "/etc/a.json", definition("A")), nil, "", []string{"leads elsewhere"}, archive.ErrMember},
		{"a name of another system", zipped(t, `..\a.json`, definition("A")), nil, "", []string{"leads elsewhere"}, archive.ErrMember},
		{"a link", link(), nil, "", []string{"it is no file"}, archive.ErrMember},
		{"no zip", []byte("PK, or not"), nil, "", []string{"no zip"}, archive.ErrNoArchive},
		{"nothing", nil, nil, "", []string{"no zip"}, archive.ErrNoArchive},
		{"half of one", zipped(t, "A.json", definition("A"))[:200], nil, "", []string{"no zip"}, archive.ErrNoArchive},
		{"a member that is too large", zipped(t, "A.json", definition("A"), "B.json", definition("B")+strings.Repeat(" ", 1000)), &archive.ReadOptions{MaxBytes: 1000}, "A", []string{"B.json"}, patch.ErrTooLarge},
		{"too many members", zipped(t, "A.json", definition("A"), "B.json", definition("B")), &archive.ReadOptions{MaxMembers: 1}, "", []string{"more than 1 members"}, patch.ErrTooLarge},
		{"too much in all", zipped(t, "A.json", definition("A"), "B.json", definition("B")), &archive.ReadOptions{MaxTotalBytes: 500}, "A", []string{"more than 500 bytes"}, patch.ErrTooLarge},
		{"a bomb", zipped(t, "A.json", strings.Repeat(" ", 40<<20)), nil, "", []string{"A.json"}, patch.ErrTooLarge},
		{"a small bomb", zipped(t, "A.json", strings.Repeat(" ", 9<<20)), nil, "", []string{"compressed too far"}, patch.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			ids, errs := read(c.data, c.opts)
			if strings.Join(ids, " ") != c.ids || len(errs) != len(c.errs) {
				t.Fatalf("%v, %v", ids, errs)
			}
			for i, err := range errs {
				if !strings.Contains(err.Error(), c.errs[i]) || !errors.Is(err, c.is) {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// What other systems' exports lack is mended when that is asked for, and refused
// otherwise.
func TestReadRepairs(t *testing.T) {
	lacking := strings.Replace(definition("A"), `,"extensionAttributes":[]`, "", 1)
	data := zipped(t, "A.json", lacking, "B.json", definition("B"))
	if ids, errs := read(data, nil); !slices.Equal(ids, []string{"B"}) || len(errs) != 1 {
		t.Errorf("%v, %v", ids, errs)
	}
	var codes []string
	opts := &archive.ReadOptions{Repair: true}
	for m, err := range archive.Read(bytes.NewReader(data), int64(len(data)), opts) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Definition.ExtensionAttributes == nil {
			t.Errorf("%s: no extension attributes", m.Name)
		}
		for _, w := range m.Warnings {
			codes = append(codes, m.Name+" "+w.Code)
		}
	}
	if !slices.Equal(codes, []string{"A.json " + patch.CodeMissingAttributes}) {
		t.Errorf("%v", codes)
	}
}

// A member that says that it is small, and is not, is noticed.
func TestALyingMember(t *testing.T) {
	data := zipped(t, "A.json", definition("A")+strings.Repeat("\n", 5000))
	at := bytes.LastIndex(data, []byte("PK\x01\x02")) // its entry in the directory
	for i, b := range []byte{100, 0, 0, 0} {
		data[at+24+i] = b
	}
	if ids, errs := read(data, nil); len(ids) != 0 || len(errs) != 1 {
		t.Errorf("%v, %v", ids, errs)
	}
}

// A directory that says that it is small, and is not, is counted.
func TestALyingDirectory(t *testing.T) {
	var members []string
	for i := range 2000 {
		members = append(members, fmt.Sprintf("%d.json", i), "{}")
	}
	data := zipped(t, members...)
	at := bytes.LastIndex(data, []byte("PK\x05\x06"))
	for i, b := range []byte{1, 0, 1, 0, 46, 0, 0, 0} { // one member, 46 bytes
		data[at+8+i] = b
	}
	ids, errs := read(data, &archive.ReadOptions{MaxMembers: 10})
	if len(ids) != 0 || len(errs) != 1 || !errors.Is(errs[0], patch.ErrTooLarge) {
		t.Errorf("%d members, %v", len(ids), errs)
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	write := func() []byte {
		var b bytes.Buffer
		w := archive.NewWriter(&b)
		for _, id := range []string{"A", "B"} {
			if err := w.Definition(id, []byte(definition(id))); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	data := write()
	if !bytes.Equal(data, write()) {
		t.Error("the same titles make other bytes")
	}
	if ids, errs := read(data, nil); !slices.Equal(ids, []string{"A", "B"}) || errs != nil {
		t.Errorf("%v, %v", ids, errs)
	}
	if err := archive.NewWriter(io.Discard).Definition("../x", nil); err == nil {
		t.Error("an id that leads elsewhere is written")
	}
}

// Whatever comes, reading ends, and what it yields is acceptable.
func FuzzRead(f *testing.F) {
	f.Add(zipped(f, "patch_archive/A.json", definition("A"), "b.json", "{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		opts := &archive.ReadOptions{MaxMembers: 10, MaxBytes: 10_000, MaxTotalBytes: 50_000}
		patchtest.Bounded(t, len(data)+int(opts.MaxTotalBytes), func() {
			n := 0
			for m, err := range archive.Read(bytes.NewReader(data), int64(len(data)), opts) {
				if n++; n > 11 {
					t.Fatal("it has no end")
				}
				if err == nil && m.Definition.Validate() != nil {
					t.Errorf("%s is invalid", m.Name)
				}
			}
		})
	})
}

func Example() {
	var b bytes.Buffer
	w := archive.NewWriter(&b)
	_ = w.Definition("Composer", []byte(definition("Composer")))
	_ = w.Close()

	for m, err := range archive.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), nil) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(m.Name, m.Definition.ID, m.Definition.Patches[0].Version)
	}
	// Output: patch_archive/Composer.json Composer 1
}
