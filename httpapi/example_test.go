package httpapi_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A program whose users sign in with a session cookie lets a team of them own the titles whose ids begin with Team-.
// The server's own tokens, which scripts use, are accepted as well.
func ExampleNew() {
	ctx := context.Background()
	records := memstore.New()
	titles, err := catalog.Open(ctx, records, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer titles.Close()
	tokens, err := auth.Open(ctx, records, nil)
	if err != nil {
		log.Fatal(err)
	}

	sessions := map[string]string{"c2Vzc2lvbg": "Ann"} // the program's own
	session := func(r *http.Request) (auth.Principal, error) {
		cookie, err := r.Cookie("session")
		if err != nil || sessions[cookie.Value] == "" {
			return auth.Principal{}, auth.ErrUnauthorized
		}
		return auth.Principal{Grant: auth.Grant{Name: sessions[cookie.Value]}}, nil
	}
	policy := func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error {
		owned := strings.HasPrefix(strings.ToLower(t.ID), "team-")
		if p.Name == "Ann" && owned && (a == auth.ActionCreate || a == auth.ActionChange) {
			return nil
		}
		return auth.Authorize(ctx, p, a, t)
	}
	handler, err := httpapi.New(titles, &httpapi.Options{
		Tokens:       tokens,
		Authenticate: httpapi.AnyOf(session, httpapi.BearerTokens(tokens)),
		Authorize:    policy,
	})
	if err != nil {
		log.Fatal(err)
	}

	create := func(id, cookie string) int {
		r := httptest.NewRequest("POST", "/api/v1/title", strings.NewReader(definition(id, "1.0")))
		r.AddCookie(&http.Cookie{Name: "session", Value: cookie})
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w.Code
	}
	fmt.Println("Ann creates Team-Xcode:", create("Team-Xcode", "c2Vzc2lvbg"))
	fmt.Println("Ann creates Xcode:", create("Xcode", "c2Vzc2lvbg"))
	fmt.Println("an anonymous client creates Team-Word:", create("Team-Word", ""))
	// Output:
	// Ann creates Team-Xcode: 201
	// Ann creates Xcode: 403
	// an anonymous client creates Team-Word: 401
}
