package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	patchsync "github.com/patchsource/patchsource/sync"
)

// A guarded is a patch source that answers only requests with the right Authorization header.
type guarded struct {
	mu   sync.Mutex
	want string
}

func (g *guarded) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	want := g.want
	g.mu.Unlock()
	switch {
	case r.Header.Get("Authorization") != want:
		http.Error(w, "no", http.StatusUnauthorized)
	case strings.HasSuffix(r.URL.Path, "/software"):
		d, err := patch.Parse([]byte(definition("Guarded", "1")), nil)
		if err == nil {
			d.Complete(time.Unix(1e9, 0))
			err = json.NewEncoder(w).Encode([]patch.Summary{d.Summary()})
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	default:
		_, _ = io.WriteString(w, definition("Guarded", "1"))
	}
}

// Requests to a source carry the credentials in its file. The file can be changed while the server runs, and neither
// the credentials nor the path of the file are shown.
func TestFollowWithCredentials(t *testing.T) {
	source := &guarded{want: "Bearer hunter22"}
	upstream := httptest.NewServer(source)
	defer upstream.Close()
	dir := t.TempDir()
	credentials := filepath.Join(dir, "authorization")
	if err := os.WriteFile(credentials, []byte(" Bearer hunter22\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sources := filepath.Join(dir, "sources.json")
	spec := fmt.Sprintf(`[{"url":%q,"interval":"1s","authorization_file":%q}]`, upstream.URL+"/v1", credentials)
	if err := os.WriteFile(sources, []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, t.TempDir(), "--sources", sources, "--allow-private-networks")
	waitFor(t, "the title is mirrored", func() bool {
		status, _ := p.do("GET", "/jamf/v1/patch/Guarded", "")
		return status == 200
	})
	state := func() string {
		_, body := p.do("GET", "/api/v1/sync", "")
		return body
	}
	source.mu.Lock()
	source.want = "Bearer hunter22-2"
	source.mu.Unlock()
	waitFor(t, "the credentials are refused", func() bool { return strings.Contains(state(), "401") })
	if body := state(); strings.Contains(body, "hunter22") || strings.Contains(body, credentials) {
		t.Errorf("the state shows credentials: %s", body)
	}
	if err := os.WriteFile(credentials, []byte("Bearer hunter22-2"), 0o600); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the new credentials are accepted", func() bool { return strings.Contains(state(), `"failures":0`) })
	if err := os.Remove(credentials); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the state shows that there are no credentials", func() bool {
		return strings.Contains(state(), "cannot be read")
	})
	if body := state(); strings.Contains(body, credentials) {
		t.Errorf("the state shows the path of the credentials: %s", body)
	}
}

func TestReadAuthorization(t *testing.T) {
	for _, c := range []struct{ name, text, want, err string }{
		{"a line", "Bearer x", "Bearer x", ""},
		{"space around it", " \nBearer x\r\n\n", "Bearer x", ""},
		{"nothing", " \n", "", "empty"},
		{"two lines", "Bearer x\nBearer y", "", "more than one line"},
		{"too much", strings.Repeat("x", maxAuthorizationBytes+1), "", "more than 16384 bytes"},
	} {
		path := filepath.Join(t.TempDir(), "authorization")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := readAuthorization(path)
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: got %q, %v; want %q, %q", c.name, got, err, c.want, c.err)
		}
	}
	if _, err := readAuthorization("/nope/secret"); err == nil || strings.Contains(err.Error(), "nope") {
		t.Errorf("a missing file: got %v, want an error without the path", err)
	}
}

// Errors about a source do not contain the secrets of its URL.
func TestSourcesAreRefusedWithoutTheirSecrets(t *testing.T) {
	for _, source := range []string{"user:hunter22@example.com/v1", "http:user:hunter22@example.com/v1"} {
		f := &flags{Follow: []string{source}}
		if _, err := f.mirrors(); err == nil || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: got %v, want an error without the password", source, err)
		}
	}
	f := &flags{Follow: []string{"http://user:hunter22@example.com/v1"}}
	all, err := f.mirrors()
	if err != nil {
		t.Fatal(err)
	}
	if shown := patchsync.RedactURL(all[0].Source.Key()); shown != "http://example.com/v1" {
		t.Errorf("the source is shown as %q", shown)
	}
	f = &flags{Sources: filepath.Join(t.TempDir(), "sources.json")}
	spec := `[{"folder":".","authorization_file":"x"}]`
	if err := os.WriteFile(f.Sources, []byte(spec), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.mirrors(); err == nil || !strings.Contains(err.Error(), "for a url") {
		t.Errorf("credentials for a folder: got %v, want an error", err)
	}
}
