package server_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/memstore"
)

// basic returns a header function for call that logs in.
func basic(password string) func(http.Header) {
	return func(h http.Header) {
		r := &http.Request{Header: h}
		r.SetBasicAuth("ann", password)
	}
}

// Title Editor's API is at /v2, with ids and lines in the log as everything else, and counted by its routes.
func TestTitleEditor(t *testing.T) {
	var log bytes.Buffer
	s := open(t, server.Config{
		Store:     memstore.New(),
		AccessLog: true,
		Logger:    slog.New(slog.NewTextHandler(&log, nil)),
	})
	token := adminToken(t, s)
	w := call(s, "POST", "/v2/auth/tokens", "", basic(token))
	if w.Code != 200 || w.Header().Get("X-Request-Id") == "" || strings.Contains(log.String(), token) ||
		!strings.Contains(log.String(), "path=/v2/auth/tokens") {
		t.Fatalf("login: status %d: %s\n%s", w.Code, w.Body, &log)
	}
	if w := call(s, "POST", "/v2/softwaretitles", definition("A", "1"), bearer(token)); w.Code != 200 {
		t.Fatalf("create: status %d: %s", w.Code, w.Body)
	}
	if w := call(s, "GET", "/metrics", "", nil); !strings.Contains(w.Body.String(), `route="/v2/softwaretitles"`) {
		t.Errorf("the metrics are %s", w.Body)
	}
	for path, want := range map[string]string{
		"/v2": `"errors"`, "/v2/nothing": `"errors"`, "/v22": `"not_found"`, "/api/v2/softwaretitles": `"not_found"`,
	} {
		w := call(s, "GET", path, "", bearer(token))
		if w.Code != 404 || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
}

// NoTitleEditor switches it off.
func TestNoTitleEditor(t *testing.T) {
	s := open(t, server.Config{Store: memstore.New(), NoTitleEditor: true})
	w := call(s, "POST", "/v2/auth/tokens", "", basic(adminToken(t, s)))
	if w.Code != 404 || !strings.Contains(w.Body.String(), `"not_found"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

// Sessions hold on all servers over one store, which have one secret, and failed logins are limited.
func TestTitleEditorSessions(t *testing.T) {
	store := memstore.New()
	c := server.Config{Store: store, Secret: newSecret(t), Limits: server.Limits{Requests: 3}}
	here, there := open(t, c), open(t, c)
	token := adminToken(t, here)
	w := call(here, "POST", "/v2/auth/tokens", "", basic(token))
	_, rest, _ := strings.Cut(w.Body.String(), `"token": "`)
	session, _, _ := strings.Cut(rest, `"`)
	if w := call(there, "GET", "/v2/softwaretitles", "", bearer(session)); w.Code != 200 {
		t.Errorf("at the other server: status %d: %s", w.Code, w.Body)
	}
	p, err := here.Tokens.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := here.Tokens.Revoke(t.Context(), p.TokenID); err != nil {
		t.Fatal(err)
	}
	if w := call(here, "GET", "/v2/softwaretitles", "", bearer(session)); w.Code != 401 {
		t.Errorf("after the token was revoked: status %d: %s", w.Code, w.Body)
	}
	for _, want := range []int{401, 429} {
		if w := call(there, "POST", "/v2/auth/tokens", "", basic("wrong")); w.Code != want {
			t.Errorf("a wrong password: status %d, want %d: %s", w.Code, want, w.Body)
		}
	}
}

// A registered contributor's title gets the contributor's name, as by the other API. One who is not registered yet
// cannot create any.
func TestTitleEditorContributor(t *testing.T) {
	s := open(t, full(t))
	token, _, err := s.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.Contributor, Contributor: "ann"})
	if err != nil {
		t.Fatal(err)
	}
	w := call(s, "POST", "/v2/softwaretitles", definition("A", "1"), bearer(token))
	if w.Code != 401 || !strings.Contains(w.Body.String(), `"errors"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}
