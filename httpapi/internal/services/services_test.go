package services_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A service that is missing is a nil interface, which is what httpapi.Options has for none.
func TestNil(t *testing.T) {
	if s := services.Community(nil); s != nil {
		t.Errorf("Community(nil) is %v", s)
	}
	if s := services.Jobs(nil); s != nil {
		t.Errorf("Jobs(nil) is %v", s)
	}
	if s := services.Sync(nil); s != nil {
		t.Errorf("Sync(nil) is %v", s)
	}
	if s := services.Watches(nil); s != nil {
		t.Errorf("Watches(nil) is %v", s)
	}
	if s := services.Webhooks(nil); s != nil {
		t.Errorf("Webhooks(nil) is %v", s)
	}
}

// Package httpapi shows URLs as package sync does.
func TestURLs(t *testing.T) {
	for _, url := range []string{
		"", "https://example.com/a", "https://user:pass@example.com/a?token=1#frag", "https://example.com/?",
		"user:pass@host", "//user@host/x?y", "folder:definitions", "a/b.json?x", "a#b", "%zz", "http://[::1",
		"mailto:a@b.c", "https://a b/",
	} {
		if got, want := trace.URL(url), patchsync.RedactURL(url); got != want {
			t.Errorf("%q is shown as %q, and by package sync as %q", url, got, want)
		}
	}
}

// failsAt reports an error that is no failure at a path.
func failsAt(t *testing.T, err error, path string) {
	t.Helper()
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) || len(invalid.Failures) != 1 || invalid.Failures[0].Path != path {
		t.Errorf("got error %v, want a failure at %q", err, path)
	}
}

// fails reports an error that is not a target.
func fails(t *testing.T, err, target error) {
	t.Helper()
	if !errors.Is(err, target) {
		t.Errorf("got error %v, want %q", err, target)
	}
}

func newWebhooks(t *testing.T) httpapi.Webhooks {
	t.Helper()
	service, err := webhook.Open(t.Context(), memstore.New(), &webhook.Options{Key: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	return services.Webhooks(service)
}

func TestWebhooks(t *testing.T) {
	hooks := newWebhooks(t)
	no := false
	id, err := hooks.Create(t.Context(), wire.WebhookRequest{
		URL:       "https://example.com/hook?token=hunter2",
		VerifySSL: &no,
		Secret:    "hunter2",
		Events:    []string{wire.EventNewTitle, wire.EventTitleDeleted},
	})
	if err != nil {
		t.Fatal(err)
	}
	all := hooks.List()
	if len(all) != 1 {
		t.Fatalf("got %d webhooks, want 1", len(all))
	}
	h := all[0]
	if h.ID != id || h.URL != "https://example.com/hook" || h.Format != "json" || !h.Signed {
		t.Errorf("got the webhook %+v", h)
	}
	if !h.Enabled || h.VerifySSL {
		t.Errorf("got enabled %v and verify_ssl %v, want true and false", h.Enabled, h.VerifySSL)
	}
	if strings.Join(h.Events, " ") != "new_title title_deleted" || h.Titles == nil || h.LastAttempt != nil {
		t.Errorf("got the webhook %+v", h)
	}
	if err := hooks.Delete(t.Context(), id); err != nil || len(hooks.List()) != 0 {
		t.Errorf("Delete: got %v and %d webhooks", err, len(hooks.List()))
	}
}

// All invalid members of a webhook are reported at once.
func TestInvalidWebhook(t *testing.T) {
	_, err := newWebhooks(t).Create(t.Context(), wire.WebhookRequest{
		URL:    "127.0.0.1:18485/s",
		Format: "x",
		Events: []string{"foo", wire.EventNewTitle, "bar"},
		Secret: "whsec_!",
	})
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		t.Fatalf("got %v, want a ValidationError", err)
	}
	var paths []string
	for _, f := range invalid.Failures {
		paths = append(paths, f.Path)
		if strings.Contains(f.Message, "definition.json") {
			t.Errorf("%s: the message is about a definition: %s", f.Path, f.Message)
		}
	}
	if got := strings.Join(paths, " "); got != "/url /format /events/0 /events/2 /secret" {
		t.Errorf("got failures at %s", got)
	}
	_, err = newWebhooks(t).Create(t.Context(), wire.WebhookRequest{})
	if !errors.As(err, &invalid) || len(invalid.Failures) != 1 || invalid.Failures[0].Message != "is missing: add it" {
		t.Errorf("without members: got %v, want that the URL is missing", err)
	}
}

func TestWebhookErrors(t *testing.T) {
	hooks := newWebhooks(t)
	_, err := hooks.Create(t.Context(), wire.WebhookRequest{})
	failsAt(t, err, "/url")
	events := []string{wire.EventNewTitle, "x"}
	_, err = hooks.Create(t.Context(), wire.WebhookRequest{URL: "https://example.com", Events: events})
	failsAt(t, err, "/events/1")
	fails(t, hooks.Test(t.Context(), "nope"), httpapi.ErrNoWebhook)
	fails(t, hooks.Delete(t.Context(), "nope"), httpapi.ErrNoWebhook)
	_, err = hooks.Deliveries(t.Context(), "nope")
	fails(t, err, httpapi.ErrNoWebhook)
	fails(t, hooks.Retry(t.Context(), "nope", "x"), httpapi.ErrNoWebhook)
	id, err := hooks.Create(t.Context(), wire.WebhookRequest{URL: "https://example.com"})
	if err != nil {
		t.Fatal(err)
	}
	fails(t, hooks.Retry(t.Context(), id, "x"), httpapi.ErrNoDelivery)
}

// A mailer fails with its error.
type mailer struct{ err error }

func (m *mailer) Send(context.Context, mail.Message) error { return m.err }

// parts returns a store and a catalog over it.
func parts(t *testing.T) (store.Store, *catalog.Catalog) {
	t.Helper()
	s := memstore.New()
	titles, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = titles.Close() })
	return s, titles
}

func newCommunity(t *testing.T, m *mailer) httpapi.Community {
	t.Helper()
	s, titles := parts(t)
	tokens, err := auth.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := auth.NewSecret(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	runner, err := patchsync.New(titles, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	service, err := community.Open(t.Context(), community.Parts{
		Store: s, Catalog: titles, Tokens: tokens, Mailer: m, Secret: secret, Fetcher: runner.Fetcher(),
	}, &community.Options{MailsPerHour: 2, Site: "https://patches.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = service.Close() })
	return services.Community(service)
}

// Invalid names and addresses are failures at their places in the body of each call.
func TestCommunityFailures(t *testing.T) {
	c := newCommunity(t, &mailer{})
	_, err := c.Publish(t.Context(), wire.Publication{AuthorName: "Ann", AuthorEmail: "ann", URL: "http://x.example"})
	failsAt(t, err, "/author_email")
	failsAt(t, c.Register(t.Context(), "?", "ann@example.com"), "/name")
	failsAt(t, c.Register(t.Context(), "ann", "ann"), "/email")
	failsAt(t, c.ResetContributor(t.Context(), "ann"), "/email")
}

func TestCommunityErrors(t *testing.T) {
	m := &mailer{}
	c := newCommunity(t, m)
	private := wire.Publication{AuthorName: "Ann", AuthorEmail: "ann@example.com", URL: "http://127.0.0.1/d.json"}
	_, err := c.Publish(t.Context(), private)
	fails(t, err, httpapi.ErrUpstream)
	m.err = errors.New("the mail server is down")
	fails(t, c.Register(t.Context(), "ann", "ann@example.com"), httpapi.ErrMail)
	m.err = nil
	if err := c.Register(t.Context(), "ann", "ann@example.com"); err != nil {
		t.Errorf("Register: %v", err)
	}
	fails(t, c.Register(t.Context(), "Ann", "bob@example.com"), httpapi.ErrConflict)
	var limited *httpapi.LimitedError
	if err := c.Register(t.Context(), "another", "ann@example.com"); !errors.As(err, &limited) || limited.After <= 0 {
		t.Errorf("after too many mails: got error %v", err)
	}
	_, err = c.Verify(t.Context(), "ann", "wrong")
	fails(t, err, auth.ErrDenied)
	if _, ok := c.Contributor("ann"); ok || len(c.Contributors()) != 0 {
		t.Error("a name that was not verified is a contributor's")
	}
}

// newSync returns a Sync with a mirror, and a title that follows an upstream which is refused.
func newSync(t *testing.T) (httpapi.Sync, catalog.Title) {
	t.Helper()
	s, titles := parts(t)
	def, err := patch.Parse([]byte(`{"id":"App","name":"App","publisher":"P","appName":null,"bundleId":null,
		"lastModified":"2018-02-02T17:39:58Z","requirements":[{"name":"Application Bundle ID","operator":"is",
		"value":"x","type":"recon","and":true}],"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z",
		"standalone":true,"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],
		"capabilities":[]}],"extensionAttributes":[]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	created, err := titles.Create(t.Context(), def, &catalog.CreateOptions{Follows: "http://127.0.0.1/d?hunter2"})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := patchsync.New(titles, s, &patchsync.Options{Mirrors: []patchsync.Mirror{
		{Name: "vendor", Source: patchsync.PatchSource("https://vendor.example/v1", nil)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := runner.Sync(t.Context(), "App"); err == nil {
		t.Fatal("an upstream in a private network is not refused")
	}
	return services.Sync(runner), created.Title
}

func TestSyncState(t *testing.T) {
	sync, title := newSync(t)
	all, ok := sync.State(title, true)
	if !ok || all.URL != "http://127.0.0.1/d" || all.LastError == nil || all.Failures != 1 || all.LastAttempt == nil {
		t.Errorf("got the detailed state %+v, %v", all, ok)
	}
	if public, _ := sync.State(title, false); public.LastError == nil || strings.Contains(*public.LastError, "127") {
		t.Errorf("got the state %+v", public)
	}
	var names []string
	for source := range sync.Sources() {
		switch {
		case source.Mirror != nil && source.Title == nil:
			names = append(names, *source.Mirror)
		case source.Title != nil && source.Mirror == nil && source.Titles == 1:
			names = append(names, *source.Title)
		}
	}
	if got := strings.Join(names, " "); got != "vendor App" {
		t.Errorf("got the sources %s, want vendor and App", got)
	}
}

func TestSyncErrors(t *testing.T) {
	sync, _ := newSync(t)
	fails(t, sync.TriggerMirror("nope"), httpapi.ErrNotFollowed)
	fails(t, sync.Trigger("nope"), catalog.ErrNotFound)
	_, err := sync.Fetch(t.Context(), "http://127.0.0.1/d.json")
	fails(t, err, httpapi.ErrUpstream)
}
