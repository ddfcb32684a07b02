package app

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/server"
)

func TestParseFeedToken(t *testing.T) {
	for text, want := range map[string]feedToken{
		"api.github.com=token":   {"api.github.com", "", "token"},
		"GitHub.com=token":       {"api.github.com", "", "token"},
		"github.com/apple=a=b":   {"api.github.com", "apple", "a=b"},
		"git.example:8443=/t/ok": {"git.example:8443", "", "/t/ok"},
	} {
		if got, err := parseFeedToken(text); got != want || err != nil {
			t.Errorf("%s: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "token", "=token", "github.com=", "github.com/=token", "github.com/a/b=token", "https://github.com=token",
		"user@github.com=token",
	} {
		if got, err := parseFeedToken(text); err == nil || !strings.Contains(err.Error(), "HOST/OWNER=FILE") {
			t.Errorf("%q: got %v, %v; want an error", text, got, err)
		}
	}
}

// A token is the first line of its file, and is read again for each request.
func TestReadToken(t *testing.T) {
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
		got, err := readToken(path)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v; want %q, %q", c.name, got, err, c.want, c.err)
		}
		if err != nil && (strings.Contains(err.Error(), "hidden") || strings.Contains(err.Error(), "ghp_x")) {
			t.Errorf("%s: the error shows a secret: %v", c.name, err)
		}
	}
	if _, err := readToken(path + "2"); err == nil || strings.Contains(err.Error(), "hidden") {
		t.Errorf("a missing file: got %v, want an error without the path", err)
	}
}

// The folders and tokens that the flags name must exist, and a file that others can read is reported.
func TestSetFeeds(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("ghp_x"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := &flags{Recipes: []string{dir}, FeedToken: []string{"github.com/apple=" + file}}
	var c server.Config
	if err := f.setFeeds(&c); err != nil || len(c.Recipes) != 1 || len(c.FeedTokens) != 1 {
		t.Fatalf("got %v, %v and %v", err, c.Recipes, c.FeedTokens)
	}
	if token, err := c.FeedTokens[0].Token(); token != "ghp_x" || err != nil {
		t.Errorf("the token is %q, %v", token, err)
	}
	var log bytes.Buffer
	f.checkPermissions(slog.New(slog.NewTextHandler(&log, nil)))
	if !strings.Contains(log.String(), file) {
		t.Errorf("the log does not warn of %s: %s", file, &log)
	}
	for want, f := range map[string]*flags{
		"--recipes":           {Recipes: []string{filepath.Join(dir, "nope")}},
		"a folder of recipes": {Recipes: []string{file}},
		"--feed-token":        {FeedToken: []string{"github.com=" + file + "2"}},
	} {
		if err := f.setFeeds(&c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}
