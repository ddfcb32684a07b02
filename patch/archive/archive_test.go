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
	return `{"id":"` + id + `","name":"A","publisher":"P","appName":null,"bundleId":null,` +
		`"requirements":[{"name":"n","operator":"is","value":"v","type":"recon","and":true}],` +
		`"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,` +
		`"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}],` +
		`"extensionAttributes":[]}`
}

// zipped returns a zip of members, given as names and contents in turn.
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

// read returns the ids of the definitions of an archive, and the errors.
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
	limits := func(o archive.ReadOptions) *archive.ReadOptions { return &o }
	two := zipped(t, "A.json", definition("A"), "B.json", definition("B"))
	junk := zipped(t, "patch_archive/", "", "patch_archive/A.json", definition("A"), "__MACOSX/", "",
		"__MACOSX/patch_archive/._A.json", "x", "patch_archive/.DS_Store", "x", "._B.json", "x",
		"a/__MACOSX/c.json", "{")
	long := zipped(t, "A.json", definition("A"), "B.json", definition("B")+strings.Repeat(" ", 1000))
	for _, c := range []struct {
		name   string
		data   []byte
		opts   *archive.ReadOptions
		ids    string
		errs   []string // parts of the messages
		target error
	}{
		{"Patch Server's layout",
			zipped(t, "patch_archive/A.json", definition("A"), "patch_archive/B.json", definition("B")),
			nil, "A B", nil, nil},
		{"at the root", zipped(t, "A.json", definition("A"), "B.JSON", definition("B")), nil, "A B", nil, nil},
		{"with junk", junk, nil, "A", nil, nil},
		{"a full backup", zipped(t, "patch_archive/A.json", definition("A"), "patchsource/records.ndjson", "x"),
			nil, "A", nil, nil},
		{"empty", zipped(t), nil, "", nil, nil},
		{"several invalid members", zipped(t, "a.json", "{}", "B.json", definition("B"), "c.json", "{"),
			nil, "B", []string{"a.json: ", "c.json: "}, patch.ErrInvalid},
		{"another file", zipped(t, "a.txt", "x"),
			nil, "", []string{"a.txt: it is not a .json file"}, archive.ErrMember},
		{"a name that leads up", zipped(t, "../../etc/a.json", definition("A")),
			nil, "", []string{"leads out"}, archive.ErrMember},
		{"an absolute name", zipped(t, "/etc/a.json", definition("A")),
			nil, "", []string{"leads out"}, archive.ErrMember},
		{"a name of Windows", zipped(t, `..\a.json`, definition("A")),
			nil, "", []string{"leads out"}, archive.ErrMember},
		{"a link", link(), nil, "", []string{"not a regular file"}, archive.ErrMember},
		{"not a zip", []byte("PK, or not"), nil, "", []string{"not a zip"}, archive.ErrNoArchive},
		{"nothing", nil, nil, "", []string{"not a zip"}, archive.ErrNoArchive},
		{"half of a zip", zipped(t, "A.json", definition("A"))[:200],
			nil, "", []string{"not a zip"}, archive.ErrNoArchive},
		{"a member that is too large", long, limits(archive.ReadOptions{MaxBytes: 1000}),
			"A", []string{"B.json"}, patch.ErrTooLarge},
		{"too many members", two, limits(archive.ReadOptions{MaxMembers: 1}),
			"", []string{"more than 1 members"}, patch.ErrTooLarge},
		{"too many bytes in total", two, limits(archive.ReadOptions{MaxTotalBytes: 500}),
			"A", []string{"more than 500 bytes"}, patch.ErrTooLarge},
		{"no limits", two, limits(archive.ReadOptions{MaxMembers: -1, MaxBytes: -1, MaxTotalBytes: -1}),
			"A B", nil, nil},
		{"a bomb", zipped(t, "A.json", strings.Repeat(" ", 40<<20)), nil, "", []string{"A.json"}, patch.ErrTooLarge},
		{"a small bomb", zipped(t, "A.json", strings.Repeat(" ", 9<<20)),
			nil, "", []string{"compression ratio"}, patch.ErrTooLarge},
	} {
		t.Run(c.name, func(t *testing.T) {
			ids, errs := read(c.data, c.opts)
			if strings.Join(ids, " ") != c.ids || len(errs) != len(c.errs) {
				t.Fatalf("read %v and the errors %v, want %s and %q", ids, errs, c.ids, c.errs)
			}
			for i, err := range errs {
				if !strings.Contains(err.Error(), c.errs[i]) || !errors.Is(err, c.target) {
					t.Errorf("error %v, want %v with %q", err, c.target, c.errs[i])
				}
			}
		})
	}
}

// Repair repairs faults of other systems' exports, which are errors without it.
func TestReadRepairs(t *testing.T) {
	lacking := strings.Replace(definition("A"), `,"extensionAttributes":[]`, "", 1)
	data := zipped(t, "A.json", lacking, "B.json", definition("B"))
	if ids, errs := read(data, nil); !slices.Equal(ids, []string{"B"}) || len(errs) != 1 {
		t.Errorf("without Repair: read %v and the errors %v, want B and one error", ids, errs)
	}
	var codes []string
	opts := &archive.ReadOptions{Repair: true}
	for m, err := range archive.Read(bytes.NewReader(data), int64(len(data)), opts) {
		if err != nil {
			t.Fatal(err)
		}
		if m.Definition.ExtensionAttributes == nil {
			t.Errorf("%s: extensionAttributes is nil", m.Name)
		}
		for _, w := range m.Warnings {
			codes = append(codes, m.Name+" "+w.Code)
		}
	}
	if want := []string{"A.json " + "missing-attributes"}; !slices.Equal(codes, want) {
		t.Errorf("warnings %v, want %v", codes, want)
	}
}

// A member is an error if the directory understates its size.
func TestUnderstatedMember(t *testing.T) {
	data := zipped(t, "A.json", definition("A")+strings.Repeat("\n", 5000))
	at := bytes.LastIndex(data, []byte("PK\x01\x02")) // its header in the directory
	for i, b := range []byte{100, 0, 0, 0} {
		data[at+24+i] = b
	}
	if ids, errs := read(data, nil); len(ids) != 0 || len(errs) != 1 {
		t.Errorf("read %v and the errors %v, want one error", ids, errs)
	}
}

// The members are counted even if the end of the directory understates their number.
func TestUnderstatedDirectory(t *testing.T) {
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
		t.Errorf("read %d members and the errors %v, want ErrTooLarge", len(ids), errs)
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
		t.Error("the same definitions make different bytes")
	}
	if ids, errs := read(data, nil); !slices.Equal(ids, []string{"A", "B"}) || errs != nil {
		t.Errorf("read %v and the errors %v, want A and B", ids, errs)
	}
	if err := archive.NewWriter(io.Discard).Definition("../x", nil); err == nil {
		t.Error("an id that leads out of the archive is written")
	}
}

func TestReadNothing(t *testing.T) {
	for name, of := range map[string]struct {
		r    io.ReaderAt
		size int64
	}{
		"nil reader":    {nil, 100},
		"negative size": {strings.NewReader("x"), -1},
	} {
		for _, err := range archive.Read(of.r, of.size, nil) {
			if !errors.Is(err, archive.ErrNoArchive) {
				t.Errorf("%s: %v, want ErrNoArchive", name, err)
			}
		}
	}
}

// FuzzRead checks that reading ends, and that every definition read is valid.
func FuzzRead(f *testing.F) {
	f.Add(zipped(f, "patch_archive/A.json", definition("A"), "b.json", "{"))
	f.Fuzz(func(t *testing.T, data []byte) {
		opts := &archive.ReadOptions{MaxMembers: 10, MaxBytes: 10_000, MaxTotalBytes: 50_000}
		patchtest.Bounded(t, len(data)+int(opts.MaxTotalBytes), func() {
			n := 0
			for m, err := range archive.Read(bytes.NewReader(data), int64(len(data)), opts) {
				if n++; n > 11 {
					t.Fatal("more members are read than the limit")
				}
				if err == nil && m.Definition.Validate() != nil {
					t.Errorf("the definition of %s is invalid", m.Name)
				}
			}
		})
	})
}

func Example() {
	var b bytes.Buffer
	w := archive.NewWriter(&b)
	if err := errors.Join(w.Definition("Composer", []byte(definition("Composer"))), w.Close()); err != nil {
		fmt.Println(err)
		return
	}

	for m, err := range archive.Read(bytes.NewReader(b.Bytes()), int64(b.Len()), nil) {
		if err != nil {
			fmt.Println(err)
			continue
		}
		fmt.Println(m.Name, m.Definition.ID, m.Definition.Patches[0].Version)
	}
	// Output: patch_archive/Composer.json Composer 1
}
