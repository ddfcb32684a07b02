package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
)

// createOutlined creates a title with the definition that outlined makes of some versions.
func createOutlined(t *testing.T, c *Catalog, versions ...string) {
	t.Helper()
	d, err := parseStored(outlined(versions...))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
}

// unknownVersion returns a version with n unknown members.
func unknownVersion(version string, n int) patch.Patch {
	p := patch.Patch{Version: version, ReleaseDate: "2026-01-01T00:00:00Z"}
	for i := range n {
		p.Extra = append(p.Extra, patch.Field{Name: fmt.Sprint(i), Value: []byte("0")})
	}
	return p
}

// TestAddedUnknownMembersAreBounded adds versions that are each within the limit on unknown members and together exceed
// it. The last one is refused, and the title can still be read and changed.
func TestAddedUnknownMembersAreBounded(t *testing.T) {
	ctx, s := t.Context(), memstore.New()
	c, err := Open(ctx, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { c.Close() }()
	createOutlined(t, c, "1") // with 3 unknown members
	for _, step := range []struct {
		add    string
		n      int
		remove string
		ok     bool
	}{
		{add: "2", n: 60_000, ok: true},
		{add: "3", n: 60_000},
		{add: "4", n: 39_997, ok: true},
		{add: "5", n: 1},
		{add: "6", ok: true},
		{remove: "4", ok: true},
		{add: "7", n: 39_998},
		{add: "8", n: 39_997, ok: true},
		{add: "reopened"},
		{add: "9", n: 1},
	} {
		switch {
		case step.add == "reopened":
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if c, err = Open(ctx, s, nil); err != nil {
				t.Fatal(err)
			}
			continue
		case step.remove != "":
			_, err = c.RemoveVersion(ctx, "App", step.remove, nil)
		default:
			_, err = c.AddVersions(ctx, "App", patch.Position{}, []patch.Patch{unknownVersion(step.add, step.n)}, nil)
		}
		if step.ok && err != nil || !step.ok && !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("step %+v: %.200v", step, err)
		}
		d, _, err := c.Load(ctx, "App")
		if err != nil {
			t.Fatalf("after step %+v, Load = %.200v", step, err)
		}
		if n := d.UnknownMembers(); n > patch.MaxUnknown {
			t.Fatalf("after step %+v, the title has %d unknown members", step, n)
		}
	}
	change := func(d *patch.Definition) error { d.Publisher = "Q"; return nil }
	if _, err := c.Edit(ctx, "App", change, nil); err != nil {
		t.Errorf("Edit = %.200v", err)
	}
}

// A version with values that are nested so deep that the title could not be read again is rejected.
func TestAddedVersionsAreNotTooDeep(t *testing.T) {
	c, err := Open(t.Context(), memstore.New(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	createOutlined(t, c, "1")
	for depth := 50; depth < 70; depth++ {
		p := unknownVersion(fmt.Sprint(depth), 0)
		p.Extra = []patch.Field{{Name: "x", Value: []byte(strings.Repeat("[", depth) + strings.Repeat("]", depth))}}
		_, err := c.AddVersions(t.Context(), "App", patch.Position{}, []patch.Patch{p}, nil)
		if _, _, loadErr := c.Load(t.Context(), "App"); loadErr != nil {
			t.Fatalf("depth %d: AddVersions = %v, and then Load = %v", depth, err, loadErr)
		}
		if errors.Is(err, patch.ErrInvalid) != (depth > 61) {
			t.Errorf("depth %d: AddVersions = %v", depth, err)
		}
	}
}

// A definition that is corrupt in the store is not edited, although its outline could be read.
func TestCorruptDefinitionIsNotEdited(t *testing.T) {
	for name, damage := range map[string][2]string{
		"a wrong type":     {`"version":"1","releaseDate":"2026`, `"version":"1","releaseDate":2026,"x":"`},
		"a member missing": {`"version":"1","releaseDate"`, `"version":"1","releaseDatf"`},
		"a member twice":   {`"note":[{"version":"}],"}]}]`, `"reboot":[{"version":"}],"}]}]`},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, s := t.Context(), memstore.New()
			c, err := Open(ctx, s, nil)
			if err != nil {
				t.Fatal(err)
			}
			createOutlined(t, c, "2", "1")
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := s.Get(ctx, storeKey("app"))
			if err != nil {
				t.Fatal(err)
			}
			value := bytes.Replace(r.Value, []byte(damage[0]), []byte(damage[1]), 1)
			if bytes.Equal(value, r.Value) {
				t.Fatalf("nothing was replaced in %s", value)
			}
			if _, err := s.Put(ctx, r.Key, value, store.Condition{}); err != nil {
				t.Fatal(err)
			}
			if c, err = Open(ctx, s, nil); err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			new := []patch.Patch{unknownVersion("3", 0)}
			if _, err := c.AddVersions(ctx, "App", patch.Position{}, new, nil); !errors.Is(err, ErrUnavailable) {
				t.Errorf("AddVersions = %v, want ErrUnavailable", err)
			}
			if _, err := c.RemoveVersion(ctx, "App", "2", nil); !errors.Is(err, ErrUnavailable) {
				t.Errorf("RemoveVersion = %v, want ErrUnavailable", err)
			}
		})
	}
}

// A title is parsed at its first edit, and not at later ones, even if it is no longer in the cache.
func TestDefinitionIsCheckedOnce(t *testing.T) {
	ctx, s := t.Context(), memstore.New()
	c, err := Open(ctx, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	createOutlined(t, c, "1")
	checked := func(c *Catalog) bool {
		t.Helper()
		lock, err := c.titles.lock(ctx, "app")
		if err != nil {
			t.Fatal(err)
		}
		defer lock.unlock()
		rec, err := c.writer.readToEdit(ctx, lock)
		if err != nil {
			t.Fatal(err)
		}
		return rec.facts().checked
	}
	if !checked(c) {
		t.Error("a definition that was written is not checked")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if c, err = Open(ctx, s, nil); err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if checked(c) {
		t.Error("a definition that was read at the start is checked")
	}
	new := []patch.Patch{unknownVersion("2", 0)}
	if _, err := c.AddVersions(ctx, "App", patch.Position{}, new, nil); err != nil {
		t.Fatal(err)
	}
	c.titles.facts.remove("app")
	if !checked(c) {
		t.Error("a definition that was edited is not checked")
	}
	r, err := s.Get(ctx, storeKey("app"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Put(ctx, r.Key, bytes.Clone(r.Value), store.Condition{}); err != nil {
		t.Fatal(err)
	}
	if checked(c) {
		t.Error("a definition that another program wrote is checked")
	}
}

// The cache of facts counts all of an outline.
func TestFactsCacheCountsOutline(t *testing.T) {
	long := `"more":{"text":"` + strings.Repeat("x", 1<<20) + `",`
	text := bytes.Replace(outlined("1"), []byte(`"more":{`), []byte(long), 1)
	size := func(outline bool) int64 {
		rec := &record{definition: text}
		if outline {
			if _, err := rec.outline(); err != nil {
				t.Fatal(err)
			}
		}
		c := newFactsCache(1 << 30)
		c.put("app", rec)
		return c.bytes
	}
	if with, without := size(true), size(false); with < without+1<<20 {
		t.Errorf("a record counts %d bytes with an outline and %d without one", with, without)
	}
}
