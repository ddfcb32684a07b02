package catalog_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A replacement keeps the author's name in the name of a title, unless an administrator makes it.
func TestAuthorsNameStays(t *testing.T) {
	ctx := t.Context()
	const given = "Zoom (nobody)"
	const url = "https://example.com"
	author := catalog.CreateOptions{Author: "nobody"}
	contributor := catalog.CreateOptions{Author: "nobody", Contributor: "nobody"}
	follower := catalog.CreateOptions{Author: "nobody", Follows: url}
	for _, c := range []struct {
		name     string
		create   catalog.CreateOptions
		edit     catalog.EditOptions
		to, want string
	}{
		{"another name", author, catalog.EditOptions{}, "Google Chrome", "Google Chrome (nobody)"},
		{"another author", author, catalog.EditOptions{}, "Zoom (Google)", "Zoom (Google) (nobody)"},
		{"with the author", author, catalog.EditOptions{}, "Chrome (nobody)", "Chrome (nobody)"},
		{"a contributor's", contributor, catalog.EditOptions{}, "Chrome", "Chrome (nobody)"},
		{"from the source", follower, catalog.EditOptions{From: url}, "Chrome", "Chrome (nobody)"},
		{"by an administrator", author, catalog.EditOptions{Rename: true}, "Chrome", "Chrome"},
		{"no author", catalog.CreateOptions{}, catalog.EditOptions{}, "Chrome", "Chrome"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cat := open(t, memstore.New(), nil)
			if _, err := cat.Create(ctx, named("Zoom_nobody", given, "1"), &c.create); err != nil {
				t.Fatal(err)
			}
			to := named("Zoom_nobody", c.to, "2")
			res, err := cat.Replace(ctx, "Zoom_nobody", to, &c.edit)
			if err != nil {
				t.Fatal(err)
			}
			if res.Title.Name != c.want || to.Name != c.to {
				t.Errorf("the name is %q, want %q; the caller's definition has %q", res.Title.Name, c.want, to.Name)
			}
		})
	}

	// A name that an administrator gave stays until the author gives another one.
	cat := open(t, memstore.New(), nil)
	if _, err := cat.Create(ctx, named("Zoom_nobody", given, "1"), &author); err != nil {
		t.Fatal(err)
	}
	if _, _, err := cat.Put(ctx, named("Zoom_nobody", "Zoom", "1"), nil); err != nil { // an import
		t.Fatal(err)
	}
	for _, step := range [][2]string{{"Zoom", "Zoom"}, {"Google", "Google (nobody)"}} {
		res, err := cat.Replace(ctx, "Zoom_nobody", named("Zoom_nobody", step[0], "3"), nil)
		if err != nil || res.Title.Name != step[1] {
			t.Errorf("the name is %q, %v; want %q", res.Title.Name, err, step[1])
		}
	}
}

// The titles of one account take no more space than Options.MaxAccountBytes.
func TestMaxAccountBytes(t *testing.T) {
	ctx := t.Context()
	large := func(id string, bytes int) *patch.Definition {
		d := definition(id, "1")
		d.Requirements[0].Value = strings.Repeat("x", bytes)
		return d
	}
	for name, owner := range map[string]catalog.CreateOptions{
		"account":     {Account: "a", Mailbox: []byte(`"m"`)},
		"mailbox":     {Mailbox: []byte(`"m"`), Contributor: "c"},
		"contributor": {Contributor: "c"},
	} {
		t.Run(name, func(t *testing.T) {
			s := memstore.New()
			cat := open(t, s, &catalog.Options{MaxAccountBytes: 10_000})
			for i := range 2 {
				if _, err := cat.Create(ctx, large(fmt.Sprint("T", i), 3500), &owner); err != nil {
					t.Fatal(err)
				}
			}
			cat = open(t, s, &catalog.Options{MaxAccountBytes: 10_000})
			isTooMuch := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, catalog.ErrTooMuch) || !errors.Is(err, patch.ErrTooLarge) ||
					!strings.Contains(err.Error(), "delete titles") {
					t.Errorf("%s: %v, want ErrTooMuch", what, err)
				}
			}
			_, err := cat.Create(ctx, large("T2", 3500), &owner)
			isTooMuch("another title", err)
			_, err = cat.Reserve(ctx, large("T2", 3500), &owner)
			isTooMuch("a reservation", err)
			other := large("T0", 3600)
			other.Requirements[0].Value = strings.Repeat("y", 3600) // so that the earlier revision is kept whole
			_, err = cat.Replace(ctx, "T0", other, nil)
			isTooMuch("growth, with the earlier revision", err)
			if title, _ := cat.Title("T0"); title.Bytes > 4500 {
				t.Errorf("the title takes %d bytes, want at most 4500", title.Bytes)
			}
			if _, err := cat.Create(ctx, large("Other", 9000), &catalog.CreateOptions{Account: "other"}); err != nil {
				t.Errorf("a title of another account: %v", err)
			}
			for i := range 3 {
				if _, err := cat.Create(ctx, large(fmt.Sprint("Free", i), 9000), nil); err != nil {
					t.Errorf("a title without an account: %v", err)
				}
			}
			if err := cat.Delete(ctx, "T1", nil); err != nil {
				t.Fatal(err)
			}
			if _, err := cat.Replace(ctx, "T0", other, nil); err != nil {
				t.Errorf("after a title was deleted: %v", err)
			}
		})
	}
	// A title above the limit may shrink.
	s := memstore.New()
	owner := &catalog.CreateOptions{Account: "a"}
	if _, err := open(t, s, &catalog.Options{History: -1}).Create(ctx, large("T", 5000), owner); err != nil {
		t.Fatal(err)
	}
	cat := open(t, s, &catalog.Options{History: -1, MaxAccountBytes: 1000})
	if _, err := cat.Replace(ctx, "T", large("T", 4000), nil); err != nil {
		t.Errorf("a smaller definition: %v", err)
	}
	if _, err := cat.Replace(ctx, "T", large("T", 4100), nil); !errors.Is(err, catalog.ErrTooMuch) {
		t.Errorf("a larger definition: error %v, want ErrTooMuch", err)
	}
}

// A title that is created with the id of a deleted one has another UID.
func TestUIDs(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	first := create(t, cat, "App")
	if err := cat.Delete(t.Context(), "App", nil); err != nil {
		t.Fatal(err)
	}
	second := create(t, cat, "App")
	err := cat.Delete(t.Context(), "App", &catalog.EditOptions{UID: first.UID})
	if !errors.Is(err, catalog.ErrNotFound) {
		t.Errorf("Delete with the UID of the deleted title: error %v, want ErrNotFound", err)
	}
	if first.UID == "" || second.UID == first.UID {
		t.Errorf("the UIDs are %q and %q", first.UID, second.UID)
	}
}
