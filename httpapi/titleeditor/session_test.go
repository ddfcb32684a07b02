package titleeditor_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/titleeditor"
)

// sessionIn returns the session in the answer to a login.
func sessionIn(t testing.TB, w *httptest.ResponseRecorder) string {
	t.Helper()
	var answer struct{ Token, Expires string }
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || w.Code != 200 || answer.Token == "" {
		t.Fatalf("login: status %d, %v: %s", w.Code, err, w.Body)
	}
	return answer.Token
}

func TestLogin(t *testing.T) {
	f := newFixture(t, nil)
	for _, path := range []string{"/v2/auth/tokens", "/v2/auth/token", "//v2/auth/tokens", "/v2//auth/tokens/"} {
		w := f.login(path, "ann", f.token)
		session := sessionIn(t, w)
		if !strings.Contains(w.Body.String(), "\n  \"token\": \"") ||
			!strings.Contains(w.Body.String(), "\n  \"expires\": \"2026-05-01T12:15:00Z\"\n") {
			t.Errorf("%s: got %s", path, w.Body)
		}
		var c map[string]any
		claims, err := base64.RawURLEncoding.DecodeString(strings.Split(session, ".")[1])
		if err != nil || json.Unmarshal(claims, &c) != nil {
			t.Fatalf("the claims are %q, %v", claims, err)
		}
		if c["user"] != "ann" || c["exp"] != float64(f.now.Add(15*time.Minute).Unix()) ||
			c["iat"] != float64(f.now.Unix()) || c["domain"] != "example.com" || c["tenantId"] != "patchsource" {
			t.Errorf("got the claims %s", claims)
		}
		if strings.Contains(string(claims), f.token[4:16]) {
			t.Errorf("the claims have a part of the token: %s", claims)
		}
	}
	w := f.send("POST", "/v2/auth/tokens", `{}`, "Authorization", "Basic "+
		base64.StdEncoding.EncodeToString([]byte("ann:"+f.token)))
	f.session = sessionIn(t, w)
	current := f.ok("POST", "/v2/auth/current", nil)
	if current["user"] != "ann" || number(current, "id") <= 0 || len(current["scope"].([]any)) == 0 {
		t.Errorf("current: %v", current)
	}
	f.now = f.now.Add(10 * time.Minute)
	f.session = sessionIn(t, f.send("POST", "/v2/auth/keepalive", nil))
	f.now = f.now.Add(10 * time.Minute)
	f.ok("POST", "/v2/auth/current", nil)
}

func TestLoginIsRefused(t *testing.T) {
	f := newFixture(t, nil)
	long := strings.Repeat("a", 256)
	for name, c := range map[string]struct{ user, password string }{
		"wrong password":    {"ann", "wrong"},
		"no password":       {"ann", ""},
		"another's token":   {"ann", newFixture(t, nil).token},
		"user name as long": {long, f.token},
	} {
		w := f.login("/v2/auth/tokens", c.user, c.password)
		r, err := refusalIn(w)
		if err != nil || r.status != 401 || !strings.HasPrefix(w.Header().Get("WWW-Authenticate"), "Basic ") {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	if r := f.refused("POST", "/v2/auth/tokens", nil); r.status != 401 {
		t.Errorf("with a Bearer: %+v", r)
	}
	for _, path := range []string{"/v2/auth/recover", "/v2/auth/invalidate-token"} {
		if r := f.refused("POST", path, nil); r.status != 404 {
			t.Errorf("%s: %+v", path, r)
		}
	}
}

// Logins that fail are limited for each address, and those that succeed are not.
func TestFailedLoginsAreLimited(t *testing.T) {
	f := newFixture(t, func(c *titleeditor.Config) { c.LoginLimit = 6 })
	var got []int
	for range 4 {
		w := f.login("/v2/auth/tokens", "ann", "wrong")
		got = append(got, w.Code)
		if w.Code == 429 && w.Header().Get("Retry-After") == "" {
			t.Error("429 without Retry-After")
		}
	}
	if want := []int{401, 401, 429, 429}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	sessionIn(t, f.login("/v2/auth/tokens", "ann", f.token))
}

// A session holds on other servers and after a restart. It ends after 15 minutes, and with its token.
func TestSessions(t *testing.T) {
	f := newFixture(t, nil)
	token := f.issue(auth.Grant{Kind: auth.Editor})
	f.session = sessionIn(t, f.login("/v2/auth/tokens", "ann", token))
	restarted := *f
	var err error
	restarted.handler, err = titleeditor.New(&titleeditor.Config{
		Catalog: f.catalog, Tokens: f.tokens, Key: key, Now: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	other := *f
	other.handler, err = titleeditor.New(&titleeditor.Config{
		Catalog: f.catalog, Tokens: f.tokens, Now: func() time.Time { return f.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	if w := restarted.send("GET", "/v2/softwaretitles", nil); w.Code != 200 {
		t.Errorf("after a restart: status %d: %s", w.Code, w.Body)
	}
	if r := other.refused("GET", "/v2/softwaretitles", nil); r.status != 401 {
		t.Errorf("with another key: %+v", r)
	}
	f.now = f.now.Add(15 * time.Minute)
	if r := f.refused("GET", "/v2/softwaretitles", nil); r.status != 401 || r.description != "Expired token" {
		t.Errorf("after 15 minutes: %+v", r)
	}
	f.session = sessionIn(t, f.login("/v2/auth/tokens", "ann", token))
	p, err := f.tokens.Authenticate(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.tokens.Revoke(t.Context(), p.TokenID); err != nil {
		t.Fatal(err)
	}
	if r := f.refused("POST", "/v2/auth/keepalive", nil); r.status != 401 || r.description != "Token not found" {
		t.Errorf("after the token was revoked: %+v", r)
	}
}

// What is no session of this server is refused, with the words that clients look for.
func TestForgedSessions(t *testing.T) {
	f := newFixture(t, nil)
	p, err := f.tokens.Authenticate(t.Context(), f.token)
	if err != nil {
		t.Fatal(err)
	}
	claims := func(exp any) jwt.MapClaims {
		c := jwt.MapClaims{"user": "ann", "tid": p.TokenID}
		if exp != nil {
			c["exp"] = exp
		}
		return c
	}
	later := f.now.Add(time.Minute).Unix()
	sign := func(method jwt.SigningMethod, key any, c jwt.MapClaims) string {
		s, err := jwt.NewWithClaims(method, c).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	valid := sign(jwt.SigningMethodHS256, key, claims(later))
	if w := f.send("GET", "/v2/available", nil, "Authorization", "Bearer "+valid); w.Code != 200 {
		t.Fatalf("a valid session: status %d: %s", w.Code, w.Body)
	}
	parts := strings.Split(valid, ".")
	for name, credentials := range map[string]string{
		"none":          "",
		"Basic":         "Basic " + base64.StdEncoding.EncodeToString([]byte("ann:"+f.token)),
		"no token":      "Bearer",
		"nonsense":      "Bearer nonsense",
		"empty parts":   "Bearer ..",
		"no claims":     "Bearer e30.e30.e30",
		"no signature":  "Bearer " + parts[0] + "." + parts[1] + ".",
		"alg none":      "Bearer " + sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, claims(later)),
		"another alg":   "Bearer " + sign(jwt.SigningMethodHS384, key, claims(later)),
		"another key":   "Bearer " + sign(jwt.SigningMethodHS256, []byte("another"), claims(later)),
		"without end":   "Bearer " + sign(jwt.SigningMethodHS256, key, claims(nil)),
		"end of a text": "Bearer " + sign(jwt.SigningMethodHS256, key, claims("never")),
		"unknown token": "Bearer " + sign(jwt.SigningMethodHS256, key,
			jwt.MapClaims{"exp": later, "tid": "aaaaaaaaaaaa"}),
		"without a token": "Bearer " + sign(jwt.SigningMethodHS256, key, jwt.MapClaims{"exp": later}),
		"very long":       "Bearer " + strings.Repeat("a.", 1<<16),
	} {
		r := f.refused("GET", "/v2/softwaretitles", nil, "Authorization", credentials)
		if r.status != 401 || r.description != "Token not found" {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

// A bearer token is accepted in place of a session. It begins one by keepalive.
func TestBearerToken(t *testing.T) {
	f := newFixture(t, nil)
	if w := f.send("GET", "/v2/softwaretitles", nil); w.Code != 200 {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
	if r := f.refused("POST", "/v2/auth/current", nil); r.status != 401 {
		t.Errorf("current: %+v", r)
	}
	f.session = sessionIn(t, f.send("POST", "/v2/auth/keepalive", nil))
	f.ok("POST", "/v2/auth/current", nil)
}
