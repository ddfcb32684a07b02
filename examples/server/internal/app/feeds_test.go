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
