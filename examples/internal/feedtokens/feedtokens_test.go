package feedtokens

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]Flag{
		"api.github.com=token":   {"api.github.com", "", "token"},
		"GitHub.com=token":       {"api.github.com", "", "token"},
		"github.com/apple=a=b":   {"api.github.com", "apple", "a=b"},
		"git.example:8443=/t/ok": {"git.example:8443", "", "/t/ok"},
	} {
		if got, err := Parse(text); got != want || err != nil {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "token", "=token", "github.com=", "github.com/=token", "github.com/a/b=token", "https://github.com=token",
		"user@github.com=token",
	} {
		if got, err := Parse(text); err == nil || !strings.Contains(err.Error(), "HOST/OWNER=FILE") {
			t.Errorf("%q: got %v, %v; want an error", text, got, err)
		}
	}
}

// A token is the first line of its file, and is read again for each request.
func TestToken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hidden")
	for _, c := range []struct{ name, text, want, err string }{
		{"a line", "ghp_x\n", "ghp_x", ""},
		{"a comment below", " ghp_x \r\nmade in May\n", "ghp_x", ""},
		{"nothing", "\nghp_x", "", "empty"},
		{"a space", "token ghp_x", "", "characters"},
	} {
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := Flag{File: path}.token()
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v; want %q, %q", c.name, got, err, c.want, c.err)
		}
		if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "ghp_x")) {
			t.Errorf("%s: the error shows a secret: %v", c.name, err)
		}
	}
	if _, err := (Flag{File: path + "2"}).token(); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a missing file: got %v, want an error without the path", err)
	}
}
