package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/webhook"
)

func version(v string) patch.Patch {
	return patch.Patch{Version: v, ReleaseDate: "2018-02-02T17:39:58Z", MinimumOperatingSystem: "10.9"}
}

func definition(id string, versions ...string) *patch.Definition {
	d := &patch.Definition{
		ID:        id,
		Name:      id,
		Publisher: "P",
		Requirements: []patch.Criterion{
			{Name: "Application Title", Operator: "is", Value: id, Type: "recon", And: new(true)},
		},
	}
	for _, v := range versions {
		d.Patches = append(d.Patches, version(v))
	}
	return d
}

// serve runs a real server, and returns its address and an administrator's token.
func serve(t testing.TB) (address, token string) {
	t.Helper()
	ctx := t.Context()
	s := memstore.New()
	hooks, err := webhook.Open(ctx, s, &webhook.Options{AllowPrivateNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	cat, err := catalog.Open(ctx, s, &catalog.Options{Couriers: []catalog.Courier{hooks}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cat.Close() })
	tokens, err := auth.Open(ctx, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	token, _, err = tokens.Issue(ctx, auth.Grant{Kind: auth.Administrator})
	if err != nil {
		t.Fatal(err)
	}
	runner, err := patchsync.New(cat, s, &patchsync.Options{AllowPrivateNetworks: true})
	if err != nil {
		t.Fatal(err)
	}
	box, err := mail.NewOutbox(t.TempDir(), "patches@example.com")
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := auth.LoadSecret(filepath.Join(t.TempDir(), "secret"))
	if err != nil {
		t.Fatal(err)
	}
	public, err := community.Open(
		ctx,
		community.Parts{Store: s, Catalog: cat, Tokens: tokens, Mailer: box, Secret: secret, Fetcher: runner.Fetcher()},
		nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = public.Close() })
	handler, err := httpapi.New(cat, &httpapi.Options{
		Tokens:    tokens,
		Community: public,
		Sync:      runner,
		Webhooks:  hooks,
		Store:     s,
		RootFeed:  true,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL, token
}

func dial(t testing.TB) *client.Client {
	t.Helper()
	address, token := serve(t)
	c, err := client.New(address+"/", &client.Options{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTitles(t *testing.T) {
	ctx, c := t.Context(), dial(t)
	a, err := c.Create(ctx, definition("App", "1"))
	if err != nil || a.ID != "App" || a.Message == "" || len(a.Warnings) == 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	if _, err := c.AddVersions(ctx, "App", []patch.Patch{version("3"), version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddVersions(ctx, "App", []patch.Patch{version("2.5")}, nil); err != nil {
		t.Fatal(err)
	}
	def, etag, err := c.Definition(ctx, "app")
	if err != nil || len(def.Patches) != 4 || def.Patches[1].Version != "2.5" || etag == "" {
		t.Fatalf("%v, %q, %v", def, etag, err)
	}
	if _, err := c.RemoveVersion(ctx, "App", "2.5", &client.EditOptions{IfMatch: etag}); err != nil {
		t.Fatal(err)
	}
	def.Name = "Another"
	if _, err := c.Replace(ctx, def, &client.EditOptions{IfMatch: etag}); !errors.Is(err, client.ErrPrecondition) {
		t.Errorf("%v", err)
	}
	if _, err := c.Replace(ctx, def, nil); err != nil {
		t.Error(err)
	}
	history, err := c.History(ctx, "App")
	if err != nil || len(history) != 5 || !history[0].Current {
		t.Fatalf("%+v, %v", history, err)
	}
	if d, err := c.Edition(ctx, "App", 1); err != nil || d.CurrentVersion != "1" {
		t.Errorf("%v, %v", d, err)
	}
	if changes, err := c.Changes(ctx, "App", 1, 2); err != nil || len(changes) != 2 {
		t.Errorf("%v, %v", changes, err)
	}
	if _, err := c.RestoreEdition(ctx, "App", 1); err != nil {
		t.Error(err)
	}
	if all, err := c.Select(ctx, "nope", "APP"); err != nil || len(all) != 1 || all[0].CurrentVersion != "1" {
		t.Errorf("%v, %v", all, err)
	}
	if all, err := c.Select(ctx); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	if all, err := c.Software(ctx); err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
	data, _ := definition("Bad").MarshalJSON()
	if failures, _, err := c.Lint(ctx, data); err != nil || len(failures) == 0 {
		t.Errorf("%v, %v", failures, err)
	}
	if err := c.Delete(ctx, "App", nil); err != nil {
		t.Error(err)
	}
	if err := c.Delete(ctx, "App", nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// Who has no token publishes under their name, a definition or where it is.
func TestPublish(t *testing.T) {
	address, _ := serve(t)
	c, err := client.New(address, nil)
	if err != nil {
		t.Fatal(err)
	}
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		data, _ := definition("Far", "1").MarshalJSON()
		_, _ = w.Write(data)
	}))
	defer upstream.Close()
	for _, p := range []client.Publication{{AuthorName: "Ann Bell", AuthorEmail: "ann@example.com", Definition: definition("App", "1")}, {AuthorName: "Ann Bell", AuthorEmail: "ann@example.com", URL: upstream.URL + "/d.json"}} {
		a, err := c.Publish(t.Context(), p)
		if err != nil || !strings.HasSuffix(a.ID, "_Ann_Bell") || !strings.HasSuffix(a.Name, "(Ann Bell)") {
			t.Errorf("%+v, %v", a, err)
		}
	}
	_, err = c.Publish(
		t.Context(),
		client.Publication{AuthorName: "", AuthorEmail: "nobody", Definition: definition("App", "1")},
	)
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Status != 400 || len(refused.Failures) == 0 {
		t.Errorf("%v", err)
	}
}

func TestErrors(t *testing.T) {
	ctx := t.Context()
	address, token := serve(t)
	c, _ := client.New(address, &client.Options{Token: token})
	nobody, _ := client.New(address, nil)
	if _, err := c.Create(ctx, definition("App", "1")); err != nil {
		t.Fatal(err)
	}
	one := func(_ client.Answer, err error) error { return err }
	for name, c := range map[string]struct {
		err  error
		want error
		code string
	}{
		"no token":       {one(nobody.Create(ctx, definition("B", "1"))), client.ErrUnauthorized, "unauthorized"},
		"there already":  {one(c.Create(ctx, definition("app", "1"))), client.ErrConflict, "database_conflict"},
		"not there":      {one(c.AddVersions(ctx, "Nope", []patch.Patch{version("1")}, nil)), client.ErrNotFound, "title_not_found"},
		"odd ids":        {one(c.AddVersions(ctx, "../x/..", []patch.Patch{version("1")}, nil)), client.ErrNotFound, "title_not_found"},
		"a dot":          {c.Delete(ctx, "..", nil), client.ErrNotFound, "title_not_found"},
		"invalid":        {one(c.Create(ctx, definition("B"))), client.ErrInvalid, "invalid_json"},
		"no such token":  {c.InvalidateToken(ctx, "x"), client.ErrNotFound, "token_not_found"},
		"no such hook":   {c.DeleteWebhook(ctx, "x"), client.ErrNotFound, "webhook_id_not_found"},
		"a bad hook":     {func() error { _, err := c.CreateWebhook(ctx, client.Webhook{URL: "x"}); return err }(), client.ErrInvalid, "invalid_json"},
		"a bad source":   {one(c.Subscribe(ctx, "S", "ftp://x/")), client.ErrInvalid, "upstream_failure"},
		"not subscribed": {c.Unsubscribe(ctx, "App"), client.ErrNotFound, "title_not_found"},
		"nothing to do":  {c.Sync(ctx, "App"), client.ErrInvalid, "bad_request"},
		"no archive":     {func() error { _, err := c.Restore(ctx, strings.NewReader("x"), nil); return err }(), client.ErrInvalid, "restore_failure"},
	} {
		var e *client.Error
		if !errors.Is(c.err, c.want) || !errors.As(c.err, &e) || e.Code != c.code || e.Message == "" {
			t.Errorf("%s: %v, %+v", name, c.err, e)
		}
	}
	var e *client.Error
	if err := one(c.Create(ctx, definition("B"))); !errors.As(err, &e) || len(e.Failures) == 0 ||
		!strings.Contains(err.Error(), e.Failures[0].Path) {
		t.Errorf("%v", err)
	}
	if _, err := client.New("patches.example.com", nil); err == nil {
		t.Error("an address without a scheme is taken")
	}
}

func TestPaging(t *testing.T) {
	ctx, c := t.Context(), dial(t)
	var lines bytes.Buffer
	for i := range 2500 {
		data, err := definition(fmt.Sprintf("T%04d", i), "1").MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(data, '\n'))
	}
	n := 0
	for one, err := range c.Import(ctx, &lines, nil) {
		if err != nil || one.Result != "created" {
			t.Fatalf("%+v, %v", one, err)
		}
		n++
	}
	if n != 2500 {
		t.Fatalf("%d", n)
	}
	n = 0
	for title, err := range c.Titles(ctx, nil) {
		if err != nil || title.ID != fmt.Sprintf("T%04d", n) {
			t.Fatalf("%d: %+v, %v", n, title, err)
		}
		n++
	}
	if n != 2500 {
		t.Errorf("%d titles", n)
	}
	for range c.Titles(ctx, &client.Filter{Query: "t00"}) {
		n++
	}
	if n != 2600 {
		t.Errorf("%d titles match", n-2500)
	}
	for title := range c.Titles(ctx, nil) {
		if title.ID == "T0003" {
			break
		}
	}
}

func TestBackupAndRestore(t *testing.T) {
	ctx, from, to := t.Context(), dial(t), dial(t)
	for _, id := range []string{"A", "B"} {
		if _, err := from.Create(ctx, definition(id, "1")); err != nil {
			t.Fatal(err)
		}
	}
	var backup bytes.Buffer
	if err := from.Backup(ctx, &backup, nil); err != nil {
		t.Fatal(err)
	}
	data := backup.Bytes()
	if all, err := to.Restore(ctx, bytes.NewReader(data), nil); err != nil || len(all) != 2 || all[0].ID != "A" {
		t.Fatalf("%v, %v", all, err)
	}
	if all, err := to.Restore(ctx, bytes.NewReader(data), &client.RestoreOptions{Mode: "merge"}); err != nil ||
		len(all) != 2 {
		t.Errorf("%v, %v", all, err)
	}
	if err := from.Backup(ctx, io.Discard, &client.BackupOptions{Full: true}); err != nil {
		t.Error(err)
	}
	for one, err := range to.Import(ctx, bytes.NewReader(data), &client.ImportOptions{DryRun: true}) {
		if err != nil || one.Result != "unchanged" {
			t.Errorf("%+v, %v", one, err)
		}
	}
}

func TestTokensHooksAndSync(t *testing.T) {
	ctx, c := t.Context(), dial(t)
	if _, err := c.Create(ctx, definition("App", "1")); err != nil {
		t.Fatal(err)
	}
	token, err := c.MakeToken(ctx, client.TokenRequest{Name: "build", Days: 7, Titles: []string{"App"}})
	if err != nil || !strings.HasPrefix(token.Secret, "pst_") {
		t.Fatalf("%+v, %v", token, err)
	}
	if err := c.InvalidateToken(ctx, token.ID); err != nil {
		t.Error(err)
	}
	id, err := c.CreateWebhook(
		ctx,
		client.Webhook{URL: "http://127.0.0.1:1/", Enabled: true, Format: "slack", Events: []string{"new_title"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.TestWebhook(ctx, id); err != nil {
		t.Error(err)
	}
	if all, err := c.Webhooks(ctx); err != nil || len(all) != 1 || all[0].ID != id || all[0].Pending != 1 ||
		all[0].Format != "slack" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := c.DeleteWebhook(ctx, id); err != nil {
		t.Error(err)
	}
	data, _ := definition("Sub", "1").MarshalJSON()
	upstream := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }),
	)
	defer upstream.Close()
	if _, err := c.Subscribe(ctx, "Sub", upstream.URL); err != nil {
		t.Fatal(err)
	}
	if err := c.Sync(ctx, "Sub"); err != nil {
		t.Error(err)
	}
	if all, err := c.SyncStates(ctx); err != nil || len(all) != 1 || *all[0].Title != "Sub" ||
		all[0].URL != upstream.URL {
		t.Errorf("%+v, %v", all, err)
	}
	yes := true
	for title, err := range c.Titles(ctx, &client.Filter{Synced: &yes}) {
		if err != nil || title.ID != "Sub" || title.Sync == nil {
			t.Errorf("%+v, %v", title, err)
		}
	}
	if err := c.Unsubscribe(ctx, "Sub"); err != nil {
		t.Error(err)
	}
}

// What is safe to repeat is repeated, and nothing else.
func TestRetries(t *testing.T) {
	for _, test := range []struct {
		name   string
		status int
		call   func(ctx context.Context, c *client.Client) error
		tries  int32
		err    error
	}{
		{"a read that fails", 503, func(ctx context.Context, c *client.Client) error { _, err := c.Software(ctx); return err }, 3, client.ErrUnavailable},
		{"a change that fails", 503, func(ctx context.Context, c *client.Client) error { return c.Delete(ctx, "x", nil) }, 1, client.ErrUnavailable},
		{"a change that was too much", 429, func(ctx context.Context, c *client.Client) error { return c.Delete(ctx, "x", nil) }, 3, client.ErrLimited},
		{"a stream", 429, func(ctx context.Context, c *client.Client) error {
			_, err := c.Restore(ctx, strings.NewReader("x"), nil)
			return err
		}, 1, client.ErrLimited},
		{"what is not there", 404, func(ctx context.Context, c *client.Client) error { _, err := c.Software(ctx); return err }, 1, client.ErrNotFound},
		{"a redirect", 302, func(ctx context.Context, c *client.Client) error { _, err := c.Software(ctx); return err }, 1, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var n atomic.Int32
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				n.Add(1)
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(test.status)
			}))
			defer s.Close()
			c, err := client.New(s.URL, &client.Options{Pause: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			err = test.call(t.Context(), c)
			var e *client.Error
			if !errors.As(err, &e) || e.Status != test.status || test.err != nil && !errors.Is(err, test.err) ||
				n.Load() != test.tries {
				t.Errorf("%v after %d tries", err, n.Load())
			}
		})
	}
	// Nobody is there: nothing was changed, whatever it was.
	s := httptest.NewServer(nil)
	s.Close()
	c, _ := client.New(s.URL, &client.Options{Pause: time.Hour})
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(10*time.Millisecond, func() { cancel(io.EOF) })
	if err := c.Delete(ctx, "x", nil); !errors.Is(err, io.EOF) {
		t.Errorf("%v: it did not wait to try again", err)
	}
}

func Example() {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(
			w,
			`{"titles": [{"id": "Composer", "name": "Composer", "publisher": "Jamf", "lastModified": "2018-02-02T17:39:58Z", "currentVersion": "10.1.1", "author": null, "sync": null}], "next": null}`,
		)
	}))
	defer server.Close()

	c, err := client.New(server.URL, &client.Options{Token: "pst_…"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for title, err := range c.Titles(context.Background(), &client.Filter{Publisher: "Jamf"}) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(title.ID, title.CurrentVersion)
	}
	// Output: Composer 10.1.1
}
