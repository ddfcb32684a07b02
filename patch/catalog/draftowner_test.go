package catalog_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

func textOf(t testing.TB, d *patch.Definition) []byte {
	t.Helper()
	text, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A deep draft must not make the record unreadable.
func TestDeepDraft(t *testing.T) {
	for _, depth := range []int{500, 9_000, 9_990, 9_995, 9_996, 9_997, 9_998, 9_999, 10_000} {
		s := memstore.New()
		c := open(t, s, nil)
		text := `{"id":"A","x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
		_, _, err := c.SaveDraft(t.Context(), "A", []byte(text), nil)
		if err != nil {
			continue
		}
		if _, err := c.Draft(t.Context(), "A"); err != nil {
			t.Errorf("depth %d: saved, and cannot be read: %.200v", depth, err)
		}
		again := open(t, s, nil)
		if _, err := again.Lookup("A"); err != nil {
			t.Errorf("depth %d: after a restart: %.200v", depth, err)
		}
	}
}

// A deep live draft must not make the served title unreadable.
func TestDeepDraftOfLiveTitle(t *testing.T) {
	for _, depth := range []int{9_990, 9_996, 9_997, 9_998} {
		s := memstore.New()
		c := open(t, s, nil)
		create(t, c, "A")
		text := `{"id":"A","x":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `}`
		if _, _, err := c.SaveDraft(t.Context(), "A", []byte(text), nil); err != nil {
			continue
		}
		again := open(t, s, nil)
		if _, err := again.Title("A"); err != nil {
			t.Errorf("depth %d: after a restart the served title is gone: %.200v", depth, err)
		}
	}
}

// A title of a contributor cannot be published under a name without the author.
func TestDraftNameWithoutAuthor(t *testing.T) {
	c := open(t, memstore.New(), nil)
	d := named("Foo_Jane", "Google Chrome", "1")
	opts := &catalog.DraftOptions{Author: "Jane", Contributor: "c1"}
	if _, _, err := c.SaveDraft(t.Context(), "Foo_Jane", textOf(t, d), opts); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.PublishDraft(t.Context(), "Foo_Jane", nil); err != nil {
		t.Fatal(err)
	}
	title, err := c.Title("Foo_Jane")
	if err != nil || !strings.Contains(title.Name, "Jane") {
		t.Errorf("served under the name %q (error %v), want it with the author", title.Name, err)
	}
}

// The same by numbers.
func TestNumberedNameWithoutAuthor(t *testing.T) {
	c := open(t, memstore.New(), nil)
	d := named("Foo_Jane", "Foo (Jane)", "1")
	d.Patches[0] = fullVersion("1")
	title := numbered.NewTitle(numbered.New(0, d), d, false, time.Time{})
	_, err := c.CreateNumbered(t.Context(), title, &catalog.CreateOptions{Author: "Jane", Contributor: "c1"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.EditNumbered(t.Context(), "Foo_Jane", func(n *numbered.Title) error {
		n.Definition.Name, n.Enabled = "Google Chrome", true
		return nil
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	is, err := c.Title("Foo_Jane")
	if err != nil || !strings.Contains(is.Name, "Jane") {
		t.Errorf("served under the name %q (error %v), want it with the author", is.Name, err)
	}
}

// A caller that makes a new title must not replace the draft of another's title.
func TestSaveNewOverOthersTitle(t *testing.T) {
	for _, kind := range []string{"disabled", "live"} {
		c := open(t, memstore.New(), nil)
		if kind == "live" {
			create(t, c, "A")
		} else if _, _, err := c.SaveDraft(t.Context(), "A", textOf(t, definition("A", "1")),
			&catalog.DraftOptions{Author: "Ann", Contributor: "ann", Account: "ann"}); err != nil {
			t.Fatal(err)
		}
		_, created, err := c.SaveDraft(t.Context(), "A", []byte(`{"id":"A","name":"evil"}`),
			&catalog.DraftOptions{New: true, Author: "Eve", Contributor: "eve", Account: "eve"})
		if err == nil {
			t.Errorf("%s: the draft for a new title has replaced that of another's (created %v)", kind, created)
		}
	}
}

// firstPut calls a function before the first Put of a title.
type firstPut struct {
	store.Store
	before func()
}

func (r *firstPut) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind == "titles" && r.before != nil {
		f := r.before
		r.before = nil
		f()
	}
	return r.Store.Put(ctx, k, v, c)
}

// Two servers make the draft of a new title: one makes it, the other gets an error, or at least does not say created.
func TestSaveDraftTwoServers(t *testing.T) {
	s := memstore.New()
	other := open(t, s, nil)
	r := &firstPut{Store: s}
	c := open(t, r, nil)
	r.before = func() {
		if _, created, err := other.SaveDraft(t.Context(), "A", []byte(`{"id":"A","name":"first"}`),
			&catalog.DraftOptions{Contributor: "ann", Author: "Ann"}); err != nil || !created {
			t.Error(err)
		}
	}
	_, created, err := c.SaveDraft(t.Context(), "A", []byte(`{"id":"A","name":"second"}`),
		&catalog.DraftOptions{New: true, Contributor: "eve", Author: "Eve"})
	if err == nil {
		d, _ := other.Draft(t.Context(), "A")
		d2, _ := c.Draft(t.Context(), "A")
		t.Errorf("both servers have created the title (created %v): the draft of the first is lost: %v %s",
			created, d.Title.Contributor, d2.Definition)
	}
}

// Disabled patches survive disabling a title and discarding the edits.
func TestDiscardLosesDisabledPatches(t *testing.T) {
	c := open(t, memstore.New(), nil)
	create(t, c, "A")
	p := version("2")
	p.Disabled = true
	if _, err := c.AddVersions(t.Context(), "A", patch.Position{}, []patch.Patch{p}, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Disable(t.Context(), "A", nil); err != nil {
		t.Fatal(err)
	}
	if err := c.DiscardDraft(t.Context(), "A", nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.PublishDraft(t.Context(), "A", nil); err != nil {
		t.Fatal(err)
	}
	if all, err := disabledOf(t.Context(), c, "A"); err != nil || len(all) != 1 {
		t.Errorf("%d disabled patches after discarding an unchanged draft (error %v), want 1", len(all), err)
	}
}

func placedVersions(t testing.TB, c *catalog.Catalog, id string) []string {
	t.Helper()
	d, _, err := c.Load(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	all, err := disabledOf(t.Context(), c, id)
	if err != nil {
		t.Fatal(err)
	}
	var vs []string
	for _, p := range d.Whole(all).Patches {
		vs = append(vs, p.Version)
	}
	return vs
}

// AddVersions keeps the order given, for disabled versions too.
func TestOrderOfAddedDisabled(t *testing.T) {
	off := func(v string) patch.Patch { p := version(v); p.Disabled = true; return p }
	for name, c := range map[string]struct {
		at    patch.Position
		given []patch.Patch
		want  []string
	}{
		"front":   {patch.Position{}, []patch.Patch{off("4"), off("3")}, []string{"4", "3", "2", "1"}},
		"after":   {patch.After("2"), []patch.Patch{off("1.9"), off("1.8")}, []string{"2", "1.9", "1.8", "1"}},
		"before":  {patch.Before("1"), []patch.Patch{off("1.9"), off("1.8")}, []string{"2", "1.9", "1.8", "1"}},
		"mixed":   {patch.Position{}, []patch.Patch{version("4"), off("3")}, []string{"4", "3", "2", "1"}},
		"ordered": {patch.Ordered(), []patch.Patch{version("4"), off("3")}, []string{"4", "3", "2", "1"}},
	} {
		cat := open(t, memstore.New(), nil)
		create(t, cat, "A", "2", "1")
		if _, err := cat.AddVersions(t.Context(), "A", c.at, c.given, nil); err != nil {
			t.Error(name, err)
			continue
		}
		if vs := placedVersions(t, cat, "A"); !slices.Equal(vs, c.want) {
			t.Errorf("%s: the order is %q, want %q", name, vs, c.want)
		}
	}
}

// The order of a disabled version that was in front, and a newer one added at the front.
func TestFrontOfDisabled(t *testing.T) {
	cat := open(t, memstore.New(), nil)
	create(t, cat, "A", "1")
	p := version("2")
	p.Disabled = true
	if _, err := cat.AddVersions(t.Context(), "A", patch.Position{}, []patch.Patch{p}, nil); err != nil {
		t.Fatal(err)
	}
	add(t, cat, "A", "3")
	if vs := placedVersions(t, cat, "A"); !slices.Equal(vs, []string{"3", "2", "1"}) {
		t.Errorf("the order is %q, want 3 2 1", vs)
	}
}
