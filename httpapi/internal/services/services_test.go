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
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A service that is missing is a nil interface, which httpapi.Options takes for none.
func TestNil(t *testing.T) {
	if s := services.Community(nil); s != nil {
		t.Errorf("Community(nil) is %v", s)
	}
	if s := services.Sync(nil); s != nil {
		t.Errorf("Sync(nil) is %v", s)
	}
	if s := services.Webhooks(nil); s != nil {
		t.Errorf("Webhooks(nil) is %v", s)
	}
}

// URLs are shown by httpapi as they are shown by sync.
func TestURLsAreShownAlike(t *testing.T) {
	for _, url := range []string{
		"", "https://example.com/a", "https://user:pass@example.com/a?token=1#frag", "https://example.com/?", "user:pass@host",
		"//user@host/x?y", "folder:definitions", "a/b.json?x", "a#b", "%zz", "http://[::1", "mailto:a@b.c", "https://a b/",
	} {
		if got, want := trace.URL(url), patchsync.RedactURL(url); got != want {
			t.Errorf("%q is shown as %q, and by sync as %q", url, got, want)
		}
	}
}

func TestWebhooks(t *testing.T) {
	service, err := webhook.Open(t.Context(), memstore.New(), &webhook.Options{Key: make([]byte, 32)})
	if err != nil {
		t.Fatal(err)
	}
	hooks := services.Webhooks(service)
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
	if h.ID != id || h.URL != "https://example.com/hook" || !h.Enabled || h.VerifySSL || !h.Signed || h.Format != "json" ||
		strings.Join(h.Events, " ") != "new_title title_deleted" || h.Titles == nil || h.LastAttempt != nil {
		t.Errorf("got %+v", h)
	}
	for name, c := range map[string]struct {
		request wire.WebhookRequest
		path    string
	}{
		"no URL":           {wire.WebhookRequest{}, "/url"},
		"an unknown event": {wire.WebhookRequest{URL: "https://example.com", Events: []string{"new_title", "x"}}, "/events/1"},
	} {
		_, err := hooks.Create(t.Context(), c.request)
		var invalid *patch.ValidationError
		if !errors.As(err, &invalid) || invalid.Failures[0].Path != c.path {
			t.Errorf("%s: got %v, want a failure at %s", name, err, c.path)
		}
	}
	if err := hooks.Test(t.Context(), "nope"); !errors.Is(err, httpapi.ErrNoWebhook) {
		t.Errorf("Test of an unknown webhook: got %v", err)
	}
	if err := hooks.Delete(t.Context(), "nope"); !errors.Is(err, httpapi.ErrNoWebhook) {
		t.Errorf("Delete of an unknown webhook: got %v", err)
	}
	if err := hooks.Delete(t.Context(), id); err != nil || len(hooks.List()) != 0 {
		t.Errorf("Delete: got %v and %d webhooks", err, len(hooks.List()))
	}
}

// A mailbox is a mailer that fails as it is told.
type mailbox struct{ err error }

func (m *mailbox) Send(context.Context, mail.Message) error { return m.err }

func TestCommunity(t *testing.T) {
	s := memstore.New()
	titles, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer titles.Close()
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
	box := &mailbox{}
	service, err := community.Open(t.Context(), community.Parts{
		Store: s, Catalog: titles, Tokens: tokens, Mailer: box, Secret: secret, Fetcher: runner.Fetcher(),
	}, &community.Options{MailsPerHour: 2, MaxTitles: 1, Site: "https://patches.example.com"})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	c := services.Community(service)

	publication := wire.Publication{AuthorName: "Ann", AuthorEmail: "ann@example.com", URL: "http://127.0.0.1/d.json"}
	if _, err := c.Publish(t.Context(), publication); !errors.Is(err, httpapi.ErrUpstream) {
		t.Errorf("Publish of a URL in a private network: got %v", err)
	}
	publication.AuthorEmail = "ann"
	var invalid *patch.ValidationError
	if _, err := c.Publish(t.Context(), publication); !errors.As(err, &invalid) ||
		invalid.Failures[0].Path != "/author_email" {
		t.Errorf("Publish with a wrong address: got %v", err)
	}
	if err := c.Register(t.Context(), "?", "ann@example.com"); !errors.As(err, &invalid) ||
		invalid.Failures[0].Path != "/name" {
		t.Errorf("Register of a wrong name: got %v", err)
	}
	if err := c.ResetContributor(t.Context(), "ann"); !errors.As(err, &invalid) || invalid.Failures[0].Path != "/email" {
		t.Errorf("ResetContributor with a wrong address: got %v", err)
	}
	box.err = errors.New("the mail server is down")
	if err := c.Register(t.Context(), "ann", "ann@example.com"); !errors.Is(err, httpapi.ErrMail) {
		t.Errorf("Register without mail: got %v", err)
	}
	box.err = nil
	if err := c.Register(t.Context(), "ann", "ann@example.com"); err != nil {
		t.Errorf("Register: %v", err)
	}
	if err := c.Register(t.Context(), "Ann", "bob@example.com"); !errors.Is(err, httpapi.ErrConflict) {
		t.Errorf("Register of a name that is taken: got %v", err)
	}
	var limited *httpapi.LimitedError
	if err := c.Register(t.Context(), "another", "ann@example.com"); !errors.As(err, &limited) || limited.After <= 0 {
		t.Errorf("Register after too many mails: got %v", err)
	}
	if _, err := c.Verify(t.Context(), "ann", "wrong"); !errors.Is(err, auth.ErrDenied) {
		t.Errorf("Verify of a wrong code: got %v", err)
	}
}

func TestSync(t *testing.T) {
	s := memstore.New()
	titles, err := catalog.Open(t.Context(), s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer titles.Close()
	def, err := patch.Parse([]byte(`{"id":"App","name":"App","publisher":"P","appName":null,"bundleId":null,
		"lastModified":"2018-02-02T17:39:58Z","requirements":[{"name":"Application Bundle ID","operator":"is","value":"x",
		"type":"recon","and":true}],"patches":[{"version":"1","releaseDate":"2018-02-02T17:39:58Z","standalone":true,
		"minimumOperatingSystem":"10.9","reboot":false,"killApps":[],"components":[],"capabilities":[]}],
		"extensionAttributes":[]}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	created, err := titles.Create(t.Context(), def, &catalog.CreateOptions{Follows: "http://127.0.0.1/secret?hunter2"})
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
		t.Fatal("a private network is reached")
	}
	sync := services.Sync(runner)
	all, ok := sync.State(created.Title, true)
	if !ok || all.URL != "http://127.0.0.1/secret" || all.LastError == nil || all.Failures != 1 || all.LastAttempt == nil {
		t.Errorf("the detailed state: got %+v, %v", all, ok)
	}
	little, _ := sync.State(created.Title, false)
	if little.LastError == nil || strings.Contains(*little.LastError, "127.0.0.1") {
		t.Errorf("the state: got %+v", little)
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
		t.Errorf("the sources: got %q", got)
	}
	if err := sync.TriggerMirror("nope"); !errors.Is(err, httpapi.ErrNotFollowed) {
		t.Errorf("TriggerMirror of an unknown mirror: got %v", err)
	}
	if err := sync.Trigger("nope"); !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("Trigger of an unknown title: got %v", err)
	}
	if _, err := sync.Fetch(t.Context(), "http://127.0.0.1/d.json"); !errors.Is(err, httpapi.ErrUpstream) {
		t.Errorf("Fetch in a private network: got %v", err)
	}
}
