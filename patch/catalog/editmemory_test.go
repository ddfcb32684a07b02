package catalog_test

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/store/memstore"
)

// TestEditsDoNotKeepEarlierDefinitions edits a title many times without making it larger, and checks that the memory in
// use does not grow. The parsed definition is known in one case and unknown in the other.
func TestEditsDoNotKeepEarlierDefinitions(t *testing.T) {
	for _, parsed := range []bool{false, true} {
		t.Run(fmt.Sprintf("parsed %v", parsed), func(t *testing.T) { testEditsDoNotKeepEarlierDefinitions(t, parsed) })
	}
}

func testEditsDoNotKeepEarlierDefinitions(t *testing.T, parsed bool) {
	c := open(t, memstore.New(), nil)
	d := longTitle("App", 700)
	if _, err := c.Create(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
	text, err := d.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	edit := func(n int) {
		for i := range n {
			v := fullVersion(fmt.Sprintf("2.%d.0", i))
			if _, err := c.AddVersions(t.Context(), "App", patch.Position{}, []patch.Patch{v}, nil); err != nil {
				t.Fatal(err)
			}
			if parsed {
				change := func(d *patch.Definition) error { return nil }
				if _, err := c.Edit(t.Context(), "App", change, nil); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := c.RemoveVersion(t.Context(), "App", v.Version, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	edit(20) // the history is full
	before := heap()
	edit(30)
	if grown := heap() - before; grown > 10*int64(len(text)) {
		t.Errorf("30 versions were added to a title of %d kB and removed: %d kB are kept", len(text)>>10, grown>>10)
	}
	runtime.KeepAlive(c)
}
