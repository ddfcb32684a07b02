package httpapi_test

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/httpapi/openapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A reach is who may make a call.
type reach int

const (
	anybody reach = iota
	holders       // of any good token
	makers        // of titles: administrators, editors, contributors
	owners        // of the title: administrators, editors, its contributor, holders of a token for it
	own           // the holder of a title's own token
	admins
)

// reaches says of every call that is documented who may make it; those that are not listed are open to anybody.
var reaches = map[string]reach{
	"POST /api/v1/title":                            makers,
	"POST /api/title":                               makers,
	"POST /api/v1/titles":                           makers,
	"POST /api/v1/subscribe":                        makers,
	"POST /subscribe":                               makers,
	"PUT /api/v1/title/{id}":                        owners,
	"PUT /api/title/{id}":                           owners,
	"PUT /api/v1/titles/{id}":                       owners,
	"DELETE /api/v1/title/{id}":                     owners,
	"DELETE /api/title/{id}":                        owners,
	"DELETE /api/v1/titles/{id}":                    owners,
	"POST /api/v1/title/{id}/version":               owners,
	"POST /api/v1/titles/{id}/version":              owners,
	"POST /api/v1/titles/{id}/versions":             owners,
	"POST /api/title/{id}/version":                  owners,
	"DELETE /api/v1/title/{id}/version/{version}":   owners,
	"DELETE /api/v1/titles/{id}/version/{version}":  owners,
	"DELETE /api/v1/titles/{id}/versions/{version}": owners,
	"DELETE /api/title/{id}/version/{version}":      owners,
	"POST /api/v1/titles/{id}/history/{n}/restore":  owners,
	"POST /api/v1/title/{id}/sync":                  owners,
	"POST /api/v1/titles/{id}/sync":                 owners,
	"POST /api/v1/title/{id}/token":                 own,
	"POST /api/v1/unsubscribe/{id}":                 owners,
	"POST /unsubscribe/{id}":                        owners,
	"GET /api/v1/token":                             holders,
	"GET /api/v1/tokens":                            holders,
	"POST /api/v1/tokens":                           holders,
	"POST /api/v1/tokens/{id}/invalidate":           holders,
	"GET /api/v1/sync":                              holders,
	"POST /api/v1/sync":                             admins,
	"POST /api/v1/titles/import":                    admins,
	"POST /api/v1/restore":                          admins,
	"GET /api/v1/webhooks":                          admins,
	"POST /api/v1/webhooks":                         admins,
	"DELETE /api/v1/webhooks/{id}":                  admins,
	"POST /api/v1/webhooks/{id}/test":               admins,
	"POST /api/v1/contributors/{name}/release":      admins,
}

// Every call, with every kind of token, and the id written in every way: nobody gets further than they may.
func TestScopeOfEveryCall(t *testing.T) {
	type holder struct {
		name, token string
		may         []reach
	}
	for _, call := range documentedCalls(t) {
		t.Run(call, func(t *testing.T) {
			p := newPublic(t, httpapi.Options{RateLimit: -1, LintLimit: -1})
			hooks, err := webhook.Open(t.Context(), memstore.New(), &webhook.Options{Key: make([]byte, 32)})
			if err != nil {
				t.Fatal(err)
			}
			p.handler = newHandler(
				t,
				p.cat,
				&httpapi.Options{
					Tokens:    p.auth,
					Community: services.Community(p.comm),
					Sync:      services.Sync(p.sync),
					Webhooks:  services.Webhooks(hooks),
					RootFeed:  true,
					RateLimit: -1,
					LintLimit: -1,
				},
			)
			def := parse(t, definition("A", "2", "1"))
			if err := def.Namespace("macman"); err != nil {
				t.Fatal(err)
			}
			res, err := p.cat.Create(t.Context(), def, &catalog.CreateOptions{Author: "macman", Contributor: "macman"})
			if err != nil {
				t.Fatal(err)
			}
			p.create("Other")
			other, err := p.cat.Title("Other")
			if err != nil {
				t.Fatal(err)
			}
			revoked := p.token(auth.Grant{Kind: auth.Administrator})
			who, err := p.auth.Authenticate(t.Context(), revoked)
			if err == nil {
				err = p.auth.Revoke(t.Context(), who.TokenID)
			}
			if err != nil {
				t.Fatal(err)
			}
			uid := res.Title.UID
			need := reaches[call]
			for _, h := range []holder{
				{"no token", "", nil},
				{"a made-up token", "pst_" + strings.Repeat("A", 59), nil},
				{"a revoked token", revoked, nil},
				{"another title's", p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{other.UID}}), []reach{holders}},
				{"another contributor's", p.token(auth.Grant{Kind: auth.Contributor, Contributor: "winman"}), []reach{holders, makers}},
				{"the title's", p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{uid}}), []reach{holders, owners, own}},
				{"its contributor's", p.token(auth.Grant{Kind: auth.Contributor, Contributor: "macman"}), []reach{holders, makers, owners}},
				{"an editor's", p.token(auth.Grant{Kind: auth.Editor, Expires: time.Now().Add(time.Hour)}), []reach{holders, makers, owners}},
				{"an administrator's", p.token(auth.Grant{Kind: auth.Administrator}), []reach{holders, makers, owners, admins}},
			} {
				for _, id := range []string{"A_macman", "a_MACMAN", "A%5Fmacman", "/A_macman/"} {
					if !strings.Contains(call, "{id}") && id != "A_macman" {
						continue
					}
					status := p.try(call, id, h.token)
					allowed := need == anybody || slices.Contains(h.may, need)
					refused := status == http.StatusForbidden || status == http.StatusUnauthorized
					switch {
					case need == anybody:
						if refused && h.token == "" && !strings.Contains(call, "verify") &&
							call != "POST /api/v1/token" { // whose answers these are
							t.Errorf("%s of %s: %d, and anybody may", h.name, id, status)
						}
					case h.token == "" && need == makers && status == http.StatusBadRequest: // an empty publication
					case h.may == nil && status != http.StatusUnauthorized && !(need == own && h.token == ""):
						t.Errorf("%s of %s: %d, want 401", h.name, id, status)
					case h.may != nil && !allowed && status != http.StatusForbidden && status != http.StatusNotFound:
						t.Errorf("%s of %s: %d, want 403", h.name, id, status)
					case allowed && status == http.StatusUnauthorized:
						t.Errorf("%s of %s: %d, though it may", h.name, id, status)
					case allowed && status == http.StatusForbidden && need != holders && !strings.Contains(call, "unsubscribe"):
						t.Errorf("%s of %s: %d, though it may", h.name, id, status)
					}
				}
			}
			if _, err := p.cat.Title("Other"); err != nil {
				t.Errorf("a title was touched that the call is not about: %v", err)
			}
		})
	}
}

// try makes a call without a body that could change anything, and returns the status.
func (p *public) try(call, id, token string) int {
	method, path, _ := strings.Cut(call, " ")
	path = strings.NewReplacer("{id}", id, "{ids}", id, "{version}", "77", "{n}", "77", "{name}", "x", "{contributor}", "macman").
		Replace(path)
	var header []string
	if token != "" {
		header = append(header, "Authorization", "Bearer "+token)
	}
	if method == "DELETE" && !strings.Contains(path, "version") {
		header = append(header, "If-Match", `"stale"`) // so that the title is there for the next one
	}
	if strings.HasSuffix(call, "{id}/token") && token != "" {
		method = "PATCH" // an exchange would end the token: its own test has that
		return p.exchangeable(id, token)
	}
	return p.do(method, path, "", header...).Code
}

// exchangeable returns the status that an exchange of a token would have, as far as it depends on who asks.
func (p *public) exchangeable(id, token string) int {
	w := p.do("POST", "/api/v1/title/"+id+"/version", "", "Authorization", "Bearer "+token)
	who, err := p.auth.Authenticate(p.t.Context(), token)
	if err == nil && who.Kind != auth.TitleToken {
		return http.StatusForbidden
	}
	return w.Code
}

// documentedCalls returns every call of the published contract, as "METHOD /path".
func documentedCalls(t *testing.T) (calls []string) {
	t.Helper()
	path := ""
	for line := range strings.Lines(string(openapi.Document())) {
		if m := regexp.MustCompile(`^  (/\S*):\n$`).FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := regexp.MustCompile(`^    (get|put|post|delete):\n$`).FindStringSubmatch(line); m != nil && path != "/metrics" {
			calls = append(calls, fmt.Sprintf("%s %s", strings.ToUpper(m[1]), path))
		}
	}
	if len(calls) < 50 {
		t.Fatalf("the document has %d calls", len(calls))
	}
	for call := range reaches {
		if !slices.Contains(calls, call) {
			t.Errorf("%s is not documented", call)
		}
	}
	return calls
}
