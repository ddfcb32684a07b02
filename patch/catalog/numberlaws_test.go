package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
	"github.com/patchsource/patchsource/store/memstore"
)

// FuzzInterleavings is [TestInterleavings] with seeds that are searched for.
func FuzzInterleavings(f *testing.F) {
	for seed := range uint64(3) {
		f.Add(seed+100, uint8(40))
	}
	f.Fuzz(func(t *testing.T, seed uint64, steps uint8) {
		synctest.Test(t, func(t *testing.T) {
			x := newInterleaving(t, seed)
			for x.step = range int(steps) {
				x.edit()
				x.check()
			}
		})
	})
}

// contents returns the content of each part of a title by its number.
func contents(t *numbered.Title) map[uint64]string {
	all := map[uint64]string{}
	add := func(n uint64, v json.Marshaler) {
		text, _ := v.MarshalJSON()
		all[n] = string(text)
	}
	d, n := t.Definition, &t.Numbers
	for i := range d.Requirements {
		add(n.Requirements[i], d.Requirements[i])
	}
	for i := range d.ExtensionAttributes {
		add(n.ExtensionAttributes[i], d.ExtensionAttributes[i])
	}
	for i := range d.Patches {
		p, q := &d.Patches[i], &n.Patches[i]
		all[q.Number] = "version " + p.Version
		for j := range p.KillApps {
			add(q.KillApps[j], p.KillApps[j])
		}
		for j := range p.Capabilities {
			add(q.Capabilities[j], p.Capabilities[j])
		}
		for j := range p.Components {
			for k := range p.Components[j].Criteria {
				add(q.Components[j].Criteria[k], p.Components[j].Criteria[k])
			}
		}
	}
	return all
}

// distinct returns a version all parts of which differ from each other.
func distinct(v string) patch.Patch {
	p := fullVersion(v)
	p.KillApps = []patch.KillApp{{BundleID: "k1", AppName: "1.app"}, {BundleID: "k2", AppName: "2.app"}}
	return p
}

// numberEdits are ways to edit a title that has the versions 3, 2 and 1, and the disabled version 4.
var numberEdits = []struct {
	name string
	edit func(ctx context.Context, c *catalog.Catalog) error
}{
	{"AddVersions", func(ctx context.Context, c *catalog.Catalog) error {
		_, err := c.AddVersions(ctx, "A", patch.After("2"), []patch.Patch{distinct("9")}, nil)
		return err
	}},
	{"RemoveVersion", func(ctx context.Context, c *catalog.Catalog) error {
		_, err := c.RemoveVersion(ctx, "A", "2", nil)
		return err
	}},
	{"RemoveVersion of a disabled one", func(ctx context.Context, c *catalog.Catalog) error {
		_, err := c.RemoveVersion(ctx, "A", "4", nil)
		return err
	}},
	{"Replace", func(ctx context.Context, c *catalog.Catalog) error {
		d, _, err := c.Load(ctx, "A")
		if err != nil {
			return err
		}
		d = d.Clone()
		d.Patches[0], d.Patches[1] = d.Patches[1], d.Patches[0]
		_, err = c.Replace(ctx, "A", d, nil)
		return err
	}},
	{"CloneVersion", func(ctx context.Context, c *catalog.Catalog) error {
		_, err := c.CloneVersion(ctx, "A", "1", "9", nil)
		return err
	}},
	{"OrderVersions", func(ctx context.Context, c *catalog.Catalog) error {
		_, err := c.OrderVersions(ctx, "A", []string{"1", "3", "2"}, nil)
		return err
	}},
	{"Edit", func(ctx context.Context, c *catalog.Catalog) error {
		_, err := c.Edit(ctx, "A", func(d *patch.Definition) error {
			d.Publisher = "Other"
			return nil
		}, nil)
		return err
	}},
	{"PublishDraft", func(ctx context.Context, c *catalog.Catalog) error {
		d, _, err := c.Load(ctx, "A")
		if err != nil {
			return err
		}
		d = d.Clone()
		d.Patches = append([]patch.Patch{distinct("9")}, d.Patches...)
		text, _ := json.Marshal(d)
		if _, _, err := c.SaveDraft(ctx, "A", text, nil); err != nil {
			return err
		}
		_, _, err = c.PublishDraft(ctx, "A", nil)
		return err
	}},
	{"Disable and PublishDraft", func(ctx context.Context, c *catalog.Catalog) error {
		if err := c.Disable(ctx, "A", nil); err != nil {
			return err
		}
		_, _, err := c.PublishDraft(ctx, "A", nil)
		return err
	}},
	{"Disable and save another draft", func(ctx context.Context, c *catalog.Catalog) error {
		if err := c.Disable(ctx, "A", nil); err != nil {
			return err
		}
		d, err := c.Draft(ctx, "A")
		if err != nil {
			return err
		}
		whole, err := patch.Parse(d.Definition, nil)
		if err != nil {
			return err
		}
		whole.Patches = whole.Patches[:len(whole.Patches)-1]
		text, _ := json.Marshal(whole)
		_, _, err = c.SaveDraft(ctx, "A", text, nil)
		return err
	}},
	{"Restore", func(ctx context.Context, c *catalog.Catalog) error {
		d, _, err := c.Load(ctx, "A")
		if err != nil {
			return err
		}
		d = d.Clone()
		d.Patches = d.Patches[1:]
		_, err = c.Restore(ctx, yields(d), &catalog.RestoreOptions{Mode: catalog.RestoreMerge})
		return err
	}},
	{"a draft that has a value of a wrong type for a while", func(ctx context.Context, c *catalog.Catalog) error {
		if err := c.Disable(ctx, "A", nil); err != nil {
			return err
		}
		d, err := c.Draft(ctx, "A")
		if err != nil {
			return err
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(d.Definition, &members); err != nil {
			return err
		}
		members["publisher"] = json.RawMessage(`7`)
		wrong, _ := json.Marshal(members)
		if _, _, err := c.SaveDraft(ctx, "A", wrong, nil); err != nil {
			return err
		}
		_, _, err = c.SaveDraft(ctx, "A", d.Definition, nil)
		return err
	}},
	{"EditNumbered that disables a version", func(ctx context.Context, c *catalog.Catalog) error {
		_, err := c.EditNumbered(ctx, "A", func(t *numbered.Title) error {
			t.Definition.Patches[t.Definition.FindPatch("2")].Disabled = true
			return nil
		}, nil)
		return err
	}},
	{"EditNumbered that disables the title and enables it", func(ctx context.Context, c *catalog.Catalog) error {
		for _, enabled := range []bool{false, true} {
			_, err := c.EditNumbered(ctx, "A", func(t *numbered.Title) error {
				t.Enabled = enabled
				return nil
			}, nil)
			if err != nil {
				return err
			}
		}
		return nil
	}},
}

// Each way to edit a title keeps the numbers of all parts that it does not change.
func TestNumbersStay(t *testing.T) {
	for _, e := range numberEdits {
		t.Run(e.name, func(t *testing.T) {
			c := open(t, memstore.New(), nil)
			d := definition("A")
			off := distinct("4")
			off.Disabled = true
			d.Patches = []patch.Patch{distinct("3"), off, distinct("2"), distinct("1")}
			if _, err := c.Create(t.Context(), d, nil); err != nil {
				t.Fatal(err)
			}
			before := contents(numberedTitle(t, c, "A"))
			if err := e.edit(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			title := numberedTitle(t, c, "A")
			after := contents(title)
			for n, was := range before {
				if is, ok := after[n]; ok && is != was {
					t.Errorf("the number %d was that of %s and is that of %s", n, was, is)
				}
			}
			for i := range title.Definition.Patches {
				v := title.Definition.Patches[i].Version
				for n, was := range before {
					if was == "version "+v && title.Numbers.Patches[i].Number != n {
						t.Errorf("the version %s had the number %d and has %d", v, n, title.Numbers.Patches[i].Number)
					}
				}
			}
			kept := 0
			for n := range before {
				if _, ok := after[n]; ok {
					kept++
				}
			}
			if lost := len(before) - kept; lost > len(before)/4+1 {
				t.Errorf("%d of %d numbers are lost", lost, len(before))
			}
		})
	}
}

// Reading the numbers of a draft twice gives the same numbers, whatever versions its patches have.
func TestNumbersOfIncompleteDraftStay(t *testing.T) {
	for _, patches := range []string{
		`[{},{}]`,
		`[{"version":"1"},{"version":"1"}]`,
		`[{"version":"2","killApps":[{},{}]},{"killApps":[{}]},{}]`,
	} {
		c := open(t, memstore.New(), nil)
		text := fmt.Appendf(nil, `{"id":"A","name":"A","patches":%s}`, patches)
		if _, _, err := c.SaveDraft(t.Context(), "A", text, nil); err != nil {
			t.Fatal(err)
		}
		first := numberedTitle(t, c, "A")
		second := numberedTitle(t, c, "A")
		if diff := cmp.Diff(first.Numbers, second.Numbers); diff != "" {
			t.Errorf("a second reader of %s has other numbers:\n%s", patches, diff)
		}
	}
}

// A version that ten edits by numbers make is served by the last of them, with one revision and one event.
func TestTenEditsMakeOneRevision(t *testing.T) {
	c := open(t, memstore.New(), nil)
	create(t, c, "A", "1")
	before, err := c.History(t.Context(), "A")
	if err != nil {
		t.Fatal(err)
	}
	numberedTitle(t, c, "A")
	var events []catalog.Event
	defer c.Subscribe(func(e catalog.Event) { events = append(events, e) })()
	full := fullVersion("2")
	capability := full.Capabilities[0]
	var at uint64 // the number of the patch
	on := func(edit func(t *numbered.Title, p numbered.Place)) func(*numbered.Title) error {
		return func(t *numbered.Title) error {
			p, ok := t.Find(numbered.Patch, at)
			if !ok {
				return fmt.Errorf("the patch %d is not found", at)
			}
			edit(t, p)
			return nil
		}
	}
	edits := []func(*numbered.Title) error{
		func(t *numbered.Title) error {
			p := patch.Patch{Version: "2", ReleaseDate: "2026-05-01T00:00:00Z", MinimumOperatingSystem: "12"}
			p.Disabled = true
			t.AddPatch(0, p)
			return nil
		},
		on(func(t *numbered.Title, p numbered.Place) {
			t.AddKillApp(p.Patch, patch.KillApp{BundleID: "k", AppName: "K"})
		}),
		on(func(t *numbered.Title, p numbered.Place) {
			t.AddComponent(p.Patch, patch.Component{Name: "A", Version: "2"})
		}),
		on(func(t *numbered.Title, p numbered.Place) { t.AddCriterion(p.Patch, 0, -1, capability) }),
		on(func(t *numbered.Title, p numbered.Place) { t.AddCriterion(p.Patch, 0, -1, capability) }),
		on(func(t *numbered.Title, p numbered.Place) {
			t.Move(numbered.Place{Kind: numbered.Criterion, Patch: p.Patch, Index: 1}, 0)
		}),
		on(func(t *numbered.Title, p numbered.Place) { t.AddCapability(p.Patch, -1, capability) }),
		on(func(t *numbered.Title, p numbered.Place) { t.Patch(p).Reboot = true }),
		on(func(t *numbered.Title, p numbered.Place) { t.Move(p, 0) }),
		on(func(t *numbered.Title, p numbered.Place) { t.Patch(p).Disabled = false }),
	}
	for i, edit := range edits {
		if all, err := c.History(t.Context(), "A"); err != nil || len(all) != len(before) || len(events) != 0 {
			t.Fatalf("before edit %d there are %d revisions (error %v) and the events %v", i, len(all), err, events)
		}
		title := editNumbered(t, c, "A", edit)
		if i == 0 {
			at = title.Numbers.Patches[0].Number
		}
	}
	after, err := c.History(t.Context(), "A")
	if err != nil || len(after) != len(before)+1 || len(events) != 1 {
		t.Errorf("there are %d revisions (error %v) and the events %v, want one more and one", len(after), err, events)
	}
	if got := fmt.Sprint(versions(t, c, "A")); got != "[2 1]" {
		t.Errorf("%s is served, want [2 1]", got)
	}
}

// Edits by numbers and by definitions at the same time, through two catalogs over one store, are all made: no update is
// lost, and no number is used twice.
func TestConcurrentEditsOfBothAPIs(t *testing.T) {
	s := memstore.New()
	a, b := open(t, s, nil), open(t, s, nil)
	create(t, a, "A", "0")
	numberedTitle(t, a, "A")
	eventually(t, func() bool { return b.Len() == 1 })
	const n = 20
	// Four writers of one title may all be slower than the others for a while.
	again := func(edit func() error) error {
		err := edit()
		for errors.Is(err, catalog.ErrUnavailable) && t.Context().Err() == nil {
			err = edit()
		}
		return err
	}
	done := make(chan error)
	for i, c := range []*catalog.Catalog{a, b} {
		go func() {
			var err error
			for j := range n {
				if err == nil {
					err = again(func() error {
						_, err := c.AddVersions(t.Context(), "A", patch.Position{},
							[]patch.Patch{fullVersion(fmt.Sprintf("%d.%d.0", i+1, j+1))}, nil)
						return err
					})
				}
			}
			done <- err
		}()
		go func() {
			var err error
			for j := range n {
				if err == nil {
					err = again(func() error {
						_, err := c.EditNumbered(t.Context(), "A", func(t *numbered.Title) error {
							p := fullVersion(fmt.Sprintf("%d.%d.1", i+1, j+1))
							p.Disabled = rand.IntN(2) == 0
							t.AddPatch(0, p)
							return nil
						}, nil)
						return err
					})
				}
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	title := numberedTitle(t, a, "A")
	if got := len(title.Definition.Patches); got != 4*n+1 {
		t.Errorf("there are %d patches, want %d", got, 4*n+1)
	}
	seen := map[uint64]bool{}
	for _, p := range title.Numbers.Patches {
		for _, number := range append([]uint64{p.Number}, p.Capabilities...) {
			if seen[number] || number == 0 {
				t.Errorf("the number %d is used twice", number)
			}
			seen[number] = true
		}
	}
}
