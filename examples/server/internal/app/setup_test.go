package app

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
)

// The server answers challenges, by which it recognizes itself, and its pages lead to the setup.
func TestSetup(t *testing.T) {
	p := start(t, t.TempDir())
	get := func(path string, headers ...string) (*http.Response, string) {
		r, err := http.NewRequest(http.MethodGet, p.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer, string(text)
	}
	answer, _ := get("/healthz", "Patchsource-Self", "a challenge")
	if proof := answer.Header.Get("Patchsource-Self"); len(proof) != 64 {
		t.Errorf("the answer to a challenge is %q", proof)
	}
	const unused = "No administrator has signed in to this server yet."
	if _, text := get("/signin"); !strings.Contains(text, unused) || strings.Contains(text, p.dir) {
		t.Errorf("the page for signing in is %s", text)
	}
	cookie := []string{"Cookie", "patchsource_token=" + p.token()}
	answer, text := get("/setup", cookie...)
	for _, want := range []string{"0 of 5 steps done", "The base URL is not set.", "data.outbox", "/jamf/v1"} {
		if answer.StatusCode != http.StatusOK || !strings.Contains(text, want) {
			t.Errorf("the page has status %d and does not contain %q: %s", answer.StatusCode, want, text)
		}
	}
	if strings.Contains(text, p.token()) {
		t.Error("the page shows the token")
	}
	if _, text := get("/signin"); strings.Contains(text, unused) {
		t.Errorf("the page for signing in is still that of a new server: %s", text)
	}
}

// The tokens are no longer asked for once one of them was used.
func TestNeverUsed(t *testing.T) {
	asked := 0
	tokens := []auth.Info{{ID: "a"}, {ID: "b"}}
	fresh := neverUsed(func() []auth.Info { asked++; return tokens })
	for range 2 {
		if !fresh() {
			t.Error("no token was used, but the server is not new")
		}
	}
	tokens[1].Used = time.Now()
	for range 2 {
		if fresh() {
			t.Error("a token was used, but the server is new")
		}
	}
	if asked != 3 {
		t.Errorf("the tokens were asked for %d times, want 3", asked)
	}
}
