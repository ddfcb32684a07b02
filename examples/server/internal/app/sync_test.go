package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// eventually waits for what must come to be, however slow the machine.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for range 1500 {
		if holds() {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatalf("never: %s", what)
}

// feed returns what a server serves: the definitions by their ids, without
// lastModified, which moves with every change here.
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

// One server follows all of another: what is created, changed and deleted there is
// so here; with definitions in envelopes, and without.
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
			n := 0
			for id, data := range readCorpus(t) {
				if n++; n > 20 {
					break
				}
				if status, body := upstream.do("POST", "/api/v1/title", string(data)); status != 201 {
					t.Fatalf("%s: %d %s", id, status, body)
				}
			}
			for _, id := range []string{"Changes", "Goes", "Stays"} {
				upstream.do("POST", "/api/v1/title", definition(id, "1"))
			}
			spec := []map[string]any{
				{
					"url":             upstream.url + "/jamf/v1",
					"remove":          true,
					"roots":           cert,
					"refuse_unsigned": true,
					"interval":        "1s",
				},
			}
			if !signed {
				delete(spec[0], "roots")
				delete(spec[0], "refuse_unsigned")
			}
			sources := filepath.Join(t.TempDir(), "sources.json")
			data, err := json.Marshal(spec)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(sources, data, 0o600); err != nil {
				t.Fatal(err)
			}
			follower := start(t, t.TempDir(), "--sources", sources, "--allow-private-networks")
			same := func() bool { return cmp.Equal(upstream.feed(), follower.feed()) }
			eventually(t, "all is taken", same)

			upstream.do("POST", "/api/v1/title/Changes/version", versionJSON("2"))
			upstream.do("DELETE", "/api/v1/title/Goes", "")
			upstream.do("POST", "/api/v1/title", definition("Comes", "1"))
			eventually(t, "changes are taken", same)

			if status, body := follower.do("POST", "/api/v1/title/Changes/version", versionJSON("3")); status != 403 ||
				!strings.Contains(body, upstream.url) {
				t.Errorf("%d %s", status, body)
			}
			_, state := follower.do("GET", "/api/v1/sync", "")
			if !strings.Contains(state, `"mirror":"`+upstream.url+`/jamf/v1"`) ||
				strings.Contains(state, "test of patchsource") != signed {
				t.Errorf("%s", state)
			}
			before := follower.feed()
			upstream.stop()
			eventually(t, "that it is down is shown", func() bool {
				_, state := follower.do("GET", "/api/v1/sync", "")
				return strings.Contains(state, `"last_error":"http`)
			})
			if diff := cmp.Diff(before, follower.feed()); diff != "" {
				t.Errorf("without its source, it serves something else: %s", diff)
			}
		})
	}
}

// A folder of definitions is served as it is.
func TestFollowAFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "definitions")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	write := func(version string) {
		if err := os.WriteFile(filepath.Join(dir, "a.json"), []byte(definition("A", version)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("1")
	p := start(t, t.TempDir(), "--follow", dir, "--follow-remove")
	serves := func(v string) func() bool {
		return func() bool {
			_, body := p.do("GET", "/jamf/v1/software/A", "")
			return strings.Contains(body, `"currentVersion":"`+v+`"`)
		}
	}
	eventually(t, "it is served", serves("1"))
	write("2")
	eventually(t, "a change is served", serves("2"))
}

func TestSourcesThatCannotBe(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cert, key := certificate(t)
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"no folder":        {[]string{"--follow", filepath.Join(dir, "nope")}, "--follow"},
		"no file":          {[]string{"--sources", filepath.Join(dir, "nope")}, "--sources"},
		"no JSON":          {[]string{"--sources", file("a", "{")}, "JSON array"},
		"a typo":           {[]string{"--sources", file("b", `[{"ulr":"https://example.com"}]`)}, "ulr"},
		"neither":          {[]string{"--sources", file("c", `[{"name":"x"}]`)}, "source 1"},
		"a folder signed":  {[]string{"--sources", file("g", `[{"folder":".","refuse_unsigned":true}]`)}, "are for a url"},
		"an interval":      {[]string{"--sources", file("d", `[{"url":"https://example.com","interval":"soon"}]`)}, "such as 15m"},
		"no certificates":  {[]string{"--sources", file("e", `[{"url":"https://example.com","roots":"`+key+`"}]`)}, "no certificate"},
		"a share":          {[]string{"--sources", file("f", `[{"url":"https://example.com","max_remove_share":2}]`)}, "between 0 and 1"},
		"twice":            {[]string{"--follow", "https://example.com", "--follow", "https://example.com/"}, "twice"},
		"half a signer":    {[]string{"--sign-cert", cert}, "require each other"},
		"no signer":        {[]string{"--sign-cert", key, "--sign-key", key}, "--sign-cert"},
		"a short interval": {[]string{"--sync-interval", "1ms"}, "--sync-interval"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, stderr := runOnce(
				t,
				nil,
				append(
					[]string{"--addr", "127.0.0.1:0", "--store", "file:" + filepath.Join(t.TempDir(), "data")},
					c.args...)...)
			if code == 0 || !strings.Contains(stderr, c.says) {
				t.Errorf("%d %s", code, stderr)
			}
		})
	}
}
