package app

import (
	"sync/atomic"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/examples/server/internal/setup"
	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/store"
)

// setupKeyPurpose is the purpose of the key by which the server recognizes itself.
const setupKeyPurpose = "setup"

// setup returns the steps of the page that leads through the configuration. They ask the server of b when the page is
// shown, which is after the server is open.
func (f *flags) setup(b *backend, addresses addresses) *webui.Setup {
	_, shared := store.As[store.Watcher](b.store)
	c := setup.Config{
		BaseURL:  addresses.base,
		Local:    addresses.local,
		Fallback: addresses.site,
		Key:      b.secret.Key(setupKeyPurpose),
		Mailer:   b.mailer,
		Mail:     f.Mail,
		MailFrom: f.MailFrom,
		Titles:   func() int { return b.Catalog.Len() },
		LastRead: func() (server.Read, bool) { return b.LastRead() },
		Shared:   shared,
		Fresh:    neverUsed(func() []auth.Info { return b.Tokens.List() }),
	}
	switch {
	case len(f.ACME) > 0:
		c.Certificate = "--acme"
	case f.TLSCert != "":
		c.Certificate = "--tls-cert " + f.TLSCert
	}
	return setup.New(c)
}

// neverUsed returns a function that reports whether no token was ever used, so that no administrator has signed in yet.
// Once a token was used, it does not look again.
func neverUsed(list func() []auth.Info) func() bool {
	var used atomic.Bool
	return func() bool {
		if used.Load() {
			return false
		}
		for _, token := range list() {
			if !token.Used.IsZero() {
				used.Store(true)
				return false
			}
		}
		return true
	}
}
