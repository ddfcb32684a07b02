package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// draftText returns a definition as the text of a draft.
func draftText(t *testing.T, d *patch.Definition) []byte {
	t.Helper()
	text, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// saveDraft saves a draft without options.
func saveDraft(t *testing.T, c *catalog.Catalog, d *patch.Definition) (*catalog.Draft, bool) {
	t.Helper()
	draft, created, err := c.SaveDraft(t.Context(), d.ID, draftText(t, d), nil)
	if err != nil {
		t.Fatal(err)
	}
	return draft, created
}

// beforeCreate calls f once, before the first record of a title is created.
type beforeCreate struct {
	store.Store
	once sync.Once
	f    func()
}

func (s *beforeCreate) Unwrap() store.Store { return s.Store }

func (s *beforeCreate) Put(ctx context.Context, k store.Key, v []byte, c store.Condition) (store.Revision, error) {
	if k.Kind == "titles" {
		s.once.Do(s.f)
	}
	return s.Store.Put(ctx, k, v, c)
}

// Of two servers that save the draft of a new title at once, one has created the title.
func TestOneOfTwoServersCreatesDraft(t *testing.T) {
	s := memstore.New()
	other := open(t, s, nil)
	c := open(t, &beforeCreate{Store: s, f: func() {
		if _, created := saveDraft(t, other, definition("New", "1")); !created {
			t.Error("the first server has not created the title")
		}
	}}, nil)
	if _, created := saveDraft(t, c, definition("New", "2")); created {
		t.Error("the second server says that it has created the title of the first")
	}
}

// A reservation that has expired does not keep its id from being that of a draft.
func TestDraftTakesExpiredReservation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &faulty{Store: memstore.New()}
		c := open(t, s, nil)
		_, err := c.Create(t.Context(), definition("New", "1"), &catalog.CreateOptions{
			Confirm: func(context.Context, catalog.Title) error {
				s.down.Store(true)
				return errDown
			},
		})
		if err == nil {
			t.Fatal("the title was created")
		}
		s.down.Store(false)
		if _, _, err := c.SaveDraft(t.Context(), "New", draftText(t, definition("New", "1")), nil); !errors.Is(
			err, catalog.ErrExists) {
			t.Fatalf("while the id is reserved: error %v, want ErrExists", err)
		}
		time.Sleep(48 * time.Hour)
		if _, _, err := c.SaveDraft(t.Context(), "New", draftText(t, definition("New", "1")), nil); err != nil {
			t.Error("after the reservation has expired:", err)
		}
	})
}

// The name of a contributor's title ends with the contributor when the title is first published, whatever its draft
// says, unless an administrator publishes it.
func TestFirstPublishKeepsAuthor(t *testing.T) {
	for rename, want := range map[bool]string{false: "Chrome (macman)", true: "Chrome"} {
		c := open(t, memstore.New(), nil)
		_, _, err := c.SaveDraft(t.Context(), "App_macman", draftText(t, named("App_macman", "Chrome", "1")),
			&catalog.DraftOptions{Author: "macman", Contributor: "c1"})
		if err != nil {
			t.Fatal(err)
		}
		r, _, err := c.PublishDraft(t.Context(), "App_macman", &catalog.EditOptions{Rename: rename})
		if err != nil || r.Title.Name != want {
			t.Errorf("with Rename %v, the name is %q (%v), want %q", rename, r.Title.Name, err, want)
		}
	}
}

// A disabled version that is added again takes the place of the one before.
func TestAddDisabledVersionAgain(t *testing.T) {
	c := open(t, memstore.New(), nil)
	create(t, c, "App")
	for _, system := range []string{"13", "14"} {
		p := version("2")
		p.Disabled, p.MinimumOperatingSystem = true, system
		if _, err := c.AddVersions(t.Context(), "App", patch.Position{}, []patch.Patch{p}, nil); err != nil {
			t.Fatal(err)
		}
	}
	all, err := disabledPatches(t, c)
	if err != nil || len(all) != 1 || all[0].Patch.MinimumOperatingSystem != "14" {
		t.Errorf("the disabled patches are %+v, %v", all, err)
	}
}

// A version can be added before or after one that is disabled.
func TestAddVersionAtDisabled(t *testing.T) {
	c := open(t, memstore.New(), nil)
	d := definition("App", "3", "2", "1")
	d.Patches[1].Disabled = true
	if _, err := c.Create(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		patch.Position
		v    string
		want []string
	}{
		{patch.After("2"), "1.5", []string{"3", "1.5", "1"}},
		{patch.Before("2"), "2.5", []string{"3", "2.5", "1.5", "1"}},
	} {
		if _, err := c.AddVersions(t.Context(), "App", at.Position, []patch.Patch{version(at.v)}, nil); err != nil {
			t.Errorf("adding %s: %v", at.v, err)
			continue
		}
		if vs := versions(t, c, "App"); !slices.Equal(vs, at.want) {
			t.Errorf("after adding %s, the versions are %v, want %v", at.v, vs, at.want)
		}
	}
	if all, err := disabledPatches(t, c); err != nil || len(all) != 1 || all[0].After != "2.5" {
		t.Errorf("the disabled patches are %+v, %v; want one after 2.5", all, err)
	}
}

// A losing store loses the record of one title, as a store that has set a corrupt record aside.
type losing struct {
	store.Store
	lost atomic.Bool
}

func (s *losing) Get(ctx context.Context, k store.Key) (store.Record, error) {
	if k.Kind == "titles" && s.lost.Load() {
		return store.Record{}, store.ErrNotFound
	}
	return s.Store.Get(ctx, k)
}

// A disabled title whose record the store has lost counts as corrupt, as one that is served.
func TestLostRecordOfDisabledTitle(t *testing.T) {
	s := &losing{Store: unwatched{memstore.New()}}
	c := open(t, s, nil)
	saveDraft(t, c, definition("App", "1"))
	s.lost.Store(true)
	_, err := c.Draft(t.Context(), "App")
	if err == nil || !c.IsDamaged("App") {
		t.Errorf("error %v, damaged %v", err, c.IsDamaged("App"))
	}
}

// Readers see no change when a draft is saved, published without a change, or discarded; and a title that is disabled
// is in no list.
func TestReadersSeeNoDraft(t *testing.T) {
	ctx := t.Context()
	s := memstore.New()
	c := open(t, s, nil)
	was := create(t, c, "App")
	var events atomic.Int32
	c.Subscribe(func(catalog.Event) { events.Add(1) })
	list := c.Software()
	hidden := definition("App", "1", "secret")
	hidden.Patches[1].Disabled = true
	steps := map[string]func() error{
		"save": func() error { saveDraft(t, c, hidden); return nil },
		"publish": func() error {
			r, created, err := c.PublishDraft(ctx, "App", nil)
			if !r.Changed || created {
				t.Errorf("publishing only a disabled patch: changed %v, created %v", r.Changed, created)
			}
			return err
		},
		"save again": func() error { saveDraft(t, c, definition("App", "secret")); return nil },
		"discard":    func() error { return c.DiscardDraft(ctx, "App", nil) },
		"new":        func() error { saveDraft(t, c, definition("Secret", "secret")); return nil },
		"delete":     func() error { return c.Delete(ctx, "Secret", nil) },
	}
	for _, name := range []string{"save", "publish", "save again", "discard", "new", "delete"} {
		if err := steps[name](); err != nil {
			t.Fatal(name, err)
		}
		now, err := c.Title("App")
		if err != nil || now.ETag != was.ETag || !now.Changed.Equal(was.Changed) {
			t.Errorf("%s: the title is %+v (%v)", name, now, err)
		}
		if doc, err := c.Definition(ctx, "App"); err != nil || strings.Contains(string(doc.Bytes()), "secret") {
			t.Errorf("%s: the definition has something of a draft, or error %v", name, err)
		}
		if got := c.Software(); got.ETag() != list.ETag() || !got.Changed().Equal(list.Changed()) || c.Len() != 1 {
			t.Errorf("%s: readers see a change of the list", name)
		}
		h, err := c.History(ctx, "App")
		if err != nil || len(h) != 1 {
			t.Errorf("%s: the history has %d revisions (%v)", name, len(h), err)
		}
		if n := events.Load(); n != 0 {
			t.Errorf("%s: %d events", name, n)
		}
	}
}

// A title that is disabled and published again tells couriers that it was deleted and created, also on the other
// servers over the store.
func TestDisableAndPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s := memstore.New()
		taken := &courier{}
		c, other := open(t, s, withCourier(taken)), open(t, s, withCourier(taken))
		title := create(t, c, "App", "2", "1")
		if err := c.Disable(ctx, "App", nil); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, cat := range []*catalog.Catalog{c, other} {
			if _, err := cat.Title("App"); !errors.Is(err, catalog.ErrNotFound) || cat.Len() != 0 {
				t.Errorf("a disabled title is served: %v", err)
			}
			if found, err := cat.ByUID(title.UID); err != nil || !found.Disabled {
				t.Errorf("its UID finds %+v, %v", found, err)
			}
			if _, err := cat.Create(ctx, definition("App", "3"), nil); !errors.Is(err, catalog.ErrExistsDisabled) {
				t.Errorf("creating it: error %v", err)
			}
			if _, err := cat.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{version("3")}, nil); !errors.Is(
				err, catalog.ErrNotFound) {
				t.Errorf("adding a version: error %v", err)
			}
		}
		r, created, err := other.PublishDraft(ctx, "App", nil)
		if err != nil || !created || r.Title.UID != title.UID {
			t.Fatalf("publishing: %+v, %v, %v", r.Title, created, err)
		}
		synctest.Wait()
		time.Sleep(time.Minute)
		if got := fmt.Sprint(taken.said("App")); got != "[created2 deleted2 created2]" {
			t.Errorf("the courier has taken %v", got)
		}
		if h, err := c.History(ctx, "App"); err != nil || len(h) != 1 {
			t.Errorf("the history has %d revisions (%v), want 1", len(h), err)
		}
	})
}

// Of two servers that publish one draft at once, one wins.
func TestTwoServersPublishOneDraft(t *testing.T) {
	for _, isNew := range []bool{true, false} {
		s := memstore.New()
		cs := []*catalog.Catalog{open(t, s, nil), open(t, s, nil)}
		if !isNew {
			create(t, cs[0], "App")
		}
		saveDraft(t, cs[0], definition("App", "2"))
		var won, lost atomic.Int32
		var group sync.WaitGroup
		for _, c := range cs {
			group.Go(func() {
				_, _, err := c.PublishDraft(t.Context(), "App", nil)
				switch {
				case err == nil:
					won.Add(1)
				case errors.Is(err, catalog.ErrNoDraft):
					lost.Add(1)
				default:
					t.Errorf("new %v: %v", isNew, err)
				}
			})
		}
		group.Wait()
		if won.Load() != 1 || lost.Load() != 1 {
			t.Errorf("new %v: %d have published it, %d were told that there is none", isNew, won.Load(), lost.Load())
		}
	}
}

// A write of unknown outcome leaves the index as the store is.
func TestDraftAfterUnknownOutcome(t *testing.T) {
	s := &faulty{Store: unwatched{memstore.New()}}
	c := open(t, s, nil)
	saveDraft(t, c, definition("App", "1"))
	for i, call := range []func() error{
		func() error { _, _, err := c.PublishDraft(t.Context(), "App", nil); return err },
		func() error { return c.Disable(t.Context(), "App", nil) },
	} {
		s.silent.Store(true)
		if err := call(); !errors.Is(err, catalog.ErrUnavailable) {
			t.Errorf("call %d: error %v, want ErrUnavailable", i, err)
		}
		s.silent.Store(false)
		if title, err := c.Lookup("App"); err != nil || title.Disabled != (i == 1) {
			t.Errorf("after call %d: %+v, %v", i, title, err)
		}
	}
}

// A restore over a disabled title fails, and leaves all titles as they were.
func TestRestoreOverDisabledTitle(t *testing.T) {
	c := open(t, memstore.New(), nil)
	create(t, c, "Other")
	saveDraft(t, c, definition("App", "1"))
	for _, mode := range []catalog.RestoreMode{catalog.RestoreMerge, catalog.RestoreReplace} {
		_, err := c.Restore(t.Context(), func(yield func(*patch.Definition, error) bool) {
			_ = yield(definition("Other", "2"), nil) && yield(definition("App", "2"), nil)
		}, &catalog.RestoreOptions{Mode: mode})
		if !errors.Is(err, catalog.ErrExistsDisabled) {
			t.Errorf("%s: error %v", mode, err)
		}
		if vs := versions(t, c, "Other"); !slices.Equal(vs, []string{"1"}) {
			t.Errorf("%s: the other title has versions %v", mode, vs)
		}
		if _, err := c.Draft(t.Context(), "App"); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
	}
}

// An account's drafts count for its limit.
func TestDraftsCountForAccount(t *testing.T) {
	c := open(t, memstore.New(), &catalog.Options{MaxAccountBytes: 10_000})
	opts := &catalog.DraftOptions{Contributor: "c1"}
	var err error
	for i := 0; err == nil && i < 100; i++ {
		d := longTitle(fmt.Sprintf("App%d", i), 5)
		_, _, err = c.SaveDraft(t.Context(), d.ID, draftText(t, d), opts)
	}
	if !errors.Is(err, catalog.ErrTooMuch) {
		t.Errorf("error %v, want ErrTooMuch", err)
	}
}

// disabledPatches returns the disabled patches of App.
func disabledPatches(t *testing.T, c *catalog.Catalog) ([]patch.Placed, error) {
	whole, _, err := c.LoadWhole(t.Context(), "App")
	if err != nil {
		return nil, err
	}
	_, disabled := whole.Split()
	return disabled, nil
}
