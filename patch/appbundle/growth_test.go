package appbundle_test

import (
	"archive/zip"
	"bytes"
	enc "encoding/binary"
	"fmt"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/patchsource/patchsource/patch/appbundle"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// shared returns a binary property list of n arrays, each of which contains the next one twice: expanded, it would
// have 2 to the power of n elements. The first array is the value of a key that is read.
func shared(n int) []byte {
	b := []byte("bplist00")
	var offsets []int
	object := func(data ...byte) {
		offsets = append(offsets, len(b))
		b = append(b, data...)
	}
	ref := func(i int) []byte { return enc.BigEndian.AppendUint16(nil, uint16(i)) }
	object(append(append([]byte{0xd1}, ref(1)...), ref(2)...)...)
	object(append([]byte{0x5f, 0x10, byte(len("CFBundleName"))}, "CFBundleName"...)...)
	for i := range n {
		next := ref(min(3+i, n+1))
		object(append(append([]byte{0xa2}, next...), next...)...)
	}
	table := len(b)
	for _, o := range offsets {
		b = enc.BigEndian.AppendUint32(b, uint32(o))
	}
	b = append(b, 0, 0, 0, 0, 0, 0, 4, 2)
	b = enc.BigEndian.AppendUint64(b, uint64(len(offsets)))
	b = enc.BigEndian.AppendUint64(b, 0)
	return enc.BigEndian.AppendUint64(b, uint64(table))
}

// The cost of a definition is proportional to the size of Info.plist.
func TestNewIsLinear(t *testing.T) {
	list := func(of string) func(n int) []byte {
		return func(n int) []byte {
			return []byte(`<plist version="1.0"><dict>` + strings.Repeat(of, n/len(of)) + `</dict></plist>`)
		}
	}
	for _, c := range []struct {
		name string
		n    int
		make func(n int) []byte
	}{
		{"keys", 50 << 10, list(`<key>k</key><string>v</string>`)},
		{"keys that are read", 50 << 10, list(`<key>CFBundleName</key><string>v</string>`)},
		{"comments", 50 << 10, list(`<!-- -->`)},
		{"entities", 50 << 10, func(n int) []byte { return xml("CFBundleName", strings.Repeat("&amp;", n/5)) }},
		{"nested", 50 << 10, list(`<key>k</key><dict>`)},
		{"binary", 50 << 10, func(n int) []byte {
			var pairs []string
			for i := range n / 20 {
				pairs = append(pairs, fmt.Sprint(i), "value")
			}
			return binary(t, pairs...)
		}},
		{"binary and shared", 10, shared},
	} {
		t.Run(c.name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				app := bundle(c.make(n))
				return func() { _, _ = appbundle.New(app, "A.app", nil) }
			}, c.n)
		})
	}
}

// The cost is also proportional to the number of scripts, and of members of a zip.
func TestOptionsAndZipAreLinear(t *testing.T) {
	info := xml("CFBundleName", "A", "CFBundleShortVersionString", "1", "CFBundleIdentifier", "a",
		"LSMinimumSystemVersion", "1")
	t.Run("scripts", func(t *testing.T) {
		patchtest.Linear(t, func(n int) func() {
			opts := &appbundle.Options{Scripts: make([][]byte, n)}
			app := fstest.MapFS{
				".":                   {Mode: fs.ModeDir | 0o755, ModTime: modified},
				"Contents/Info.plist": {Data: info, ModTime: now},
			}
			return func() { _, _ = appbundle.New(app, "A.app", opts) }
		}, 2000)
	})
	t.Run("members", func(t *testing.T) {
		patchtest.Linear(t, func(n int) func() {
			var b bytes.Buffer
			z := zip.NewWriter(&b)
			for i := range n {
				if _, err := z.Create(fmt.Sprintf("%d.app/Contents/Info.plist", i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			return func() {
				r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
				if err != nil {
					t.Fatal(err)
				}
				_, _ = appbundle.Zip(r, &appbundle.Options{Now: now})
			}
		}, 2000)
	})
}
