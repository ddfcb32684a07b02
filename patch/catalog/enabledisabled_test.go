package catalog_test

import (
	"testing"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A title that is disabled keeps its disabled versions when it is enabled by a draft that does not say that it has all
// of them, and loses those that are absent from one that says so.
func TestEnableKeepsDisabled(t *testing.T) {
	for _, test := range []struct {
		name, draft  string
		whole, again bool // again: the draft was discarded once
		want         string
	}{
		{name: "a partial draft", draft: "", want: "2 3"},
		{name: "a partial draft with one of them", draft: "2=15", want: "2=15 3"},
		{name: "a whole draft", draft: "3", whole: true, want: "3"},
		{name: "a whole draft after one was discarded", draft: "3", whole: true, again: true, want: "3"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := open(t, memstore.New(), nil)
			if _, err := c.Create(t.Context(), withDisabled("2 3"), nil); err != nil {
				t.Fatal(err)
			}
			if err := c.Disable(t.Context(), "App", nil); err != nil {
				t.Fatal(err)
			}
			save := func(versions string, whole bool) {
				t.Helper()
				_, _, err := c.SaveDraft(t.Context(), "App", draftText(t, withDisabled(versions)),
					&catalog.DraftOptions{Whole: whole})
				if err != nil {
					t.Fatal(err)
				}
			}
			if test.again {
				save("", false)
				if err := c.DiscardDraft(t.Context(), "App", nil); err != nil {
					t.Fatal(err)
				}
			}
			save(test.draft, test.whole)
			if _, _, err := c.PublishDraft(t.Context(), "App", nil); err != nil {
				t.Fatal(err)
			}
			if got := disabledWords(t, c); got != test.want {
				t.Errorf("the disabled versions are %q, not %q", got, test.want)
			}
		})
	}
}
