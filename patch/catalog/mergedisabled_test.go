package catalog_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// withDisabled returns the definition of App with the version 1 that is served, and disabled ones, each written as
// VERSION or VERSION=SYSTEM, where SYSTEM is the minimum operating system.
func withDisabled(versions string) *patch.Definition {
	d := definition("App", "1")
	for _, word := range strings.Fields(versions) {
		name, system, _ := strings.Cut(word, "=")
		p := version(name)
		p.Disabled = true
		if system != "" {
			p.MinimumOperatingSystem = system
		}
		d.Patches = append(d.Patches, p)
	}
	return d
}

// disabledWords returns the disabled patches of App as withDisabled takes them, sorted.
func disabledWords(t *testing.T, c *catalog.Catalog) string {
	t.Helper()
	all, err := disabledPatches(t, c)
	if err != nil {
		t.Fatal(err)
	}
	var words []string
	for _, p := range all {
		word := p.Patch.Version
		if os := p.Patch.MinimumOperatingSystem; os != version("1").MinimumOperatingSystem {
			word += "=" + os
		}
		words = append(words, word)
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

// Publishing a draft keeps what others have done to disabled versions since it was begun, and is a conflict if the
// draft has changed the same one in another way.
func TestPublishMergesDisabled(t *testing.T) {
	for _, test := range []struct {
		name                string
		base, theirs, draft string
		partial             bool // the draft does not say that it has all disabled versions
		want                string
	}{
		{name: "nobody has changed anything", base: "2", theirs: "2", draft: "2", want: "2"},
		{name: "the draft changes one", base: "2", theirs: "2", draft: "2=15", want: "2=15"},
		{name: "the draft removes one", base: "2 3", theirs: "2 3", draft: "3", want: "3"},
		{name: "the draft adds one", base: "2", theirs: "2", draft: "2 3", want: "2 3"},
		{name: "others add one", base: "", theirs: "2", draft: "", want: "2"},
		{name: "others change one", base: "2", theirs: "2=15", draft: "2", want: "2=15"},
		{name: "others remove one", base: "2 3", theirs: "3", draft: "2 3", want: "3"},
		{name: "both change different ones", base: "2 3", theirs: "2=15 3", draft: "2 3=14", want: "2=15 3=14"},
		{name: "both change one in the same way", base: "2", theirs: "2=15", draft: "2=15", want: "2=15"},
		{name: "both remove one", base: "2", theirs: "", draft: "", want: ""},
		{name: "both add the same one", base: "", theirs: "2", draft: "2", want: "2"},
		{name: "both change one", base: "2", theirs: "2=15", draft: "2=14", want: "conflict"},
		{name: "both add one", base: "", theirs: "2=15", draft: "2", want: "conflict"},
		{name: "others change one that the draft removes", base: "2", theirs: "2=15", draft: "", want: "conflict"},
		{name: "others remove one that the draft changes", base: "2", theirs: "", draft: "2=15", want: "conflict"},
		{name: "a partial draft keeps all", base: "2", theirs: "2", draft: "", partial: true, want: "2"},
		{name: "a partial draft keeps changes", base: "2", theirs: "2=15", draft: "", partial: true, want: "2=15"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := open(t, memstore.New(), nil)
			if _, err := c.Create(t.Context(), withDisabled(test.base), nil); err != nil {
				t.Fatal(err)
			}
			_, _, err := c.SaveDraft(t.Context(), "App", draftText(t, withDisabled(test.draft)),
				&catalog.DraftOptions{Whole: !test.partial})
			if err != nil {
				t.Fatal(err)
			}
			setDisabled(t, c, test.base, test.theirs)
			_, _, err = c.PublishDraft(t.Context(), "App", nil)
			got := disabledWords(t, c)
			switch {
			case test.want == "conflict" && !errors.Is(err, catalog.ErrDraftConflict):
				t.Errorf("error %v, want ErrDraftConflict", err)
			case test.want == "conflict" && got != test.theirs:
				t.Errorf("after the conflict: %q, want %q", got, test.theirs)
			case test.want != "conflict" && (err != nil || got != test.want):
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

// setDisabled changes the disabled versions of App from some to others.
func setDisabled(t *testing.T, c *catalog.Catalog, from, to string) {
	t.Helper()
	for _, p := range withDisabled(from).Patches {
		if p.Disabled {
			if _, err := c.RemoveVersion(t.Context(), "App", p.Version, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, p := range withDisabled(to).Patches {
		if p.Disabled {
			if _, err := c.AddVersions(t.Context(), "App", patch.Ordered(), []patch.Patch{p}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A conflict about a disabled version has that version on all three sides.
func TestConflictHasDisabled(t *testing.T) {
	c := open(t, memstore.New(), nil)
	if _, err := c.Create(t.Context(), withDisabled("2"), nil); err != nil {
		t.Fatal(err)
	}
	saveDraft(t, c, withDisabled("2=14"))
	setDisabled(t, c, "2", "2=15")
	_, _, err := c.PublishDraft(t.Context(), "App", nil)
	var conflict *catalog.DraftConflictError
	if !errors.As(err, &conflict) {
		t.Fatalf("error %v, want a conflict", err)
	}
	for name, text := range map[string][]byte{
		"base": conflict.Base, "draft": conflict.Draft, "current": conflict.Current,
	} {
		d, _, err := patch.ParseDraft(text, nil)
		if err != nil || len(d.Patches) != 2 {
			t.Errorf("the %s is %s, %v", name, text, err)
		}
	}
}

// A draft that was begun without the disabled versions keeps them, also if it is saved again by a client that has them
// all.
func TestPartialDraftStaysPartial(t *testing.T) {
	c := open(t, memstore.New(), nil)
	if _, err := c.Create(t.Context(), withDisabled("2"), nil); err != nil {
		t.Fatal(err)
	}
	saveDraft(t, c, withDisabled(""))
	d := withDisabled("")
	d.Publisher = "Other"
	_, _, err := c.SaveDraft(t.Context(), "App", draftText(t, d), &catalog.DraftOptions{Whole: true})
	if err == nil {
		_, _, err = c.PublishDraft(t.Context(), "App", nil)
	}
	if got := disabledWords(t, c); err != nil || got != "2" {
		t.Errorf("got %q, %v, want 2", got, err)
	}
}
