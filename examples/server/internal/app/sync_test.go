package app

import (
	"crypto/rand"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// feed returns the definitions that a server serves, by their ids, without lastModified, which each server sets itself.
func (p *process) feed() map[string]any {
	p.t.Helper()
	all := map[string]any{}
	_, list := p.do("GET", "/api/v1/titles", "")
	var page struct{ Titles []struct{ ID string } }
	if err := json.Unmarshal([]byte(list), &page); err != nil {
		p.t.Fatal(err)
	}
	for _, title := range page.Titles {
		_, body := p.do("GET", "/api/v1/titles/"+title.ID, "")
		var d map[string]any
		if err := json.Unmarshal([]byte(body), &d); err != nil {
			p.t.Fatalf("%s: %v", title.ID, err)
		}
		delete(d, "lastModified")
		all[title.ID] = d
	}
	return all
}

// A server mirrors another one: titles that are created, changed and deleted there are so here, whether the definitions
// are signed or not.
func TestOneServerFollowsAnother(t *testing.T) {
	cert, key := certificate(t)
	for name, signed := range map[string]bool{"bare": false, "signed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var args []string
			if signed {
				args = []string{"--sign-cert", cert, "--sign-key", key}
			}
			upstream := start(t, t.TempDir(), args...)
			for id, data := range firstOf(readCorpus(t), 20) {
				if status, body := upstream.do("POST", "/api/v1/title", string(data)); status != 201 {
					t.Fatalf("%s: got status %d: %s", id, status, body)
				}
			}
			for _, id := range []string{"Changes", "Goes", "Stays"} {
				upstream.do("POST", "/api/v1/title", definition(id, "1"))
			}
			spec := map[string]any{"url": upstream.url + "/jamf/v1", "remove": true, "interval": "1s"}
			if signed {
				spec["roots"], spec["refuse_unsigned"] = cert, true
			}
			data, err := json.Marshal([]any{spec})
			if err != nil {
				t.Fatal(err)
			}
			sources := filepath.Join(t.TempDir(), "sources.json")
			writeFile(t, sources, string(data))
			follower := start(t, t.TempDir(), "--sources", sources, "--allow-private-networks")
			same := func() bool { return cmp.Equal(upstream.feed(), follower.feed()) }
			waitFor(t, "the titles are mirrored", same)

			upstream.do("POST", "/api/v1/title/Changes/version", versionJSON("2"))
			upstream.do("DELETE", "/api/v1/title/Goes", "")
			upstream.do("POST", "/api/v1/title", definition("Comes", "1"))
			waitFor(t, "the changes are mirrored", same)

			if status, body := follower.do("POST", "/api/v1/title/Changes/version", versionJSON("3")); status != 403 ||
				!strings.Contains(body, upstream.url) {
				t.Errorf("a change of a mirrored title: got status %d: %s", status, body)
			}
			_, state := follower.do("GET", "/api/v1/sync", "")
			if !strings.Contains(state, `"mirror":"`+upstream.url+`/jamf/v1"`) ||
				strings.Contains(state, "test of patchsource") != signed {
				t.Errorf("the state: %s", state)
			}
			before := follower.feed()
			upstream.stop()
			waitFor(t, "the state shows that the upstream is down", func() bool {
				_, state := follower.do("GET", "/api/v1/sync", "")
				return strings.Contains(state, `"last_error":"http`)
			})
			if diff := cmp.Diff(before, follower.feed()); diff != "" {
				t.Errorf("without its upstream, the feed differs: %s", diff)
			}
		})
	}
}

// A folder of definitions is mirrored.
func TestFollowAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "definitions")
	write := func(version string) { writeFile(t, filepath.Join(dir, "a.json"), definition("A", version)) }
	write("1")
	p := start(t, t.TempDir(), "--follow", dir, "--follow-remove")
	serves := func(v string) func() bool {
		return func() bool {
			_, body := p.do("GET", "/jamf/v1/software/A", "")
			return strings.Contains(body, `"currentVersion":"`+v+`"`)
		}
	}
	waitFor(t, "the title is served", serves("1"))
	write("2")
	waitFor(t, "the change is served", serves("2"))
}

// Invalid sources are rejected with an error that names the flag and the mistake.
func TestInvalidSources(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, text)
		return path
	}
	cert, key := certificate(t)
	sources := func(spec string) []string { return []string{"--sources", file(rand.Text(), spec)} }
	for _, c := range []struct {
		name string
		args []string
		want string // in the error
	}{
		{"no folder", []string{"--follow", filepath.Join(dir, "nope")}, "--follow"},
		{"no file", []string{"--sources", filepath.Join(dir, "nope")}, "--sources"},
		{"no JSON", sources("{"), "JSON array"},
		{"a typo", sources(`[{"ulr":"https://example.com"}]`), "ulr"},
		{"neither", sources(`[{"name":"x"}]`), "source 1"},
		{"a folder signed", sources(`[{"folder":".","refuse_unsigned":true}]`), "are for a url"},
		{"an interval", sources(`[{"url":"https://example.com","interval":"soon"}]`), "such as 15m"},
		{"no certificates", sources(`[{"url":"https://example.com","roots":"` + key + `"}]`), "no certificate"},
		{"a share", sources(`[{"url":"https://example.com","max_remove_share":2}]`), "between 0 and 1"},
		{"a share below 0", sources(`[{"url":"https://example.com","max_remove_share":-1}]`), "between 0 and 1"},
		{"twice", []string{"--follow", "https://example.com", "--follow", "https://example.com/"}, "twice"},
		{"half a signer", []string{"--sign-cert", cert}, "require each other"},
		{"no signer", []string{"--sign-cert", key, "--sign-key", key}, "--sign-cert"},
		{"a short interval", []string{"--sync-interval", "1ms"}, "--sync-interval"},
	} {
		t.Run(c.name, func(t *testing.T) {
			args := []string{"--addr", "127.0.0.1:0", "--store", "file:" + filepath.Join(t.TempDir(), "data")}
			code, _, stderr := runOnce(t, nil, append(args, c.args...)...)
			if code == 0 || !strings.Contains(stderr, c.want) {
				t.Errorf("got exit code %d and %q, want %q in it", code, stderr, c.want)
			}
		})
	}
}
