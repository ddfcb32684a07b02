package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A redirect from https to http must not carry the password.
func TestPasswordIsNotRedirected(t *testing.T) {
	got := ""
	plain := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer plain.Close()
	tls := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	defer tls.Close()
	c, err := newClient(tls.URL, "u", "secret", false)
	if err != nil {
		t.Fatal(err)
	}
	c.http.Transport = tls.Client().Transport
	c.pause = time.Millisecond
	if err := c.call(t.Context(), "GET", "softwaretitles", nil, nil); err == nil {
		t.Error("a redirect is no error")
	}
	if got != "" {
		t.Errorf("the password was sent without TLS: %s", got)
	}
}

// Files that macOS adds to archives are not titles.
func TestImportOmitsHiddenFiles(t *testing.T) {
	to, dir := newInstance(t), t.TempDir()
	for name, text := range map[string]string{
		"App.json": titleJSON("App", patchJSON("1", "")), "._App.json": "\x00\x05\x16\x07",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if code, out := command("import", dir, "--to", to.URL, "--to-password-file", to.password); code != 0 {
		t.Errorf("%d %s", code, out)
	}
}

// Titles that differ only in the order of their versions are equal after an update.
func TestUpdateOrdersVersions(t *testing.T) {
	from, to := newInstance(t), newInstance(t)
	from.do("POST", "/api/v1/title", titleJSON("App", patchJSON("3", ""), patchJSON("2", ""), patchJSON("1", "")))
	to.do("POST", "/api/v1/title", titleJSON("App", patchJSON("2", ""), patchJSON("1", ""), patchJSON("3", "")))
	args := []string{"copy", "--from", from.URL, "--from-password-file", from.password, "--to", to.URL,
		"--to-password-file", to.password}
	if code, out := command(append(args, "--update")...); code != 0 {
		t.Errorf("--update: %d %s", code, out)
	}
	if code, out := command(args...); code != 0 {
		t.Errorf("the titles still differ: %d %s", code, out)
	}
}
