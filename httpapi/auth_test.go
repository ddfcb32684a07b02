package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// people authenticates by a header that a proxy in front of the server would set.
var people = map[string]auth.Principal{
	"editor":   {Grant: auth.Grant{Kind: auth.Editor, Name: "Edith"}},
	"team":     {Grant: auth.Grant{Name: "Tom"}},
	"reader":   {Grant: auth.Grant{Name: "Rita"}},
	"untitled": {Grant: auth.Grant{Kind: auth.TitleToken, Name: "Uma"}},
	"expired":  {Grant: auth.Grant{Kind: auth.Administrator, Name: "Eve", Expires: time.Unix(1, 0)}},
}

func byProxy(r *http.Request) (auth.Principal, error) {
	return people[r.Header.Get("X-Forwarded-User")], nil
}

// teamPolicy lets the members of a team own the titles whose ids begin with Team-, lets editors change every title but
// make no tokens, and leaves the rest to the default policy.
func teamPolicy(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error {
	owned := strings.HasPrefix(strings.ToLower(t.ID), "team-")
	switch {
	case p.Name == "Tom" && owned && (a == auth.ActionCreate || a == auth.ActionChange):
		return nil
	case p.Kind == auth.Editor && a == auth.ActionTokens:
		return auth.ErrDenied
	case p.Name == "Oscar":
		return errors.New("hunter2: the directory does not answer")
	}
	return auth.Authorize(ctx, p, a, t)
}

// The history names the maker of a change without a token by name.
func TestHistoryNamesTheMaker(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Authenticate: byProxy,
		Now:          func() time.Time { return b.now },
	})
	user := []string{"X-Forwarded-User", "editor"}
	require(t, b.do("POST", "/api/v1/title", definition("App", "1"), user...), 201)
	require(t, b.do("POST", "/api/v1/title/App/version", versionJSON("2"), user...), 201)
	w := b.do("GET", "/api/v1/titles/App/history", "")
	if n := strings.Count(w.Body.String(), `"token":"Edith"`); n != 2 {
		t.Errorf("the history names Edith %d times, want 2: %s", n, w.Body)
	}
}

func TestAuthorize(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("Composer", "Team-Xcode")
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Tokens:       b.auth,
		Authenticate: httpapi.AnyOf(byProxy, httpapi.BearerTokens(b.auth)),
		Authorize:    teamPolicy,
		Now:          func() time.Time { return b.now },
	})
	for _, c := range []struct {
		user, method, path, body string
		status                   int
	}{
		{"editor", "POST", "/api/v1/title/Composer/version", versionJSON("2"), 201},
		{"editor", "POST", "/api/v1/title", definition("Edited", "1"), 201},
		{"editor", "GET", "/api/v1/tokens", "", 403},
		{"editor", "POST", "/api/v1/tokens", "{}", 403},
		{"editor", "POST", "/api/v1/restore", "", 403},
		{"team", "POST", "/api/v1/title", definition("Team-Word", "1"), 201},
		{"team", "POST", "/api/v1/title", definition("Word", "1"), 403},
		{"team", "PUT", "/api/v1/title/team-xcode", definition("Team-Xcode", "2", "1"), 200},
		{"team", "DELETE", "/api/v1/title/Composer", "", 403},
		{"team", "POST", "/api/v1/tokens", `{"titles_in_scope":["Team-Xcode"]}`, 403},
		{"reader", "GET", "/api/v1/titles/Composer", "", 200},
		{"reader", "GET", "/api/v1/token", "", 200},
		{"reader", "POST", "/api/v1/title", definition("Word", "1"), 403},
		{"reader", "POST", "/api/v1/title/Composer/version", versionJSON("3"), 403},
		{"reader", "GET", "/api/v1/tokens", "", 403},
		{"reader", "POST", "/api/v1/titles/import", "[]", 403},
		{"untitled", "POST", "/api/v1/title/Composer/version", versionJSON("3"), 403},
		{"untitled", "GET", "/api/v1/token", "", 200},
		{"expired", "DELETE", "/api/v1/title/Composer", "", 401},
		{"", "DELETE", "/api/v1/title/Composer", "", 401},
		{"", "POST", "/api/v1/title", definition("Word", "1"), 401},
	} {
		w := b.do(c.method, c.path, c.body, "X-Forwarded-User", c.user)
		if w.Code != c.status {
			t.Errorf("%s: %s %s: got status %d, want %d: %s", c.user, c.method, c.path, w.Code, c.status, w.Body)
		}
		if c.status == http.StatusUnauthorized && w.Header().Get("WWW-Authenticate") == "" {
			t.Errorf("%s: %s %s: the 401 has no challenge", c.user, c.method, c.path)
		}
	}
	// The server's own tokens are accepted beside it.
	if w := b.asAdmin("GET", "/api/v1/tokens", ""); w.Code != 200 {
		t.Errorf("an administrator's token: got status %d, want 200: %s", w.Code, w.Body)
	}
}

// A person with a session reads the details of the titles that they may change, as the holder of a token does.
func TestSessionsRead(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	const source = "https://vendor.example/d.json"
	p.outside.pages.Store(source, 503)
	follows := &catalog.CreateOptions{Follows: source}
	if _, err := p.catalog.Create(t.Context(), parse(t, definition("Team-Xcode", "1")), follows); err != nil {
		t.Fatal(err)
	}
	if _, err := p.sync.Sync(t.Context(), "Team-Xcode"); err == nil {
		t.Fatal("the sync reports no error")
	}
	p.handler = newHandler(t, p.catalog, &httpapi.Options{
		Sync:         services.Sync(p.sync),
		Authenticate: byProxy,
		Authorize:    teamPolicy,
	})
	const path = "/api/v1/titles"
	member, reader := p.do("GET", path, "", "X-Forwarded-User", "team"), p.do("GET", path, "")
	expect(t, member, 200, "d.json: the server answered 503")
	lacks(t, reader.Body.String(), "d.json: the server")
	if got := member.Header().Get("Vary"); !strings.Contains(got, "Cookie") {
		t.Errorf("the member's list has the Vary %s", got)
	}
	if got := reader.Header().Get("Vary"); got != "Accept, Accept-Encoding" {
		t.Errorf("an anonymous client's list has the Vary %s", got)
	}
	expect(t, p.do("GET", "/api/v1/sync", "", "X-Forwarded-User", "team"), 200, `"title":"Team-Xcode"`)
	lacks(t, p.do("GET", "/api/v1/sync", "", "X-Forwarded-User", "reader").Body.String(), "Team-Xcode")
}

// An Authorizer is never asked about an anonymous client, which thus reads no details even if it permits everything.
func TestAuthorizersDecideAboutPrincipals(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	const source = "https://vendor.example/d.json"
	p.outside.pages.Store(source, 503)
	follows := &catalog.CreateOptions{Follows: source}
	if _, err := p.catalog.Create(t.Context(), parse(t, definition("Followed", "1")), follows); err != nil {
		t.Fatal(err)
	}
	if _, err := p.sync.Sync(t.Context(), "Followed"); err == nil {
		t.Fatal("the sync reports no error")
	}
	p.create("Other")
	p.handler = newHandler(t, p.catalog, &httpapi.Options{
		Sync:         services.Sync(p.sync),
		Authenticate: byProxy,
		Authorize: func(_ context.Context, who auth.Principal, a auth.Action, about auth.Title) error {
			if who.Anonymous() {
				t.Errorf("asked whether an anonymous client may %s %+v", a, about)
			}
			return nil
		},
	})
	lacks(t, p.do("GET", "/api/v1/titles", "").Body.String(), "d.json: the server")
	for _, path := range []string{"/api/v1/titles/Other", "/api/v1/titles/Other/history", "/api/v1/backup"} {
		expect(t, p.do("GET", path, ""), 200)
	}
	expect(t, p.do("GET", "/api/v1/titles", "", "X-Forwarded-User", "reader"), 200, "d.json: the server answered 503")
}

// A read that a token was sent for may depend on a session as well, if the token is not valid.
func TestSessionsBesideATokenVary(t *testing.T) {
	b := withTokens(t)
	b.create("App")
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Tokens:       b.auth,
		Authenticate: httpapi.AnyOf(httpapi.BearerTokens(b.auth), byProxy),
	})
	for name, header := range map[string][]string{
		"a session":                 {"X-Forwarded-User", "editor"},
		"a session and a bad token": {"X-Forwarded-User", "editor", "Authorization", "Bearer pst_bad"},
		"a bad token":               {"Authorization", "Bearer pst_bad"},
	} {
		w := b.do("GET", "/api/v1/titles/App", "", header...)
		expect(t, w, 200)
		vary, token := w.Header().Get("Vary"), header[len(header)-2] == "Authorization"
		if !strings.Contains(vary, "Cookie") || strings.Contains(vary, "Authorization") != token {
			t.Errorf("%s: got Vary %s", name, vary)
		}
	}
}

// A principal of an embedder without a kind that the default policy knows is denied every call.
func TestPersonsWithoutAKind(t *testing.T) {
	p := newPublic(t, httpapi.Options{RateLimit: -1})
	p.create("App")
	budget := newBudget(t)
	p.handler = newHandler(t, p.catalog, &httpapi.Options{
		Authenticate: byProxy,
		Tokens:       p.auth,
		Community:    services.Community(p.community),
		Sync:         services.Sync(p.sync),
		Budget:       budget,
		RootFeed:     true,
	})
	for _, c := range []struct{ method, path, body string }{
		{"POST", "/api/v1/title", definition("New", "1")},
		{"POST", "/api/title", definition("New", "1")},
		{"POST", "/api/v1/titles", definition("New", "1")},
		{"POST", "/api/v1/titles/import", "[" + definition("New", "1") + "]"},
		{"PUT", "/api/v1/title/App", definition("App", "2")},
		{"PUT", "/api/title/App", definition("App", "2")},
		{"PUT", "/api/v1/titles/App", definition("App", "2")},
		{"DELETE", "/api/v1/title/App", ""},
		{"DELETE", "/api/title/App", ""},
		{"DELETE", "/api/v1/titles/App", ""},
		{"POST", "/api/v1/title/App/version", versionJSON("2")},
		{"POST", "/api/v1/titles/App/versions", versionJSON("2")},
		{"DELETE", "/api/v1/title/App/version/1", ""},
		{"POST", "/api/v1/titles/App/history/1/restore", ""},
		{"GET", "/api/v1/backup?full=1", ""},
		{"POST", "/api/v1/restore", ""},
		{"GET", "/api/v1/tokens", ""},
		{"POST", "/api/v1/tokens", ""},
		{"POST", "/api/v1/tokens", `{"titles_in_scope":["App"]}`},
		{"POST", "/api/v1/tokens/x/invalidate", ""},
		{"POST", "/api/v1/contributors/ann/release", ""},
		{"POST", "/api/v1/sync", `{"mirror":"mirror"}`},
		{"POST", "/api/v1/title/App/sync", ""},
		{"POST", "/api/v1/subscribe", `{"id":"New","json_url":"https://vendor.example/d.json"}`},
		{"POST", "/subscribe", `not even JSON`},
		{"POST", "/unsubscribe/App", ""},
	} {
		before := p.catalog.Software().ETag()
		w := p.do(c.method, c.path, c.body, "X-Forwarded-User", "reader")
		if w.Code != 403 || problem(t, w).Rest["forbidden"] == nil {
			t.Errorf("%s %s: got status %d, want 403: %s", c.method, c.path, w.Code, w.Body)
		}
		if p.catalog.Software().ETag() != before {
			t.Errorf("%s %s changed a title", c.method, c.path)
		}
	}
}

// An error of an Authorizer that decides nothing is an internal error, and its text is for the log alone.
func TestAuthorizerFails(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("Composer")
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Authenticate: func(*http.Request) (auth.Principal, error) {
			return auth.Principal{Grant: auth.Grant{Name: "Oscar"}}, nil
		},
		Authorize: teamPolicy,
		Logger:    b.logger(),
	})
	w := b.do("DELETE", "/api/v1/title/Composer", "")
	if w.Code != 500 || strings.Contains(w.Body.String(), "hunter2") || !strings.Contains(b.log.String(), "hunter2") {
		t.Errorf("got status %d: %s; the log: %s", w.Code, w.Body, b.log.String())
	}
}

func TestAnyOf(t *testing.T) {
	answers := func(p auth.Principal, err error) httpapi.Authenticator {
		return func(*http.Request) (auth.Principal, error) { return p, err }
	}
	ann := auth.Principal{TokenID: "ann"}
	bob := auth.Principal{TokenID: "bob"}
	down := errors.New("the directory does not answer")
	detailed := fmt.Errorf("%w: the session has ended", auth.ErrUnauthorized)
	for _, c := range []struct {
		name string
		of   []httpapi.Authenticator
		want auth.Principal
		err  error
	}{
		{"none", nil, auth.Principal{}, auth.ErrUnauthorized},
		{"only nil", []httpapi.Authenticator{nil}, auth.Principal{}, auth.ErrUnauthorized},
		{"the first decides", []httpapi.Authenticator{answers(ann, nil), answers(bob, nil)}, ann, nil},
		{
			"the second decides",
			[]httpapi.Authenticator{answers(bob, auth.ErrUnauthorized), nil, answers(ann, nil)}, ann, nil,
		},
		{"the zero principal", []httpapi.Authenticator{answers(auth.Principal{}, nil), answers(ann, nil)}, ann, nil},
		{"an outage decides", []httpapi.Authenticator{answers(bob, down), answers(ann, nil)}, auth.Principal{}, down},
		{"nobody", []httpapi.Authenticator{answers(ann, auth.ErrUnauthorized)}, auth.Principal{}, auth.ErrUnauthorized},
		{"the error with more to say", []httpapi.Authenticator{
			answers(ann, detailed), answers(bob, auth.ErrUnauthorized),
		}, auth.Principal{}, detailed},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := httpapi.AnyOf(c.of...)(nil)
			if got.TokenID != c.want.TokenID || !errors.Is(err, c.err) {
				t.Errorf("got %q, %v; want %q, %v", got.TokenID, err, c.want.TokenID, c.err)
			}
		})
	}
}

// A page of another site makes its visitor's browser send a form with the credentials that the browser holds for this
// server: nothing is changed.
func TestAmbientCredentials(t *testing.T) {
	b := newBench(t, memstore.New())
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Authenticate: func(r *http.Request) (auth.Principal, error) {
			if name, _, ok := r.BasicAuth(); ok {
				return auth.Principal{TokenID: name, Grant: auth.Grant{Kind: auth.Administrator}}, nil
			}
			return auth.Principal{}, auth.ErrUnauthorized
		},
	})
	basic := []string{"Authorization", "Basic YW5uOnNlY3JldA==", "Content-Type", "text/plain"}
	w := b.do("POST", "/api/v1/title", definition("Evil", "1"), append(basic, "Origin", "https://evil.example")...)
	if w.Code != 403 || problem(t, w).Rest["forbidden"] == nil || b.catalog.Len() != 0 {
		t.Errorf("got status %d: %s", w.Code, w.Body)
	}
	if w := b.do("POST", "/api/v1/title", definition("Good", "1"), basic...); w.Code != 201 {
		t.Errorf("a script: got status %d: %s", w.Code, w.Body)
	}
}

func TestConstructors(t *testing.T) {
	b := newBench(t, memstore.New())
	for name, opts := range map[string]*httpapi.Options{
		"a proxy without a mask":     {TrustedProxies: []string{"10.0.0.1"}},
		"a proxy that is no network": {TrustedProxies: []string{"10.0.0.0/8", ""}},
		"a site without a scheme":    {Site: "patches.example.com"},
		"a site of another scheme":   {Site: "ftp://patches.example.com"},
		"a site with a query":        {Site: "https://patches.example.com/?a=b"},
		"a site that is no URL":      {Site: "https://patches example.com"},
	} {
		if _, err := httpapi.New(b.catalog, opts); err == nil {
			t.Errorf("New accepts %s", name)
		}
	}
	if _, err := httpapi.New(nil, nil); err == nil {
		t.Error("New accepts a nil catalog")
	}
	if _, err := httpapi.NewBudget([]string{"10.0.0.1"}); err == nil {
		t.Error("NewBudget accepts a proxy without a mask")
	}
	if _, err := httpapi.AccessLog(http.NotFoundHandler(), nil, []string{"10.0.0.1"}); err == nil {
		t.Error("AccessLog accepts a proxy without a mask")
	}
}

// A token does not grant what the Authorizer denies its maker, although the kind of the maker would.
func TestTokensWithinThePolicy(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("Composer", "Team-Xcode")
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Tokens:       b.auth,
		Authenticate: byProxy,
		Authorize: func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error {
			if a == auth.ActionChange && t == (auth.Title{}) || t.ID == "Composer" {
				return auth.ErrDenied
			}
			return auth.Authorize(ctx, p, a, t)
		},
		Now: func() time.Time { return b.now },
	})
	for body, status := range map[string]int{
		`{}`:                                 403, // an editor's token changes every title
		`{"titles_in_scope":["Composer"]}`:   403,
		`{"titles_in_scope":["Team-Xcode"]}`: 201,
	} {
		if w := b.do("POST", "/api/v1/tokens", body, "X-Forwarded-User", "editor"); w.Code != status {
			t.Errorf("%s: got status %d, want %d: %s", body, w.Code, status, w.Body)
		}
	}
}

// After the catalog is closed, the token of a title is not refused as one whose title is gone: clients would drop it.
func TestTitleTokenOfAClosedCatalog(t *testing.T) {
	b := withTokens(t)
	b.create("App")
	app, err := b.catalog.Title("App")
	if err != nil {
		t.Fatal(err)
	}
	mine := "Bearer " + b.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{app.UID}})
	if err := b.catalog.Close(); err != nil {
		t.Fatal(err)
	}
	w := b.do("POST", "/api/v1/title/App/version", versionJSON("2"), "Authorization", mine)
	if w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
