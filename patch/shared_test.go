package patch_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// someEdit returns an edited copy of old, which shares most patches with it, and the indices of those that were added.
func someEdit(random *rand.Rand, old *patch.Definition) (d *patch.Definition, added map[int]bool) {
	c := *old
	c.Patches = slices.Clone(old.Patches)
	if random.IntN(3) == 0 && len(c.Patches) > 1 {
		i := random.IntN(len(c.Patches))
		c.Patches = slices.Delete(c.Patches, i, i+1)
	}
	added = map[int]bool{}
	for n := random.IntN(3); n > 0; n-- {
		p := c.Patches[random.IntN(len(c.Patches))].Clone()
		number := strconv.Itoa(random.IntN(1000))
		p.Version = [...]string{"", "1.0", "2.0\x00", number, p.Version + "-beta"}[random.IntN(5)]
		p.ReleaseDate = [...]string{"", p.ReleaseDate, "2030-01-01T00:00:00Z", "soon"}[random.IntN(4)]
		i := random.IntN(len(c.Patches) + 1)
		c.Patches = slices.Insert(c.Patches, i, p)
		later := map[int]bool{i: true}
		for j := range added {
			if j >= i {
				j++
			}
			later[j] = true
		}
		added = later
	}
	if random.IntN(5) == 0 {
		c.Name += "\x00"
	}
	return &c, added
}

// The shorter ways to validate, to lint and to compare an edited definition have the results of the longer ones.
func TestEditedDefinitions(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	texts := corpus(t)
	for _, name := range patchtest.HostileNames() {
		texts[name] = patchtest.Hostile(name, 4<<10)
	}
	for name, text := range texts {
		old, err := patch.Parse(text, &patch.ParseOptions{Stored: true})
		if err != nil {
			continue
		}
		for range 5 {
			d, added := someEdit(random, old)
			if diff := cmp.Diff(d.ValidateOver(old), d.ValidateEdit(old)); diff != "" {
				t.Errorf("%s: ValidateOver and ValidateEdit: %s", name, diff)
			}
			if diff := cmp.Diff(patch.Diff(old.Clone(), d), patch.Diff(old, d)); diff != "" {
				t.Errorf("%s: Diff without and with shared patches: %s", name, diff)
			}
			about := func(i int) bool { return added[i] || added[i-1] }
			opts := patch.LintOptions{Now: lintNow, About: func(code, path string) bool {
				return len(added) > 0 && lintAbout(path, about) && code != "dates"
			}}
			all := patch.Lint(d, &opts)
			opts.Patches = about
			if diff := cmp.Diff(all, patch.Lint(d, &opts)); diff != "" {
				t.Errorf("%s: Lint of all patches and of some: %s", name, diff)
			}
		}
	}
}

// lintAbout reports whether a path is about a patch that wanted selects.
func lintAbout(path string, wanted func(i int) bool) bool {
	rest, ok := strings.CutPrefix(path, "/patches/")
	if !ok {
		return false
	}
	n := 0
	for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
		n++
	}
	i, err := strconv.Atoi(rest[:n])
	return err == nil && wanted(i)
}
