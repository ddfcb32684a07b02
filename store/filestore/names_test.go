package filestore

import (
	"strings"
	"testing"
)

func TestFileName(t *testing.T) {
	for _, c := range []struct{ id, want string }{
		{"composer", "composer.json"},
		{"com.example.app-1_2", "com.example.app-1_2.json"},
		{"Composer", "%43omposer.json"},
		{"con", "%63on.json"},
		{"con.txt", "%63on.txt.json"},
		{"console", "console.json"},
		{"com1", "%63om1.json"},
		{".tmp-a", "%2etmp-a.json"},
		{"..", "%2e..json"},
		{"a.", "a..json"},
		{"a/b", "a%2fb.json"},
		{"a%2fb", "a%252fb.json"},
		{"é", "%c3%a9.json"},
		{strings.Repeat("a", 180), strings.Repeat("a", 180) + ".json"},
	} {
		if got := fileName(c.id); got != c.want {
			t.Errorf("fileName(%q) = %q, want %q", c.id, got, c.want)
		}
		if id, ok := fileID(c.want); !ok || id != c.id {
			t.Errorf("fileID(%q) = %q, %v", c.want, id, ok)
		}
	}
	for _, name := range []string{
		"a", "A.json", "%4.json", "%61.json", "con.json", "%_abc.json", "a b.json", "%zz.json",
		fileName(strings.Repeat("a", 181)),
	} {
		if id, ok := fileID(name); ok {
			t.Errorf("fileID(%q) = %q, want none", name, id)
		}
	}
}

// FuzzFileName checks that different ids have names that every file system distinguishes.
func FuzzFileName(f *testing.F) {
	f.Add("a", "A")
	f.Add("a.", "a")
	f.Add("con", "CON")
	f.Add(strings.Repeat("a", 300), strings.Repeat("a", 301))
	f.Fuzz(func(t *testing.T, a, b string) {
		x, y := fileName(a), fileName(b)
		if strings.EqualFold(x, y) != (a == b) {
			t.Errorf("fileName(%q) = %q and fileName(%q) = %q", a, x, b, y)
		}
		if len(x) > 200 || strings.Trim(x, "abcdefghijklmnopqrstuvwxyz0123456789.-_%") != "" ||
			strings.HasPrefix(x, ".") && a != "" ||
			reserved(x) {
			t.Errorf("fileName(%q) = %q, which is not a safe name", a, x)
		}
	})
}
