package server_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store/memstore"
)

// sessions contains the names of signed-in people by the value of their cookie, in a program with its own login.
var sessions = map[string]string{"8c2f": "ann", "51d0": "bob"}

// createTitle creates a title with a header of the request, and prints the status of the answer.
func createTitle(s http.Handler, id, header, value string) {
	r := httptest.NewRequest("POST", "/api/v1/title", strings.NewReader(definition(id, "1.0")))
	r.Header.Set(header, value)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	fmt.Println(id, w.Code)
}

// People sign in with the session of the program, and scripts with tokens of the server.
func ExampleConfig_sessionOrToken() {
	people := func(r *http.Request) (auth.Principal, error) {
		c, err := r.Cookie("session")
		if err != nil || sessions[c.Value] == "" {
			return auth.Principal{}, auth.ErrUnauthorized
		}
		return auth.Principal{Grant: auth.Grant{Name: sessions[c.Value], Kind: auth.Editor}}, nil
	}
	ctx := context.Background()
	s, err := server.Open(ctx, server.Config{Store: memstore.New(), Authenticate: people})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	token, _, err := s.Tokens.Issue(ctx, auth.Grant{Name: "pipeline", Kind: auth.Editor})
	if err != nil {
		log.Fatal(err)
	}
	createTitle(s, "Ann", "Cookie", "session=8c2f")
	createTitle(s, "Pipeline", "Authorization", "Bearer "+token)
	createTitle(s, "Anonymous", "Cookie", "session=dead")
	// Output:
	// Ann 201
	// Pipeline 201
	// Anonymous 401
}

// A person who is signed in without a kind may change nothing. The answer is 403, and not the 401 that asks an
// anonymous client to sign in.
func ExampleConfig_readOnly() {
	people := func(r *http.Request) (auth.Principal, error) {
		name, _, _ := r.BasicAuth() // checked by a reverse proxy
		kind := map[string]auth.Kind{"ann": auth.Administrator}[name]
		return auth.Principal{Grant: auth.Grant{Name: name, Kind: kind}}, nil
	}
	s, err := server.Open(context.Background(), server.Config{Store: memstore.New(), Authenticate: people})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	createTitle(s, "Ann", "Authorization", "Basic YW5uOg==")
	createTitle(s, "Bob", "Authorization", "Basic Ym9iOg==")
	createTitle(s, "Anonymous", "Authorization", "")
	// Output:
	// Ann 201
	// Bob 403
	// Anonymous 401
}

// A team owns the titles whose ids begin with its name. It may create and change them, and issue tokens for them.
func ExampleConfig_team() {
	people := func(r *http.Request) (auth.Principal, error) {
		return auth.Principal{Grant: auth.Grant{Name: r.Header.Get("X-Team")}}, nil // set by a reverse proxy
	}
	teams := func(ctx context.Context, p auth.Principal, a auth.Action, t auth.Title) error {
		if a != auth.ActionAdminister && p.Name != "" && strings.HasPrefix(t.ID, p.Name+"-") {
			return nil
		}
		return auth.Authorize(ctx, p, a, t)
	}
	s, err := server.Open(context.Background(), server.Config{
		Store:        memstore.New(),
		Authenticate: people,
		Authorize:    teams,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	createTitle(s, "Design-Fonts", "X-Team", "Design")
	createTitle(s, "Network-VPN", "X-Team", "Design")
	createTitle(s, "Anonymous", "X-Team", "")
	// Output:
	// Design-Fonts 201
	// Network-VPN 403
	// Anonymous 401
}
