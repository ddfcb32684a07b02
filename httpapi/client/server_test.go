package client_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
)

func TestBackupAndRestore(t *testing.T) {
	ctx, from, to := t.Context(), connect(t), connect(t)
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
	plan, err := to.PlanRestore(ctx, bytes.NewReader(data), nil)
	if err != nil || plan.Counts["create"] != 2 || plan.Confirm != "" {
		t.Fatalf("PlanRestore returned %+v, %v", plan, err)
	}
	if all, err := to.Restore(ctx, bytes.NewReader(data), nil); err != nil || len(all) != 2 || all[0].ID != "A" {
		t.Fatalf("Restore returned %v, %v", all, err)
	}
	merge := &client.RestoreOptions{Mode: client.RestoreMerge}
	if all, err := to.Restore(ctx, bytes.NewReader(data), merge); err != nil || len(all) != 2 {
		t.Errorf("Restore with RestoreMerge returned %v, %v", all, err)
	}
	if err := from.Backup(ctx, io.Discard, &client.BackupOptions{Full: true}); err != nil {
		t.Error(err)
	}
	for one, err := range to.Import(ctx, bytes.NewReader(data), &client.ImportOptions{DryRun: true}) {
		if err != nil || one.Result != wire.ResultUnchanged {
			t.Errorf("Import yielded %+v, %v", one, err)
		}
	}
}

// A restore that deletes titles has to be confirmed with the value that its plan has.
func TestRestoreReplace(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	if _, err := c.Create(ctx, definition("A", "1")); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if err := c.Backup(ctx, &backup, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(ctx, definition("B", "1")); err != nil {
		t.Fatal(err)
	}
	opts := &client.RestoreOptions{Mode: client.RestoreReplace}
	if _, err := c.Restore(ctx, bytes.NewReader(backup.Bytes()), opts); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("an unconfirmed restore returned %v, want ErrInvalid", err)
	}
	plan, err := c.PlanRestore(ctx, bytes.NewReader(backup.Bytes()), opts)
	if err != nil || len(plan.Delete) != 1 || plan.Delete[0] != "B" || plan.Confirm == "" {
		t.Fatalf("PlanRestore returned %+v, %v", plan, err)
	}
	opts.Confirm = plan.Confirm
	if _, err := c.Restore(ctx, bytes.NewReader(backup.Bytes()), opts); err != nil {
		t.Error(err)
	}
	if _, _, err := c.Definition(ctx, "B"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("the deleted title returned %v", err)
	}
}

// registerContributor registers a contributor and returns their token, through the mails that the server sends.
func registerContributor(t *testing.T, s testServer, name, address string) (token string) {
	t.Helper()
	c := clientOf(t, s.address, "")
	if _, err := c.RegisterContributor(t.Context(), name, address); err != nil {
		t.Fatal(err)
	}
	link, err := url.Parse(s.mails.find(t, `https://\S+/verify\?\S+`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.VerifyContributor(t.Context(), link.Query().Get("id"), link.Query().Get("code")); err != nil {
		t.Fatal(err)
	}
	return s.mails.find(t, `pst_\S+`)
}

func TestCommunity(t *testing.T) {
	ctx, s := t.Context(), serve(t)
	admin := clientOf(t, s.address, s.token)
	token := registerContributor(t, s, "macman", "ann@example.com")
	all, err := admin.Contributors(ctx)
	if err != nil || len(all) != 1 || all[0].Name != "macman" {
		t.Fatalf("Contributors returned %+v, %v", all, err)
	}
	self, err := clientOf(t, s.address, token).Whoami(ctx)
	if err != nil || self.Kind != wire.Contributor || self.Contributor == nil || *self.Contributor != all[0].ID {
		t.Errorf("Whoami of a contributor returned %+v, %v", self, err)
	}
	// These calls are sent without the client's token, so that an invalid one does not matter.
	lost := clientOf(t, s.address, "pst_lost")
	if _, err := lost.MailContributorToken(ctx, "ann@example.com"); err != nil {
		t.Error(err)
	}
	s.mails.find(t, `pst_\S+`)
	a, err := lost.Publish(ctx, wire.Publication{})
	if !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("publishing with a bad token returned %+v, %v, want ErrUnauthorized", a, err)
	}
	a, err = clientOf(t, s.address, "").Publish(ctx, wire.Publication{
		AuthorName: "Bob", AuthorEmail: "bob@example.com", Definition: definition("App", "1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.mails.find(t, `pst_\S+`)
	if _, err := lost.MailTitleToken(ctx, a.ID, "bob@example.com"); err != nil {
		t.Error(err)
	}
	s.mails.find(t, `pst_\S+`)
	if _, err := admin.ReleaseName(ctx, "Bob"); err != nil {
		t.Error(err)
	}
}

func TestTokens(t *testing.T) {
	ctx, s := t.Context(), serve(t)
	address := s.address
	c := clientOf(t, address, s.token)
	if _, err := c.Create(ctx, definition("App", "1")); err != nil {
		t.Fatal(err)
	}
	self, err := c.Whoami(ctx)
	if err != nil || self.Kind != wire.Administrator || self.ID == "" || self.Titles != nil || self.Expires != nil {
		t.Fatalf("Whoami returned %+v, %v", self, err)
	}
	if _, err := clientOf(t, address, "").Whoami(ctx); !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("Whoami without a token returned %v, want ErrUnauthorized", err)
	}
	made, err := c.MakeToken(ctx, wire.TokenRequest{Name: "build", Days: new(7), Titles: []string{"App"}})
	if err != nil || !strings.HasPrefix(made.Secret, "pst_") || made.Kind != wire.TitleToken || made.Expires == nil {
		t.Fatalf("MakeToken returned %+v, %v", made, err)
	}
	tokens, err := c.Tokens(ctx)
	if err != nil || len(tokens) != 2 {
		t.Fatalf("Tokens returned %+v, %v", tokens, err)
	}
	holder := clientOf(t, address, made.Secret)
	if self, err := holder.Whoami(ctx); err != nil || len(self.Titles) != 1 || self.Titles[0] != "App" {
		t.Errorf("Whoami of a title's token returned %+v, %v", self, err)
	}
	exchanged, err := holder.ExchangeToken(ctx, "App")
	if err != nil || exchanged.Secret == made.Secret {
		t.Fatalf("ExchangeToken returned %+v, %v", exchanged, err)
	}
	if _, err := holder.Whoami(ctx); !errors.Is(err, client.ErrUnauthorized) {
		t.Errorf("Whoami with the exchanged token returned %v, want ErrUnauthorized", err)
	}
	holder = clientOf(t, address, exchanged.Secret)
	if _, err := holder.MakeToken(ctx, wire.TokenRequest{Titles: []string{"App"}}); err != nil {
		t.Fatal(err)
	}
	if below, err := c.RevokeToken(ctx, exchanged.ID, nil); err != nil || below != 1 {
		t.Errorf("RevokeToken returned %d, %v, want 1 token below", below, err)
	}
	if _, err := c.RevokeToken(ctx, self.ID, nil); !errors.Is(err, client.ErrConflict) {
		t.Errorf("revoking the last administrator's token returned %v, want ErrConflict", err)
	}
	if _, err := c.RevokeToken(ctx, self.ID, &client.RevokeOptions{LastAdministrator: true}); err != nil {
		t.Error(err)
	}
}

func TestWebhooks(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	made, err := c.CreateWebhook(ctx, wire.WebhookRequest{
		URL: "http://127.0.0.1:1/", Format: "slack", Events: []string{wire.EventNewTitle},
	})
	if err != nil || made.ID == "" {
		t.Fatalf("CreateWebhook returned %+v, %v", made, err)
	}
	if _, err := c.TestWebhook(ctx, made.ID); err != nil {
		t.Error(err)
	}
	all, err := c.Webhooks(ctx)
	if err != nil || len(all) != 1 {
		t.Fatalf("Webhooks returned %+v, %v", all, err)
	}
	if h := all[0]; h.ID != made.ID || h.Pending != 1 || h.Format != "slack" || !h.Enabled || !h.VerifySSL {
		t.Errorf("the webhook is %+v", h)
	}
	deliveries, err := c.Deliveries(ctx, made.ID)
	if err != nil || len(deliveries) != 1 {
		t.Fatalf("Deliveries returned %+v, %v", deliveries, err)
	}
	d := deliveries[0]
	if d.Event != "test" || d.State != wire.DeliveryPending || d.At == nil || d.LastAttempt != nil {
		t.Errorf("the delivery is %+v", d)
	}
	if a, err := c.RetryDelivery(ctx, made.ID, d.ID); err != nil || a.ID != made.ID {
		t.Errorf("RetryDelivery returned %+v, %v", a, err)
	}
	if _, err := c.RetryDelivery(ctx, made.ID, "no/such?one"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("RetryDelivery of an unknown delivery returned %v, want ErrNotFound", err)
	}
	if err := c.DeleteWebhook(ctx, made.ID); err != nil {
		t.Error(err)
	}
	if _, err := c.Deliveries(ctx, made.ID); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("Deliveries of a deleted webhook returned %v, want ErrNotFound", err)
	}
}

func TestSync(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	data, _ := definition("Sub", "1").MarshalJSON()
	upstream := httptest.NewServer(
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(data) }),
	)
	defer upstream.Close()
	if _, err := c.Subscribe(ctx, "Sub", upstream.URL); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Sync(ctx, "Sub"); err != nil {
		t.Error(err)
	}
	if _, err := c.SyncMirror(ctx, "none"); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("SyncMirror of an unknown mirror returned %v, want ErrInvalid", err)
	}
	all, err := c.Sources(ctx)
	if err != nil || len(all) != 1 || *all[0].Title != "Sub" || all[0].URL != upstream.URL {
		t.Errorf("Sources returned %+v, %v", all, err)
	}
	for title, err := range c.Titles(ctx, &client.Filter{Synced: new(true)}) {
		if err != nil || title.ID != "Sub" || title.Sync == nil {
			t.Errorf("Titles yielded %+v, %v", title, err)
		}
	}
	if _, err := c.Unsubscribe(ctx, "Sub"); err != nil {
		t.Error(err)
	}
}

// A file can be read again for the restore after the plan, so no call closes it.
func TestStreamsStayOpen(t *testing.T) {
	ctx, s := t.Context(), serve(t)
	c := clientOf(t, s.address, s.token)
	if _, err := c.Create(ctx, definition("App", "1")); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "backup.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := c.Backup(ctx, file, nil); err != nil {
		t.Fatal(err)
	}
	rewind := func() io.Reader {
		t.Helper()
		if _, err := file.Seek(0, io.SeekStart); err != nil {
			t.Fatalf("the file cannot be read again: %v", err)
		}
		return file
	}
	opts := &client.RestoreOptions{Mode: client.RestoreMerge}
	if _, err := c.PlanRestore(ctx, rewind(), opts); err != nil {
		t.Error(err)
	}
	if _, err := c.Restore(ctx, rewind(), opts); err != nil {
		t.Error(err)
	}
	for _, err := range c.Import(ctx, rewind(), nil) {
		if err != nil {
			t.Error(err)
		}
	}
	rewind()
}
