package catalog_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store"
)

// open opens a catalog, and closes it at the end of the test.
func open(t testing.TB, s store.Store, opts *catalog.Options) *catalog.Catalog {
	t.Helper()
	c, err := catalog.Open(context.Background(), s, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// definition returns a small definition with these versions.
func definition(id string, versions ...string) *patch.Definition {
	yes := true
	d := &patch.Definition{ID: id, Name: id + " App", Publisher: "Example",
		Requirements: []patch.Criterion{
			{Name: "Application Bundle ID", Operator: "is", Value: "com.example.app", Type: "recon", And: &yes},
		}}
	for _, v := range versions {
		d.Patches = append(d.Patches, version(v))
	}
	return d
}

// named returns a definition with another name.
func named(id, name, v string) *patch.Definition {
	d := definition(id, v)
	d.Name = name
	return d
}

// version returns a patch of a version.
func version(v string) patch.Patch {
	return patch.Patch{Version: v, ReleaseDate: "2018-02-02T17:39:58Z"}
}

// fullVersion returns a patch of about 620 bytes, as authors write them.
func fullVersion(v string) patch.Patch {
	p := version(v)
	p.MinimumOperatingSystem = "10.13"
	p.KillApps = []patch.KillApp{{BundleID: "com.example.app", AppName: "Example.app"}}
	criterion := func(name, operator, value string) patch.Criterion {
		return patch.Criterion{Name: name, Operator: operator, Value: value, Type: "recon"}
	}
	p.Components = []patch.Component{{Name: "Example", Version: v, Criteria: []patch.Criterion{
		criterion("Application Bundle ID", "is", "com.example.app"),
		criterion("Application Version", "is", v),
	}}}
	p.Capabilities = []patch.Criterion{criterion("Operating System Version", "greater than or equal", "10.13")}
	return p
}

// longTitle returns a definition with n versions.
func longTitle(id string, n int) *patch.Definition {
	d := definition(id)
	for i := n; i > 0; i-- {
		d.Patches = append(d.Patches, fullVersion(fmt.Sprintf("1.%d.0", i)))
	}
	return d
}

// create creates a title with these versions, or with version 1.
func create(t testing.TB, c *catalog.Catalog, id string, versions ...string) catalog.Title {
	t.Helper()
	if versions == nil {
		versions = []string{"1"}
	}
	r, err := c.Create(context.Background(), definition(id, versions...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return r.Title
}

// add adds a version in front of a title.
func add(t testing.TB, c *catalog.Catalog, id, v string) catalog.Result {
	t.Helper()
	r, err := c.AddVersions(context.Background(), id, patch.Position{}, []patch.Patch{version(v)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// versions returns the versions of a title.
func versions(t testing.TB, c *catalog.Catalog, id string) []string {
	t.Helper()
	d, _, err := c.Load(context.Background(), id)
	if err != nil {
		t.Fatal(err)
	}
	var vs []string
	for _, p := range d.Patches {
		vs = append(vs, p.Version)
	}
	return vs
}

// state returns the ids of all titles with their current versions.
func state(cat *catalog.Catalog) string {
	var all []string
	for t := range cat.Find(catalog.Filter{}) {
		all = append(all, t.ID+" "+t.CurrentVersion)
	}
	return strings.Join(all, ", ")
}

// listed returns the ids in a list of summaries.
func listed(t testing.TB, doc *catalog.Document) (ids []string) {
	t.Helper()
	var all []patch.Summary
	if err := json.Unmarshal(doc.Bytes(), &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all {
		ids = append(ids, s.ID)
	}
	return ids
}

// yields returns a sequence of definitions. It ends with errBroken at one that is nil.
func yields(defs ...*patch.Definition) iter.Seq2[*patch.Definition, error] {
	return func(yield func(*patch.Definition, error) bool) {
		for _, d := range defs {
			if d == nil {
				yield(nil, errBroken)
				return
			}
			if !yield(d, nil) {
				return
			}
		}
	}
}

var errBroken = errors.New("a broken member")

// titleRecord returns the key of a title's record.
func titleRecord(key string) store.Key { return store.Key{Kind: "titles", ID: key} }

// records returns the number of records of a kind.
func records(t *testing.T, s store.Store, kind string) (n int) {
	t.Helper()
	for _, err := range s.List(t.Context(), kind) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

// eventually waits until another goroutine has made ok return true.
func eventually(t testing.TB, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); {
		if time.Now().After(end) {
			t.Fatal("the condition is still false after 10 seconds")
		}
		time.Sleep(time.Millisecond)
	}
}
