package s3store

import (
	"regexp"
	"strings"
	"testing"
)

func TestEscape(t *testing.T) {
	for id, want := range map[string]string{
		"Composer-1_2.x":         "Composer-1_2.x",
		".":                      "=2e",
		"..":                     "=2e.",
		"a/b":                    "a=2fb",
		"=2f":                    "=3d2f",
		"é":                      "=c3=a9",
		strings.Repeat("a", 200): strings.Repeat("a", 200),
	} {
		if got := escape(id); got != want {
			t.Errorf("escape(%q) = %q, want %q", id, got, want)
		}
	}
}

// Only the names that escape makes are names of records.
func TestUnescapeRefuses(t *testing.T) {
	for _, name := range []string{"a b", ".a", "=2E", "=61", "=", "=4", "=zz", "a/b", strings.Repeat("a", 201)} {
		if id, ok := unescape(name); ok {
			t.Errorf("unescape(%q) = %q, want none", name, id)
		}
	}
	if id, ok := unescape(""); !ok || id != "" {
		t.Errorf(`unescape("") = %q, %v: the caller checks the id`, id, ok)
	}
}

// plainName matches what every S3 server accepts, and also a server that keeps objects as files.
var plainName = regexp.MustCompile(`^[A-Za-z0-9_=-][A-Za-z0-9_.=-]{0,199}$`)

func FuzzEscape(f *testing.F) {
	for _, id := range []string{
		"a", "A", ".", "a/b", "=2f", "é", strings.Repeat("é", 200), strings.Repeat("a", 512),
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		name := escape(id)
		if id != "" && !plainName.MatchString(name) {
			t.Errorf("escape(%q) = %q", id, name)
		}
		back, ok := unescape(name)
		if ok == isHashed(name) || ok && back != id {
			t.Errorf("unescape(%q) = %q, %v, want %q unless it is hashed", name, back, ok, id)
		}
	})
}
