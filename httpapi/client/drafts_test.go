package client_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/patch"
)

// A draft is saved, checked, published, and refused when its title has changed.
func TestDrafts(t *testing.T) {
	ctx := t.Context()
	c := connect(t)
	check, etag, err := c.SaveDraft(ctx, "New", []byte(`{"id":"New","name":"New"}`), nil)
	if err != nil || len(check.Errors) == 0 || etag == "" {
		t.Fatalf("SaveDraft returned %+v, %q, %v", check, etag, err)
	}
	if d, tag, err := c.Draft(ctx, "New"); err != nil || tag != etag || d.Base != nil || len(d.Errors) == 0 {
		t.Errorf("Draft returned %+v, %q, %v", d, tag, err)
	}
	if drafts, err := c.Drafts(ctx); err != nil || len(drafts) != 1 || !drafts[0].Disabled || drafts[0].Errors == 0 {
		t.Errorf("Drafts returned %+v, %v", drafts, err)
	}
	if err := errOf(c.PublishDraft(ctx, "New", nil)); !errors.Is(err, client.ErrInvalid) {
		t.Errorf("PublishDraft of an incomplete draft returned %v, want ErrInvalid", err)
	}
	_, _, err = c.SaveDraft(ctx, "New", []byte(`{}`), &client.SaveDraftOptions{IfMatch: `"other"`})
	if !errors.Is(err, client.ErrPrecondition) {
		t.Errorf("SaveDraft over another draft returned %v, want ErrPrecondition", err)
	}

	def := definition("New", "2", "1")
	def.Patches = append(def.Patches, patch.Patch{Version: "0", Disabled: true})
	text, err := def.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if check, _, err := c.SaveDraft(ctx, "New", text, nil); err != nil || len(check.Errors) != 0 {
		t.Fatalf("SaveDraft returned %+v, %v", check, err)
	}
	if _, err := c.PublishDraft(ctx, "New", nil); err != nil {
		t.Fatal(err)
	}
	served, _, err := c.Definition(ctx, "New")
	if err != nil || !slices.Equal(served.Versions(), []string{"2", "1"}) || len(served.Patches) != 2 {
		t.Errorf("%v is served, error %v", served.Versions(), err)
	}
	whole, _, err := c.Whole(ctx, "New")
	if err != nil || len(whole.Patches) != 3 || !whole.Patches[2].Disabled {
		t.Errorf("Whole returned %+v, %v", whole, err)
	}

	if _, _, err := c.SaveDraft(ctx, "New", text, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.CloneVersion(ctx, "New", "2", "3", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.OrderVersions(ctx, "New", []string{"2", "1", "3"}, nil); err != nil {
		t.Fatal(err)
	}
	_, err = c.PublishDraft(ctx, "New", nil)
	conflict, ok := client.DraftConflict(err)
	if !errors.Is(err, client.ErrConflict) || !ok || !strings.Contains(string(conflict.Current), `"version":"3"`) ||
		strings.Contains(string(conflict.Draft), `"version":"3"`) {
		t.Errorf("PublishDraft returned %v, with the conflict %s", err, conflict.Current)
	}
	if _, err := c.Disable(ctx, "New", nil); !errors.Is(err, client.ErrConflict) {
		t.Errorf("Disable of a title with a draft returned %v, want ErrConflict", err)
	}
	if err := c.DiscardDraft(ctx, "New", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Disable(ctx, "New", nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Definition(ctx, "New"); !errors.Is(err, client.ErrNotFound) {
		t.Errorf("a disabled title is served, error %v", err)
	}
	if _, err := c.PublishDraft(ctx, "New", nil); err != nil {
		t.Fatal(err)
	}
	if served, _, err := c.Definition(ctx, "New"); err != nil || served.CurrentVersion != "2" {
		t.Errorf("%+v is served, error %v", served, err)
	}
}
