package client_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

func TestTitles(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	a, err := c.Create(ctx, definition("App", "1"))
	if err != nil || a.ID != "App" || a.Message == "" || len(a.Warnings) == 0 {
		t.Fatalf("Create returned %+v, %v", a, err)
	}
	if _, err := c.AddVersions(ctx, "App", []patch.Patch{version("3"), version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddVersions(ctx, "App", []patch.Patch{version("2.5")}, nil); err != nil {
		t.Fatal(err)
	}
	def, etag, err := c.Definition(ctx, "app")
	if err != nil || len(def.Patches) != 4 || def.Patches[1].Version != "2.5" || etag == "" {
		t.Fatalf("Definition returned %v, %q, %v", def, etag, err)
	}
	if _, err := c.RemoveVersion(ctx, "App", "2.5", &client.EditOptions{IfMatch: etag}); err != nil {
		t.Fatal(err)
	}
	def.Name = "Another"
	if _, err := c.Replace(ctx, def, &client.EditOptions{IfMatch: etag}); !errors.Is(err, client.ErrPrecondition) {
		t.Errorf("Replace with an old ETag returned %v, want ErrPrecondition", err)
	}
	if _, err := c.Replace(ctx, def, nil); err != nil {
		t.Error(err)
	}
	if all, err := c.Select(ctx, "nope", "APP"); err != nil || len(all) != 1 || all[0].CurrentVersion != "3" {
		t.Errorf("Select returned %v, %v", all, err)
	}
	if all, err := c.Select(ctx); err != nil || len(all) != 0 {
		t.Errorf("Select without ids returned %v, %v", all, err)
	}
	if all, err := c.Software(ctx); err != nil || len(all) != 1 {
		t.Errorf("Software returned %v, %v", all, err)
	}
	data, _ := definition("Bad").MarshalJSON()
	if result, err := c.Lint(ctx, data); err != nil || len(result.Errors) == 0 {
		t.Errorf("Lint returned %+v, %v", result, err)
	}
	if _, err := c.Delete(ctx, "App", nil); err != nil {
		t.Error(err)
	}
	if _, err := c.Delete(ctx, "App", nil); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("deleting again returned %v, want ErrNotFound", err)
	}
}

func TestHistory(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	if _, err := c.Create(ctx, definition("App", "1")); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AddVersions(ctx, "App", []patch.Patch{version("3"), version("2")}, nil); err != nil {
		t.Fatal(err)
	}
	history, err := c.History(ctx, "App")
	if err != nil || len(history) != 2 || !history[0].Current || history[0].Token == nil || history[0].Version != "3" {
		t.Fatalf("History returned %+v, %v", history, err)
	}
	if d, err := c.Revision(ctx, "App", 1); err != nil || d.CurrentVersion != "1" {
		t.Errorf("Revision returned %v, %v", d, err)
	}
	if d, err := c.Revision(ctx, "App", 9); d != nil || !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a revision that does not exist returned %v, %v", d, err)
	}
	for _, to := range []uint64{2, 0} {
		if changes, err := c.Changes(ctx, "App", 1, to); err != nil || len(changes) != 2 {
			t.Errorf("Changes to %d returned %v, %v", to, changes, err)
		}
	}
	stale := &client.EditOptions{IfMatch: `"stale"`}
	if _, err := c.RestoreRevision(ctx, "App", 1, stale); !errors.Is(err, client.ErrPrecondition) {
		t.Errorf("RestoreRevision with an old ETag returned %v, want ErrPrecondition", err)
	}
	if _, err := c.RestoreRevision(ctx, "App", 1, nil); err != nil {
		t.Error(err)
	}
	if def, _, err := c.Definition(ctx, "App"); err != nil || def.CurrentVersion != "1" {
		t.Errorf("after the restore, Definition returned %v, %v", def, err)
	}
}

// A client that keeps an ETag downloads the list only after a change.
func TestSoftwareIfChanged(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	if _, err := c.Create(ctx, definition("App", "1")); err != nil {
		t.Fatal(err)
	}
	all, etag, err := c.SoftwareIfChanged(ctx, "")
	if err != nil || len(all) != 1 || etag == "" {
		t.Fatalf("the first call returned %v, %q, %v", all, etag, err)
	}
	if all, _, err := c.SoftwareIfChanged(ctx, etag); !errors.Is(err, client.ErrNotModified) || all != nil {
		t.Errorf("an unchanged list returned %v, %v, want ErrNotModified", all, err)
	} else if client.IsTransient(err) {
		t.Error("ErrNotModified is transient")
	}
	if _, err := c.Create(ctx, definition("Other", "1")); err != nil {
		t.Fatal(err)
	}
	if all, again, err := c.SoftwareIfChanged(ctx, etag); err != nil || len(all) != 2 || again == etag {
		t.Errorf("a changed list returned %v, %q, %v", all, again, err)
	}
}

// Put creates or replaces, also with a token that may not create, and with one that may not change every title.
func TestPut(t *testing.T) {
	ctx, s := t.Context(), serve(t)
	address := s.address
	admin := clientOf(t, address, s.token)
	put := func(c *client.Client, id, version string, wantID string, wantCreated bool) {
		t.Helper()
		a, created, err := c.Put(ctx, definition(id, version))
		if err != nil || created != wantCreated || a.ID != wantID {
			t.Errorf("Put(%s, %s) returned %+v, %v, %v", id, version, a, created, err)
		}
	}
	put(admin, "App", "1", "App", true)
	put(admin, "App", "2", "App", false)
	put(admin, "app", "2", "App", false)
	if _, _, err := admin.Put(ctx, definition("Bad")); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("Put of an invalid definition returned %v, want ErrInvalid", err)
	}

	made, err := admin.MakeToken(ctx, wire.TokenRequest{Name: "build", Titles: []string{"App"}})
	if err != nil {
		t.Fatal(err)
	}
	title := clientOf(t, address, made.Secret)
	put(title, "App", "3", "App", false)
	_, created, err := title.Put(ctx, definition("Other", "1"))
	if created || err == nil {
		t.Errorf("Put of a new title with a title's token returned %v, %v", created, err)
	}

	author := clientOf(t, address, registerContributor(t, s, "macman", "ann@example.com"))
	put(author, "App", "1", "App_macman", true) // App is not the contributor's
	put(author, "App", "2", "App_macman", false)
	put(author, "App_macman", "3", "App_macman", false)
}

// An author without a token publishes a definition, or the URL of one.
func TestPublish(t *testing.T) {
	c := clientOf(t, serve(t).address, "")
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		data, _ := definition("Far", "1").MarshalJSON()
		_, _ = w.Write(data)
	}))
	defer upstream.Close()
	for _, p := range []wire.Publication{
		{AuthorName: "Ann Bell", AuthorEmail: "ann@example.com", Definition: definition("App", "1")},
		{AuthorName: "Ann Bell", AuthorEmail: "ann@example.com", URL: upstream.URL + "/d.json"},
	} {
		a, err := c.Publish(t.Context(), p)
		if err != nil || !strings.HasSuffix(a.ID, "_Ann_Bell") || !strings.HasSuffix(a.Name, "(Ann Bell)") {
			t.Errorf("Publish returned %+v, %v", a, err)
		}
	}
	data, _ := definition("Raw", "1").MarshalJSON()
	a, err := c.PublishJSON(t.Context(), wire.Publication{AuthorName: "Bob", AuthorEmail: "bob@example.com"}, data)
	if err != nil || a.ID != "Raw_Bob" {
		t.Errorf("PublishJSON returned %+v, %v", a, err)
	}
	_, err = c.Publish(t.Context(), wire.Publication{AuthorEmail: "nobody", Definition: definition("App", "1")})
	var refused *client.Error
	if !errors.As(err, &refused) || refused.Status != 400 || len(refused.Failures) == 0 {
		t.Errorf("an invalid publication returned %v", err)
	}
}

func TestPaging(t *testing.T) {
	ctx, c := t.Context(), connect(t)
	const titles = 2500
	var lines bytes.Buffer
	for i := range titles {
		data, err := definition(fmt.Sprintf("T%04d", i), "1").MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(data, '\n'))
	}
	n := 0
	for one, err := range c.Import(ctx, &lines, nil) {
		if err != nil || one.Result != wire.ResultCreated {
			t.Fatalf("Import yielded %+v, %v", one, err)
		}
		n++
	}
	if n != titles {
		t.Fatalf("%d titles were imported, want %d", n, titles)
	}
	all := c.Titles(ctx, nil)
	for range 2 { // the sequence can be used again
		n = 0
		for title, err := range all {
			if err != nil || title.ID != fmt.Sprintf("T%04d", n) {
				t.Fatalf("title %d is %+v, %v", n, title, err)
			}
			n++
		}
		if n != titles {
			t.Errorf("Titles yielded %d titles, want %d", n, titles)
		}
	}
	n = 0
	for range c.Titles(ctx, &client.Filter{Query: "t00"}) {
		n++
	}
	if n != 100 {
		t.Errorf("%d titles match, want 100", n)
	}
	for title := range c.Titles(ctx, nil) {
		if title.ID == "T0003" {
			break
		}
	}
}
