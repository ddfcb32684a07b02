package server_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
)

// The page leads to webhooks only if the server has them.
func TestPageWithoutWebhooks(t *testing.T) {
	for name, secret := range map[string]auth.Secret{"no secret": {}, "a secret": newSecret(t)} {
		c := withPeople()
		c.Secret = secret
		s := open(t, c)
		page := call(s, "GET", "/", "", cookie("ann")).Body.String()
		if got, want := strings.Contains(page, `href="/webhooks"`), s.Webhooks != nil; got != want ||
			!strings.Contains(page, `href="/backup"`) {
			t.Errorf("with %s, the page has a link to webhooks: %v, want %v: %s", name, got, want, page)
		}
	}
}
