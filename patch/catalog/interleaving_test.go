package catalog_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
	"github.com/patchsource/patchsource/store/memstore"
)

// secret is a word that is only in drafts and disabled patches.
const secret = "xyzzy"

// interleavings is the number of random edits of TestInterleavings. PATCHSOURCE_INTERLEAVINGS sets another.
func interleavings(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("PATCHSOURCE_INTERLEAVINGS")); err == nil {
		return n
	}
	if testing.Short() {
		return 500
	}
	return 10_000
}

// Whatever edits come in, as definitions, as drafts and by numbers, through two catalogs over one store, every title
// that is served is valid and has nothing of a draft or a disabled patch; and the numbers of parts are unique, never
// used again, and stay with their versions.
func TestInterleavings(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newInterleaving(t, seed)
				for x.step = range interleavings(t) / 4 {
					x.edit()
					x.check()
				}
				if x.succeeded < x.step/4 {
					t.Errorf("only %d of %d edits succeeded", x.succeeded, x.step)
				}
			})
		})
	}
}

// An interleaving makes random edits of a few titles and checks them.
type interleaving struct {
	*testing.T
	random    *rand.Rand
	catalogs  []*catalog.Catalog
	step      int
	succeeded int
	last      string // the last edit
	// versions has, for each title by its UID, the version of each number of a patch that was ever seen.
	versions map[string]map[uint64]string
	// gone has the numbers of parts that a title does not have any more.
	gone, had map[uint64]bool
}

func newInterleaving(t *testing.T, seed uint64) *interleaving {
	s := memstore.New()
	x := &interleaving{
		T:        t,
		random:   rand.New(rand.NewPCG(seed, 16)),
		versions: map[string]map[uint64]string{},
		gone:     map[uint64]bool{},
		had:      map[uint64]bool{},
	}
	for range 2 {
		c := open(t, s, nil)
		c.Subscribe(func(e catalog.Event) {
			for _, d := range []*patch.Definition{e.Before, e.After} {
				if data, err := json.Marshal(d); err != nil || bytes.Contains(data, []byte(secret)) {
					x.Errorf("an event has something of a draft (error %v): %s", err, data)
				}
			}
		})
		x.catalogs = append(x.catalogs, c)
	}
	return x
}

// one returns a random one of some.
func one[T any](x *interleaving, some ...T) T { return some[x.random.IntN(len(some))] }

func (x *interleaving) version() string { return fmt.Sprint(x.random.IntN(9)) }

// patch returns a random patch. If it is disabled, it has the secret.
func (x *interleaving) patch(v string) patch.Patch {
	p := fullVersion(v)
	switch x.random.IntN(6) {
	case 0:
		p.Disabled = true
		p.MinimumOperatingSystem = secret
	case 1:
		p.Capabilities = append(p.Capabilities, p.Capabilities[0])
	}
	return p
}

// definition returns a random definition of a title, which may be invalid.
func (x *interleaving) definition(id string) *patch.Definition {
	d := definition(id)
	seen := map[string]bool{}
	for range x.random.IntN(5) {
		if v := x.version(); !seen[v] {
			seen[v] = true
			d.Patches = append(d.Patches, x.patch(v))
		}
	}
	if x.random.IntN(3) == 0 {
		d.ExtensionAttributes = append(d.ExtensionAttributes, patch.ExtensionAttribute{Key: "k", Value: "IyE="})
	}
	return d
}

// edit makes a random edit.
func (x *interleaving) edit() {
	ctx := context.Background()
	c := one(x, x.catalogs...)
	id := one(x, "A", "B", "C")
	var err error
	calls := []struct {
		name string
		call func()
	}{
		{"create", func() { _, err = c.Create(ctx, x.definition(id), nil) }},
		{"replace", func() { _, err = c.Replace(ctx, id, x.definition(id), nil) }},
		{"add", func() {
			at := one(x, patch.Position{}, patch.Ordered(), patch.After(x.version()), patch.Before(x.version()))
			_, err = c.AddVersions(ctx, id, at, []patch.Patch{x.patch(x.version())}, nil)
		}},
		{"remove", func() { _, err = c.RemoveVersion(ctx, id, x.version(), nil) }},
		{"clone", func() { _, err = c.CloneVersion(ctx, id, x.version(), x.version(), nil) }},
		{"order", func() {
			d, _, loadErr := c.Load(ctx, id)
			if err = loadErr; err == nil {
				vs := d.Versions()
				x.random.Shuffle(len(vs), func(i, j int) { vs[i], vs[j] = vs[j], vs[i] })
				_, err = c.OrderVersions(ctx, id, vs, nil)
			}
		}},
		{"save a draft", func() {
			d := x.definition(id)
			text, _ := json.Marshal(d)
			if x.random.IntN(3) == 0 {
				text = fmt.Appendf(nil, `{"id":%q,"name":%q,"patches":[{}]}`, id, secret)
			}
			_, _, err = c.SaveDraft(ctx, id, text, nil)
		}},
		{"publish", func() { _, _, err = c.PublishDraft(ctx, id, nil) }},
		{"discard", func() { err = c.DiscardDraft(ctx, id, nil) }},
		{"disable", func() { err = c.Disable(ctx, id, nil) }},
		{"undo", func() {
			d, loadErr := c.Revision(ctx, id, uint64(1+x.random.IntN(10)))
			if err = loadErr; err == nil {
				_, err = c.Replace(ctx, id, d, nil)
			}
		}},
		{"restore", func() {
			_, err = c.Restore(ctx, yields(x.definition(id)), &catalog.RestoreOptions{Mode: catalog.RestoreMerge})
		}},
		{"number", func() { err = c.NumberTitles(ctx) }},
		{"read by numbers", func() { _, err = c.Numbered(ctx, id) }},
		{"create by numbers", func() {
			d := x.definition(id)
			_, err = c.CreateNumbered(ctx, numbered.NewTitle(numbered.New(1, d), d, one(x, true, false), now()), nil)
		}},
		{"edit by numbers", func() { _, err = c.EditNumbered(ctx, id, x.editNumbered, nil) }},
	}
	i := x.random.IntN(len(calls) + 12) // most edits are by numbers
	if i >= len(calls) {
		i = len(calls) - 1
	}
	if x.random.IntN(40) == 0 {
		x.last, err = "delete "+id, c.Delete(ctx, id, nil)
	} else {
		x.last = calls[i].name + " " + id
		calls[i].call()
	}
	synctest.Wait()
	switch {
	case err == nil:
		x.succeeded++
	case !expected(err):
		x.Fatalf("step %d: %s: %v", x.step, x.last, err)
	}
}

// errRefused is the error of an edit by numbers that changes its mind.
var errRefused = errors.New("refused")

// expected reports whether an error is one that a random edit may have.
func expected(err error) bool {
	for _, target := range []error{
		patch.ErrInvalid, patch.ErrVersionExists, patch.ErrVersionNotFound, patch.ErrLastVersion, patch.ErrPosition,
		catalog.ErrExists, catalog.ErrNotFound, catalog.ErrNoDraft, catalog.ErrDraft, catalog.ErrDraftConflict,
		catalog.ErrNoRevision, errRefused,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// now returns the time.
func now() time.Time { return time.Now() }

// editNumbered makes a random edit by numbers.
func (x *interleaving) editNumbered(t *numbered.Title) error {
	d := t.Definition
	for range 1 + x.random.IntN(3) {
		var p numbered.Place
		if n := len(d.Patches); n > 0 {
			p.Patch = x.random.IntN(n)
		}
		switch x.random.IntN(12) {
		case 0:
			t.Enabled = !t.Enabled
		case 1, 2:
			v := x.version()
			if d.FindPatch(v) < 0 {
				t.AddPatch(x.random.IntN(3), x.patch(v))
			}
		case 3:
			t.AddRequirement(-1, definition("A").Requirements[0])
		}
		if len(d.Patches) == 0 {
			continue
		}
		v := &d.Patches[p.Patch]
		switch x.random.IntN(10) {
		case 0:
			p.Kind = numbered.Patch
			t.Move(p, x.random.IntN(4))
		case 1:
			p.Kind = numbered.Patch
			t.Remove(p)
		case 2:
			t.Patch(p).Disabled = !v.Disabled
			v.MinimumOperatingSystem = secret
			if !v.Disabled {
				v.MinimumOperatingSystem = "12"
			}
		case 3:
			t.AddKillApp(p.Patch, patch.KillApp{BundleID: "k", AppName: "K.app"})
		case 4:
			if p.Kind = numbered.Capability; len(v.Capabilities) > 0 {
				t.Remove(p)
			}
		case 5:
			if p.Kind = numbered.Component; len(v.Components) > 0 {
				t.Component(p).Name = x.version()
			}
		case 6:
			if len(v.Components) > 0 {
				t.AddCriterion(p.Patch, 0, -1, fullVersion("1").Capabilities[0])
			}
		case 7:
			t.AddCapability(p.Patch, 0, fullVersion("1").Capabilities[0])
		case 8:
			return errRefused
		}
	}
	d.Name = d.ID              // the draft is perhaps published
	for i := range d.Patches { // what is served has no secret
		if p := &d.Patches[i]; !p.Disabled && p.MinimumOperatingSystem == secret {
			p.MinimumOperatingSystem = "11"
		}
	}
	return nil
}

// check checks every title that is served, and the numbers.
func (x *interleaving) check() {
	ctx := context.Background()
	c := x.catalogs[x.step%2]
	for _, c := range x.catalogs {
		if list := c.Software().Bytes(); bytes.Contains(list, []byte(secret)) {
			x.Fatalf("step %d: %s: the list has something of a draft: %s", x.step, x.last, list)
		}
	}
	if a, b := state(x.catalogs[0]), state(x.catalogs[1]); a != b {
		x.Fatalf("step %d: %s: the catalogs differ: %s; %s", x.step, x.last, a, b)
	}
	for _, id := range []string{"A", "B", "C"} {
		title, err := c.Lookup(id)
		if err != nil {
			continue
		}
		if !title.Disabled {
			x.checkServed(ctx, c, id)
		}
		if title.Number != 0 && title.Number%2 == uint64(x.step)%2 {
			x.checkNumbers(ctx, c, title)
		}
	}
}

// checkServed checks the definition of a title that is served.
func (x *interleaving) checkServed(ctx context.Context, c *catalog.Catalog, id string) {
	doc, err := c.Definition(ctx, id)
	if err != nil {
		x.Fatalf("step %d: %s: %v", x.step, x.last, err)
	}
	d, err := patch.Parse(doc.Bytes(), nil)
	switch {
	case err != nil:
		x.Fatalf("step %d: %s: the definition of %s is invalid: %v\n%s", x.step, x.last, id, err, doc.Bytes())
	case bytes.Contains(doc.Bytes(), []byte(secret)), bytes.Contains(doc.Bytes(), []byte(`"enabled"`)):
		x.Fatalf("step %d: %s: the definition of %s has something of a draft:\n%s", x.step, x.last, id, doc.Bytes())
	case d.CurrentVersion != d.Patches[0].Version:
		x.Fatalf("step %d: %s: the current version of %s is %s:\n%s", x.step, x.last, id, d.CurrentVersion, doc.Bytes())
	}
	all, err := c.History(ctx, id)
	if err != nil {
		x.Fatalf("step %d: %s: %v", x.step, x.last, err)
	}
	r, err := c.Revision(ctx, id, one(x, all...).Number)
	if err != nil {
		x.Fatalf("step %d: %s: a revision of %s: %v", x.step, x.last, id, err)
	}
	if data, _ := json.Marshal(r); bytes.Contains(data, []byte(secret)) {
		x.Fatalf("step %d: %s: a revision of %s has something of a draft: %s", x.step, x.last, id, data)
	}
	whole, _, err := c.LoadWhole(ctx, id)
	if err != nil {
		x.Fatal(err)
	}
	_, disabled := whole.Split()
	for _, p := range disabled {
		if !p.Patch.Disabled || d.FindPatch(p.Patch.Version) >= 0 {
			x.Fatalf("step %d: %s: %s has the disabled patch %q and serves %v", x.step, x.last, id,
				p.Patch.Version, d.Versions())
		}
	}
}

// checkNumbers checks the numbers of a title.
func (x *interleaving) checkNumbers(ctx context.Context, c *catalog.Catalog, title catalog.Title) {
	t, err := c.Numbered(ctx, title.ID)
	if errors.Is(err, patch.ErrInvalid) && title.Disabled {
		return // its draft has values of a wrong type
	}
	if err != nil {
		x.Fatalf("step %d: %s: the numbers of %s: %v", x.step, x.last, title.ID, err)
	}
	if found, err := c.ByNumber(title.Number); err != nil || found.UID != title.UID {
		x.Fatalf("step %d: %s: the number %d of %s is that of %s: %v", x.step, x.last, title.Number, title.ID,
			found.ID, err)
	}
	versions := x.versions[title.UID]
	if versions == nil {
		versions = map[uint64]string{}
		x.versions[title.UID] = versions
	}
	seen := map[uint64]bool{}
	count := func(n uint64) {
		if n == 0 || seen[n] || x.gone[n] {
			x.Fatalf("step %d: %s: %s has the number %d twice, again, or none", x.step, x.last, title.ID, n)
		}
		seen[n] = true
		if found, err := c.ByPartNumber(n); err != nil || found.UID != title.UID {
			x.Fatalf("step %d: %s: the part %d of %s is found in %s: %v", x.step, x.last, n, title.ID, found.ID, err)
		}
	}
	for _, n := range append(t.Numbers.Requirements, t.Numbers.ExtensionAttributes...) {
		count(n)
	}
	for i, p := range t.Numbers.Patches {
		v := t.Definition.Patches[i].Version
		if was, ok := versions[p.Number]; ok && was != v {
			x.Fatalf("step %d: %s: the patch %d of %s was %s and is %s", x.step, x.last, p.Number, title.ID, was, v)
		}
		versions[p.Number] = v
		count(p.Number)
		for _, n := range append(p.KillApps, p.Capabilities...) {
			count(n)
		}
		for _, m := range p.Components {
			count(m.Number)
			for _, n := range m.Criteria {
				count(n)
			}
		}
	}
	for n := range x.had {
		if numbered.Block(n) == title.Number && !seen[n] {
			x.gone[n] = true
			delete(x.had, n)
		}
	}
	for n := range seen {
		x.had[n] = true
	}
}
