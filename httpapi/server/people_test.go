package server_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/store/memstore"
)

// cookie returns a header function for call with a session.
func cookie(session string) func(http.Header) {
	return func(h http.Header) { h.Set("Cookie", "session="+session) }
}

// withPeople returns a Config with an administrator ann, a team design that owns the titles whose ids begin with
// Design-, and a reader bob. Each of them has a session of the same name.
func withPeople() server.Config {
	return server.Config{
		Store: memstore.New(),
		Authenticate: func(r *http.Request) (auth.Principal, error) {
			c, err := r.Cookie("session")
			if err != nil {
				return auth.Principal{}, auth.ErrUnauthorized
			}
			kinds := map[string]auth.Kind{"ann": auth.Administrator, "design": "team", "bob": "reader"}
			kind, known := kinds[c.Value]
			if !known {
				return auth.Principal{}, auth.ErrUnauthorized
			}
			return auth.Principal{Grant: auth.Grant{Name: c.Value, Kind: kind}}, nil
		},
		Authorize: func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error {
			owned := strings.HasPrefix(strings.ToLower(t.ID), "design-")
			creates := a == auth.ActionCreate && t == (auth.Title{})
			if p.Kind == "team" && a != auth.ActionAdminister && (owned || creates) {
				return nil
			}
			return auth.Authorize(ctx, p, a, t)
		},
		Session: &webui.Session{SignInURL: "/login", SignOutURL: "/logout"},
	}
}

// The people of a program use the API and the page with their session, and scripts the API with a token.
func TestOwnPeople(t *testing.T) {
	s := open(t, withPeople())
	token := bearer(adminToken(t, s))
	for _, c := range []struct {
		name, method, path, body string
		header                   func(http.Header)
		status                   int
	}{
		{"a token", "POST", "/api/v1/title", definition("Token", "1"), token, 201},
		{"an administrator", "POST", "/api/v1/title", definition("Ann", "1"), cookie("ann"), 201},
		{"the tokens of an administrator", "GET", "/api/v1/tokens", "", cookie("ann"), 200},
		{"a title of the team", "POST", "/api/v1/title", definition("Design-A", "1"), cookie("design"), 201},
		{"a change by the team", "PUT", "/api/v1/title/design-a", definition("Design-A", "2"), cookie("design"), 200},
		{"a title of another team", "POST", "/api/v1/title", definition("Other-A", "1"), cookie("design"), 403},
		{"a change of another title", "DELETE", "/api/v1/title/Ann", "", cookie("design"), 403},
		{"administration by the team", "POST", "/api/v1/restore", "", cookie("design"), 403},
		{"a reader", "POST", "/api/v1/title", definition("Bob", "1"), cookie("bob"), 403},
		{"a reader who asks who they are", "GET", "/api/v1/token", "", cookie("bob"), 200},
		{"an ended session", "DELETE", "/api/v1/title/Ann", "", cookie("gone"), 401},
		{"an anonymous client", "DELETE", "/api/v1/title/Ann", "", nil, 401},
		{"an invalid token", "DELETE", "/api/v1/title/Ann", "", bearer("pst_nope"), 401},
		{"the page, to the team", "POST", "/titles/Design-A/delete", "confirm=Design-A", cookie("design"), 303},
		{"the page, to a reader", "POST", "/titles/Ann/delete", "confirm=Ann", cookie("bob"), 403},
		{"the page, without a session", "POST", "/titles/Ann/delete", "confirm=Ann", nil, 401},
	} {
		w := call(s, c.method, c.path, c.body, func(h http.Header) {
			if strings.Contains(c.body, "confirm=") {
				h.Set("Content-Type", "application/x-www-form-urlencoded")
			}
			if c.header != nil {
				c.header(h)
			}
		})
		if w.Code != c.status {
			t.Errorf("%s: got status %d, want %d: %.300s", c.name, w.Code, c.status, w.Body)
		}
	}
}

// The page links to the sign-in of the program, and offers what its policy allows.
func TestThePageOffersWhatIsAllowed(t *testing.T) {
	s := open(t, withPeople())
	for _, id := range []string{"Design-A", "Other"} {
		if w := call(s, "POST", "/api/v1/title", definition(id, "1"), cookie("ann")); w.Code != 201 {
			t.Fatalf("got status %d: %s", w.Code, w.Body)
		}
	}
	for _, c := range []struct {
		session, title                              string
		change, create, tokens, administer, signOut bool
	}{
		{"ann", "Other", true, true, true, true, true},
		{"design", "Design-A", true, true, false, false, true},
		{"design", "Other", false, true, false, false, true},
		{"bob", "Other", false, false, false, false, true},
		{"gone", "Other", false, false, false, false, false},
	} {
		body := call(s, "GET", "/titles/"+c.title, "", cookie(c.session)).Body.String()
		for text, want := range map[string]bool{
			"Add a version":   c.change,
			`href="/upload"`:  c.create,
			`href="/tokens"`:  c.tokens,
			`href="/sources"`: c.create,
			`href="/backup"`:  c.administer,
			`href="/logout"`:  c.signOut,
			`href="/login`:    !c.signOut,
			`name="token"`:    false,
			"pst_":            false,
			"patchsource_tok": false,
		} {
			if strings.Contains(body, text) != want {
				t.Errorf("%s on the page of %s: contains %s: %v, want %v", c.session, c.title, text, !want, want)
			}
		}
	}
}

// A program whose cookie identifies people is not open to forged requests from other sites.
func TestForgedRequests(t *testing.T) {
	s := open(t, withPeople())
	w := call(s, "POST", "/api/v1/title", definition("Evil", "1"), func(h http.Header) {
		cookie("ann")(h)
		h.Set("Content-Type", "text/plain")
		h.Set("Origin", "https://evil.example")
	})
	if w.Code != 403 || s.Catalog.Len() != 0 {
		t.Errorf("got status %d and %d titles, want 403 and none: %s", w.Code, s.Catalog.Len(), w.Body)
	}
}
