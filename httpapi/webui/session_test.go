package webui_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// sessions is an API that knows its callers by a cookie, and records the credentials of each request.
type sessions struct {
	fakeAPI
	credentials []string
}

func newSessions() *sessions {
	s := &sessions{}
	s.fakeAPI.answer = func(w http.ResponseWriter, r *http.Request) bool {
		s.credentials = append(s.credentials,
			strings.TrimSpace(r.Header.Get("Cookie")+" "+r.Header.Get("Authorization")))
		c, err := r.Cookie("session")
		switch {
		case r.URL.Path == "/api/v1/token" && err == nil && c.Value == "ann":
			fmt.Fprint(w, `{"id":"","kind":"administrator","titles_in_scope":null,"contributor":null,"expires":null}`)
		case r.URL.Path == "/api/v1/token" && err == nil && c.Value == "tom":
			fmt.Fprint(w, `{"id":"","kind":"","titles_in_scope":null,"contributor":null,"expires":null}`)
		case err == nil && c.Value == "ann", r.URL.Path == "/api/v1/contributors/token":
			fmt.Fprint(w, `{"message":"Done","id":"x"}`)
		default:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"message":"No."}`)
		}
		return true
	}
	return s
}

var ownSession = &webui.Session{SignInURL: "https://id.example.com/in", SignOutURL: "/own/out"}

// With the sessions of the program that embeds the page, a visitor is the one whom the API knows by their credentials.
// The page has links to the program's own pages, and no form for a token.
func TestOwnSession(t *testing.T) {
	api := newSessions()
	h := newPage(oneTitle(), &webui.Options{API: api, Session: ownSession, Publishing: true})

	w := send(h, "GET", "/titles/x", "", "Cookie", "session=ann")
	wantTexts(t, w, map[string]bool{
		`<a href="/own/out">Sign out</a>`: true, "Administrator": true, "Add a version": true, `href="/webhooks"`: true,
		`action="/signout"`: false, "Sign in": false, "Exchange it": false,
	})
	if got := w.Header().Get("Cache-Control"); got != "no-store" {
		t.Errorf("signed in, Cache-Control is %q, want no-store", got)
	}

	w = send(h, "GET", "/titles/x", "", "Cookie", "session=ended")
	wantTexts(t, w, map[string]bool{
		`<a href="https://id.example.com/in">Sign in</a>`: true, "Add a version": false, "Sign out": false,
		"/signin": false, "no longer valid": false,
	})
	if len(w.Result().Cookies()) > 0 {
		t.Errorf("with an ended session, the page sets the cookies %v", w.Result().Cookies())
	}

	// A page that needs a visitor asks them to sign in elsewhere.
	for _, path := range []string{"/tokens", "/titles/x/edit", "/backup"} {
		w := send(h, "GET", path, "")
		wantPage(t, w, 401)
		wantTexts(t, w, map[string]bool{
			`href="https://id.example.com/in"`: true, `name="token"`: false, "pst_": false,
		})
	}
	w = send(h, "GET", "/signin", "")
	if w.Code != 303 || w.Header().Get("Location") != "https://id.example.com/in" {
		t.Errorf("/signin answered %d to %q", w.Code, w.Header().Get("Location"))
	}
	for _, path := range []string{"/signin", "/signout"} {
		if w := send(h, "POST", path, "token=admin"); w.Code != 404 && w.Code != 405 || len(w.Result().Cookies()) > 0 {
			t.Errorf("POST %s answered %d", path, w.Code)
		}
	}
}

// The Cookie and Authorization headers of the visitor go to the API as they are, but not with calls that need no
// permission.
func TestOwnSessionCredentials(t *testing.T) {
	api := newSessions()
	h := newPage(oneTitle(), &webui.Options{API: api, Session: ownSession, Publishing: true})
	last := func() string { return api.credentials[len(api.credentials)-1] }

	w := send(h, "POST", "/titles/x/delete", "", "Cookie", "session=ann; other=1", "Authorization", "Basic YTpi")
	if w.Code != 303 || last() != "session=ann; other=1 Basic YTpi" {
		t.Errorf("a change answered %d and was sent with %q", w.Code, last())
	}
	if got := api.lastRequest(); !strings.HasPrefix(got, "DELETE /api/v1/titles/x") {
		t.Errorf("the API was asked %s", got)
	}
	w = send(h, "POST", "/contributors/token", "email=a%40example.com", "Cookie", "session=ann")
	if w.Code != 303 || last() != "" {
		t.Errorf("a lost token answered %d and was asked for with %q", w.Code, last())
	}

	// The cookie of a token does not identify a visitor.
	api.credentials = nil
	w = send(h, "POST", "/titles/x/delete", "", "Cookie", "patchsource_token=admin")
	if w.Code != 401 || strings.Contains(strings.Join(api.requests, "\n"), "DELETE /api/v1/titles/x admin") {
		t.Errorf("a token's cookie answered %d: %v", w.Code, api.requests)
	}
	for _, sent := range api.credentials {
		if strings.Contains(sent, "Bearer") {
			t.Errorf("the token of the cookie was sent: %q", sent)
		}
	}

	// A change from another site changes nothing.
	before := len(api.requests)
	w = send(h, "POST", "/titles/x/delete", "", "Cookie", "session=ann", "Sec-Fetch-Site", "cross-site")
	if w.Code != 403 || strings.Contains(strings.Join(api.requests[before:], "\n"), "DELETE") {
		t.Errorf("a change from another site answered %d: %v", w.Code, api.requests[before:])
	}
}

// The program decides what the page offers to a visitor without one of the kinds of package auth.
func TestOwnSessionOffers(t *testing.T) {
	offered := func(session webui.Session) (change, create bool) {
		h := newPage(oneTitle(), &webui.Options{API: newSessions(), Session: &session})
		body := send(h, "GET", "/titles/x", "", "Cookie", "session=tom").Body.String()
		return strings.Contains(body, "Add a version"), strings.Contains(body, `href="/upload"`)
	}
	if change, create := offered(webui.Session{}); !change || !create {
		t.Errorf("without May, the page offers to change: %v, to create: %v", change, create)
	}
	changes := func(_ *http.Request, a string, t webui.Title) bool {
		return a == "change" && t.ID == "x"
	}
	if change, create := offered(webui.Session{May: changes}); !change || create {
		t.Errorf("with May, the page offers to change: %v, to create: %v", change, create)
	}
	reads := func(*http.Request, string, webui.Title) bool { return false }
	if change, create := offered(webui.Session{May: reads}); change || create {
		t.Errorf("to a reader, the page offers to change: %v, to create: %v", change, create)
	}
}

// The page and the API together, with an Authenticator that knows a cookie.
func TestOwnSessionWithTheAPI(t *testing.T) {
	titles, err := catalog.Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer titles.Close()
	api, err := httpapi.New(titles, &httpapi.Options{
		Authenticate: func(r *http.Request) (auth.Principal, error) {
			if c, err := r.Cookie("session"); err == nil && c.Value == "ann" {
				return auth.Principal{Grant: auth.Grant{Kind: auth.Editor, Name: "Ann"}}, nil
			}
			return auth.Principal{}, auth.ErrUnauthorized
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	h := newPage(&fakeCatalog{}, &webui.Options{API: api, Session: ownSession})
	data, err := (&patch.Definition{
		ID: "App", Name: "App", Publisher: "P",
		Requirements: []patch.Criterion{
			{Name: "Application Title", Operator: "is", Value: "App", Type: "recon", And: new(true)},
		},
		Patches: []patch.Patch{{Version: "1", ReleaseDate: "2018-02-02T17:39:58Z"}},
	}).MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	contentType, body := multipartForm(t, "@app.json", string(data))
	if w := send(h, "POST", "/upload", body, "Content-Type", contentType); w.Code != 401 || titles.Len() != 0 {
		t.Errorf("an upload without a session answered %d", w.Code)
	}
	w := send(h, "POST", "/upload", body, "Content-Type", contentType, "Cookie", "session=ann")
	if w.Code != 303 || w.Header().Get("Location") != "/titles/App" || titles.Len() != 1 {
		t.Errorf("an upload answered %d: %s", w.Code, w.Body)
	}
	if body := send(h, "GET", "/", "", "Cookie", "session=ann").Body.String(); !strings.Contains(body, "Editor") {
		t.Errorf("the page does not know the visitor: %s", body)
	}
}

// Without a page for signing in, no page leads to one. The mailed token is for API calls.
func TestOwnSessionWithoutSignInURL(t *testing.T) {
	catalog := oneTitle()
	catalog.titles[0].Author = "Ann"
	for _, test := range []struct {
		url, visitor string
		links        bool
	}{
		{"", "", false},
		{"", "tom", false},
		{"/own/in", "", true},
		{"/own/in", "tom", false},
	} {
		h := newPage(catalog, &webui.Options{API: newSessions(), Publishing: true, Session: &webui.Session{
			SignInURL: test.url,
			May:       func(*http.Request, string, webui.Title) bool { return false },
		}})
		w := send(h, "GET", "/titles/x", "", "Cookie", "session="+test.visitor)
		wantPage(t, w, 200, `/titles/x/token">`)
		wantTexts(t, w, map[string]bool{
			`href=""`: false, `<dd><a href="/own/in">Sign in</a> to change it, or`: test.links,
			`<dd><a href="/titles/x/token">Request a new token</a>`: !test.links,
		})
	}
	for _, session := range []*webui.Session{{}, ownSession} {
		h := newPage(catalog, &webui.Options{API: newSessions(), Session: session})
		w := send(h, "GET", "/api/v1/contributors/verify?id=a&code=b", "", "Accept", "text/html",
			"Cookie", "session=ann")
		wantPage(t, w, 200, "Done", "Authorization: Bearer pst_")
		wantTexts(t, w, map[string]bool{`/signin"`: false})
	}
}

// To a visitor without a token, the page does not speak of the visitor's token.
func TestOwnSessionWithoutToken(t *testing.T) {
	api := newSessions()
	reads := func(*http.Request, string, webui.Title) bool { return false }
	h := newPage(oneTitle(), &webui.Options{API: api, Session: &webui.Session{May: reads}})
	w := send(h, "GET", "/titles/x/edit", "", "Cookie", "session=tom")
	wantPage(t, w, 403, "You are not allowed to change this title.")
	wantTexts(t, w, map[string]bool{"Your token": false})

	h = newPage(oneTitle(), &webui.Options{API: api, Session: &webui.Session{}})
	w = send(h, "GET", "/tokens", "", "Cookie", "session=ann")
	wantPage(t, w, 200, "Create a token")
	wantTexts(t, w, map[string]bool{"the token that you are signed in with": false})
}

// The page offers the visitor of a session what May allows, and nothing that only the kind of the visitor would.
func TestOwnSessionOffersWhatMayAllows(t *testing.T) {
	var allowed string
	h := newPage(oneTitle(), &webui.Options{API: newSessions(), Session: &webui.Session{
		May: func(_ *http.Request, a string, _ webui.Title) bool { return a == allowed },
	}})
	for _, allowed = range []string{
		"none", "create", "change", "tokens", "administer",
	} {
		for _, session := range []string{"ann", "tom"} { // an administrator, and a person without a kind
			w := send(h, "GET", "/publish", "", "Cookie", "session="+session)
			sources := allowed != "none" && allowed != "tokens"
			wantTexts(t, w, map[string]bool{
				`href="/upload"`:   allowed == "create",
				`href="/tokens"`:   allowed == "tokens",
				`href="/sources"`:  sources,
				`href="/webhooks"`: allowed == "administer",
				`href="/backup"`:   allowed == "administer",
			})
		}
	}
}

// Visitors with a session read nothing about a token that they do not have.
func TestOwnSessionHasNoTokens(t *testing.T) {
	may := true
	h := newPage(oneTitle(), &webui.Options{API: newSessions(), Session: &webui.Session{
		SignInURL: "/in",
		May:       func(*http.Request, string, webui.Title) bool { return may },
	}})
	const noToken = "you need a token"
	page := func(path, session string) *httptest.ResponseRecorder {
		return send(h, "GET", path, "", "Cookie", "session="+session)
	}
	wantTexts(t, page("/publish", "ann"), map[string]bool{">Upload a definition</a>": true, noToken: false})
	wantTexts(t, page("/publish", ""), map[string]bool{"sign in.": true, noToken: false})
	may = false
	wantTexts(t, page("/publish", "ann"), map[string]bool{"You are not allowed to create titles": true, noToken: false})
	wantTexts(t, page("/titles/x/edit", "ann"), map[string]bool{
		"You are not allowed to change this title.": true, "token": false,
	})
}

// A server without a mailer offers to mail no tokens.
func TestNoTokensAreMailedWithoutPublishing(t *testing.T) {
	titles := oneTitle()
	titles.titles[0].Author = "Ann"
	for _, publishing := range []bool{true, false} {
		h := newPage(titles, &webui.Options{API: &fakeAPI{}, Publishing: publishing})
		wantTexts(t, send(h, "GET", "/titles/x", ""), map[string]bool{"request a new token": publishing})
		w := send(h, "GET", "/titles/x/token", "")
		wantTexts(t, w, map[string]bool{"Mail a new token": publishing})
		if (w.Code == 200) != publishing {
			t.Errorf("publishing: %v, the page of the token has status %d", publishing, w.Code)
		}
		w = send(h, "GET", "/titles/x/token", "", "Cookie", "patchsource_token=title")
		wantTexts(t, w, map[string]bool{"Exchange it": true, "Mail a new token": publishing})
	}
}

// The hint of where tokens are found is the server's, and there is none by default.
func TestSignInHint(t *testing.T) {
	for _, hint := range []string{"", "Ask the help desk for a token."} {
		h := newPage(oneTitle(), &webui.Options{API: &fakeAPI{}, SignInHint: hint})
		wantTexts(t, send(h, "GET", "/signin", ""), map[string]bool{
			"Ask the help desk": hint != "", "administrator’s token is in": false,
		})
	}
}
