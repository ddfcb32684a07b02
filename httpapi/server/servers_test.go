package server_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// otherSecret returns a secret that is not that of newSecret.
func otherSecret(t *testing.T) auth.Secret {
	t.Helper()
	secret, err := auth.NewSecret(bytes.Repeat([]byte{8}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// A server does not open a shared store with another secret than the others have. A store without the record of the
// secret gets it.
func TestServersNeedTheSameSecret(t *testing.T) {
	shared := memstore.New()
	open(t, server.Config{Store: shared}) // without a secret
	open(t, server.Config{Store: shared, Secret: newSecret(t)})
	open(t, server.Config{Store: shared, Secret: newSecret(t)})
	_, err := server.Open(t.Context(), server.Config{Store: shared, Secret: otherSecret(t)})
	if !errors.Is(err, auth.ErrSecret) || !strings.Contains(err.Error(), "use the secret of the other servers") {
		t.Errorf("Open with another secret: %v, want ErrSecret", err)
	}
	open(t, server.Config{Store: shared, Secret: newSecret(t)})
}

// The only server of a store is not locked out if its secret was lost, but it says so, once.
func TestOneServerMayGetAnotherSecret(t *testing.T) {
	alone := struct{ store.Store }{memstore.New()}
	warnings := func(secret auth.Secret) int {
		var log bytes.Buffer
		open(t, server.Config{Store: alone, Secret: secret, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		return strings.Count(log.String(), "takes its place")
	}
	if n := warnings(newSecret(t)); n != 0 {
		t.Errorf("the first secret: %d warnings, want 0", n)
	}
	if n := warnings(otherSecret(t)); n != 1 {
		t.Errorf("another secret: %d warnings, want 1", n)
	}
	if n := warnings(otherSecret(t)); n != 0 {
		t.Errorf("the new secret again: %d warnings, want 0", n)
	}
}

// A title, a token and a contributor that one server has made are known to another one: the token and the link at once,
// and the rest while both run. A revocation is seen within a second.
func TestTwoServers(t *testing.T) {
	s := memstore.New()
	outbox := t.TempDir()
	openOne := func() *server.Server {
		mailer, err := mail.NewOutbox(outbox, "patches@example.com")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = mailer.Close() })
		return open(t, server.Config{
			Store:  s,
			Secret: newSecret(t),
			Mailer: mailer,
			Site:   "https://patches.example.com",
		})
	}
	one, two := openOne(), openOne()
	for _, s := range []*server.Server{one, two} {
		stop := start(t, s)
		t.Cleanup(func() { _ = stop() })
	}
	token, id, err := one.Tokens.Issue(t.Context(), auth.Grant{Kind: auth.Administrator})
	if err != nil {
		t.Fatal(err)
	}
	if w := call(two, "POST", "/api/v1/title", definition("App", "1"), jsonBody(token)); w.Code != http.StatusCreated {
		t.Fatalf("a title with a token of the other server: %d: %s", w.Code, w.Body)
	}
	waitFor(t, "the title at the other server", func() bool {
		return call(one, "GET", "/jamf/v1/patch/App", "", nil).Code == http.StatusOK
	})

	registration := `{"name":"MacMan","email":"mac@example.com"}`
	if w := call(one, "POST", "/api/v1/contributors/register", registration, jsonBody("")); w.Code >= 300 {
		t.Fatalf("register: %d: %s", w.Code, w.Body)
	}
	if w := call(two, "GET", linkIn(t, outbox), "", nil); w.Code != http.StatusOK {
		t.Fatalf("the link at the other server: %d: %s", w.Code, w.Body)
	}
	for _, s := range []*server.Server{one, two} {
		if w := call(s, "GET", "/jamf/v1/macman/software", "", nil); w.Code != http.StatusOK {
			t.Errorf("the contributor's own feed: %d: %s", w.Code, w.Body)
		}
	}
	waitFor(t, "the contributor in the list of the first server", func() bool {
		return strings.Contains(call(one, "GET", "/api/v1/contributors", "", nil).Body.String(), "MacMan")
	})

	if err := one.Tokens.Revoke(context.Background(), id); err != nil {
		t.Fatal(err)
	}
	revoked := time.Now()
	waitFor(t, "the revocation at the other server", func() bool {
		return call(two, "GET", "/api/v1/token", "", bearer(token)).Code == http.StatusUnauthorized
	})
	if d := time.Since(revoked); d > 5*time.Second {
		t.Errorf("the revocation was seen after %v", d)
	}
}

// jsonBody returns a header function for call with a body in JSON, and a token unless it is empty.
func jsonBody(token string) func(http.Header) {
	return func(h http.Header) {
		h.Set("Content-Type", "application/json")
		if token != "" {
			h.Set("Authorization", "Bearer "+token)
		}
	}
}

// linkIn returns the path of the link in the mails of an outbox.
func linkIn(t *testing.T, outbox string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(outbox, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(data), "=\r\n", "")
		text = strings.ReplaceAll(text, "=3D", "=")
		if _, rest, ok := strings.Cut(text, "https://patches.example.com"); ok {
			if link := strings.Fields(rest)[0]; strings.Contains(link, "verify?") {
				return link
			}
		}
	}
	t.Fatalf("no link in %q", files)
	return ""
}
