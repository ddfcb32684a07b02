package httpapi_test

import (
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/httpapi/openapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A reach is a set of clients that may make a call.
type reach int

const (
	everybody reach = iota
	holders         // of any valid token
	makers          // of titles: administrators, editors, contributors
	owners          // of the title: administrators, editors, its contributor, holders of a token for it
	own             // the holder of a title's own token
	admins
)

// reaches are the reaches of the documented calls. A call that is not listed needs no permission.
var reaches = map[string]reach{
	"POST /api/v1/title":                                makers,
	"POST /api/title":                                   makers,
	"POST /api/v1/titles":                               makers,
	"POST /api/v1/subscribe":                            makers,
	"POST /subscribe":                                   makers,
	"PUT /api/v1/title/{id}":                            owners,
	"PUT /api/title/{id}":                               owners,
	"PUT /api/v1/titles/{id}":                           owners,
	"DELETE /api/v1/title/{id}":                         owners,
	"DELETE /api/title/{id}":                            owners,
	"DELETE /api/v1/titles/{id}":                        owners,
	"POST /api/v1/title/{id}/version":                   owners,
	"POST /api/v1/titles/{id}/version":                  owners,
	"POST /api/v1/titles/{id}/versions":                 owners,
	"POST /api/title/{id}/version":                      owners,
	"DELETE /api/v1/title/{id}/version/{version}":       owners,
	"DELETE /api/v1/titles/{id}/version/{version}":      owners,
	"DELETE /api/v1/titles/{id}/versions/{version}":     owners,
	"DELETE /api/title/{id}/version/{version}":          owners,
	"POST /api/v1/titles/{id}/history/{n}/restore":      owners,
	"GET /api/v1/titles/{id}/draft":                     owners,
	"PUT /api/v1/titles/{id}/draft":                     owners,
	"DELETE /api/v1/titles/{id}/draft":                  owners,
	"POST /api/v1/titles/{id}/draft/publish":            owners,
	"POST /api/v1/titles/{id}/disable":                  owners,
	"POST /api/v1/titles/{id}/order":                    owners,
	"POST /api/v1/titles/{id}/versions/{version}/clone": owners,
	"POST /api/v1/definitions/from-application":         holders,
	"GET /api/v1/drafts":                                holders,
	"GET /api/v1/overview":                              holders,
	"GET /api/v1/audit":                                 admins,
	"POST /api/v1/title/{id}/sync":                      owners,
	"POST /api/v1/titles/{id}/sync":                     owners,
	"POST /api/v1/title/{id}/token":                     own,
	"POST /api/v1/unsubscribe/{id}":                     owners,
	"POST /unsubscribe/{id}":                            owners,
	"GET /api/v1/token":                                 holders,
	"GET /api/v1/tokens":                                holders,
	"POST /api/v1/tokens":                               holders,
	"POST /api/v1/tokens/{id}/invalidate":               holders,
	"GET /api/v1/sync":                                  holders,
	"POST /api/v1/sync":                                 admins,
	"POST /api/v1/titles/import":                        admins,
	"POST /api/v1/restore":                              admins,
	"GET /api/v1/webhooks":                              admins,
	"POST /api/v1/webhooks":                             admins,
	"DELETE /api/v1/webhooks/{id}":                      admins,
	"POST /api/v1/webhooks/{id}/test":                   admins,
	"GET /api/v1/webhooks/{id}/deliveries":              admins,
	"POST /api/v1/contributors/{name}/release":          admins,

	"POST /api/v1/webhooks/{id}/deliveries/{delivery}/retry": admins,
}

// A holder is a client with a token of a kind.
type holder struct {
	name, token string
	may         []reach // nil: the token is not valid
}

// A scopeBench has the title A_macman of a contributor, the title Other, and a token of every kind.
type scopeBench struct {
	*public
	holders []holder
}

func newScopeBench(t *testing.T) *scopeBench {
	t.Helper()
	p := newPublic(t, httpapi.Options{})
	hooks, err := webhook.Open(t.Context(), memstore.New(), &webhook.Options{Key: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	p.handler = newHandler(t, p.catalog, &httpapi.Options{
		Tokens:    p.auth,
		Community: services.Community(p.community),
		Sync:      services.Sync(p.sync),
		Webhooks:  services.Webhooks(hooks),
		Audit:     audit.New(memstore.New(), nil),
		RootFeed:  true,
		RateLimit: -1,
		LintLimit: -1,
	})
	def := parse(t, definition("A", "2", "1"))
	if err := def.Namespace("macman"); err != nil {
		t.Fatal(err)
	}
	opts := &catalog.CreateOptions{Author: "macman", Contributor: "macman"}
	res, err := p.catalog.Create(t.Context(), def, opts)
	if err != nil {
		t.Fatal(err)
	}
	p.create("Other")
	other, err := p.catalog.Title("Other")
	if err != nil {
		t.Fatal(err)
	}
	revoked := p.token(auth.Grant{Kind: auth.Administrator})
	principal, err := p.auth.Authenticate(t.Context(), revoked)
	if err == nil {
		err = p.auth.Revoke(t.Context(), principal.TokenID)
	}
	if err != nil {
		t.Fatal(err)
	}
	ofTitle := func(uid string) string { return p.token(auth.Grant{Kind: auth.TitleToken, Titles: []string{uid}}) }
	ofContributor := func(id string) string { return p.token(auth.Grant{Kind: auth.Contributor, Contributor: id}) }
	editor := p.token(auth.Grant{Kind: auth.Editor, Expires: time.Now().Add(time.Hour)})
	admin := p.token(auth.Grant{Kind: auth.Administrator})
	return &scopeBench{p, []holder{
		{"no token", "", nil},
		{"made-up token", "pst_" + strings.Repeat("A", 59), nil},
		{"revoked token", revoked, nil},
		{"other title's token", ofTitle(other.UID), []reach{holders}},
		{"another contributor's token", ofContributor("winman"), []reach{holders, makers}},
		{"title's token", ofTitle(res.Title.UID), []reach{holders, owners, own}},
		{"its contributor's token", ofContributor("macman"), []reach{holders, makers, owners}},
		{"editor's token", editor, []reach{holders, makers, owners}},
		{"administrator's token", admin, []reach{holders, makers, owners, admins}},
	}}
}

// No kind of token reaches further than it may, in any documented call, however the id is written.
func TestScopeOfEveryCall(t *testing.T) {
	for _, call := range documentedCalls(t) {
		t.Run(call, func(t *testing.T) {
			b := newScopeBench(t)
			for _, h := range b.holders {
				for _, id := range []string{"A_macman", "a_MACMAN", "A%5Fmacman", "/A_macman/"} {
					if !strings.Contains(call, "{id}") && id != "A_macman" {
						continue
					}
					status := b.try(call, id, h.token)
					if want := unexpected(call, h, status); want != "" {
						t.Errorf("%s, id %s: got status %d, want %s", h.name, id, status, want)
					}
				}
			}
			if _, err := b.catalog.Title("Other"); err != nil {
				t.Errorf("the call changed a title that it is not about: %v", err)
			}
		})
	}
}

// unexpected describes the status that a call should have had, and is empty if the call has it.
func unexpected(call string, h holder, status int) string {
	need := reaches[call]
	refused := status == http.StatusForbidden || status == http.StatusUnauthorized
	switch {
	case need == everybody:
		if refused && h.token == "" && !answersWithRefusal(call) {
			return "an answer, since the call is open"
		}
	case h.may == nil:
		if status != http.StatusUnauthorized && !(h.token == "" && anonymousMay(need, status)) {
			return "401"
		}
	case !slices.Contains(h.may, need):
		if status != http.StatusForbidden && status != http.StatusNotFound {
			return "403 or 404"
		}
	case status == http.StatusUnauthorized:
		return "an answer to a valid token"
	case status == http.StatusForbidden && need != holders && !strings.Contains(call, "unsubscribe"):
		return "an answer to a token that may make the call"
	}
	return ""
}

// anonymousMay reports whether a status answers an anonymous client, who may publish, and ask for a title's token by
// mail.
func anonymousMay(need reach, status int) bool {
	return need == own || need == makers && status == http.StatusBadRequest
}

// answersWithRefusal reports whether an open call refuses an empty request.
func answersWithRefusal(call string) bool {
	return strings.Contains(call, "verify") || call == "POST /api/v1/token"
}

// try makes a call without a body that could change anything, and returns the status.
func (b *scopeBench) try(call, id, token string) int {
	method, path, _ := strings.Cut(call, " ")
	path = strings.NewReplacer(
		"{id}", id, "{ids}", id, "{version}", "77", "{n}", "77", "{name}", "x", "{contributor}", "macman",
		"{delivery}", "x",
	).Replace(path)
	header := bearer(token)
	if method == "DELETE" && !strings.Contains(path, "version") {
		header = append(header, "If-Match", `"stale"`) // the title has to stay for the next call
	}
	if strings.HasSuffix(call, "{id}/token") && token != "" {
		return b.tryExchange(id, token) // an exchange revokes the token; TestLostTitleToken has one
	}
	return b.do(method, path, "", header...).Code
}

// tryExchange returns the status that an exchange of a token would have, as far as it depends on the token.
func (b *scopeBench) tryExchange(id, token string) int {
	w := b.do("POST", "/api/v1/title/"+id+"/version", "", bearer(token)...)
	principal, err := b.auth.Authenticate(b.t.Context(), token)
	if err == nil && principal.Kind != auth.TitleToken {
		return http.StatusForbidden
	}
	return w.Code
}

var (
	pathLine   = regexp.MustCompile(`^  (/\S*):\n$`)
	methodLine = regexp.MustCompile(`^    (get|put|post|delete):\n$`)
)

// documentedCalls returns every call of the published document, as "METHOD /path".
func documentedCalls(t *testing.T) (calls []string) {
	t.Helper()
	path := ""
	for line := range strings.Lines(string(openapi.Document())) {
		if m := pathLine.FindStringSubmatch(line); m != nil {
			path = m[1]
		} else if m := methodLine.FindStringSubmatch(line); m != nil && path != "/metrics" {
			calls = append(calls, strings.ToUpper(m[1])+" "+path)
		}
	}
	if len(calls) < 50 {
		t.Fatalf("the document has %d calls, want at least 50", len(calls))
	}
	for call := range reaches {
		if !slices.Contains(calls, call) {
			t.Errorf("the document lacks %s", call)
		}
	}
	return calls
}
