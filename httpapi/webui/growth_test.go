package webui_test

import (
	"net/http/httptest"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// The cost of a title's page grows linearly with the size of the title, whatever is in it.
func TestTitlePageIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("the test is slow with the race detector")
	}
	const small = 128 << 10
	for _, name := range patchtest.HostileNames() {
		catalogs := map[int]*fakeCatalog{}
		for _, n := range []int{small, patchtest.Growth * small} {
			data := patchtest.Hostile(name, n)
			d, err := patch.Parse(data, &patch.ParseOptions{Stored: true, MaxBytes: len(data)})
			if err != nil {
				continue // it cannot be stored
			}
			catalogs[n] = &fakeCatalog{titles: []webui.Title{{ID: d.ID, Name: d.Name}}, def: d}
		}
		if len(catalogs) < 2 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				h := newPage(catalogs[n], nil)
				return func() {
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest("GET", "/titles/"+catalogs[n].titles[0].ID, nil))
					if w.Code != 200 {
						t.Errorf("the page has status %d: %.300s", w.Code, w.Body)
					}
				}
			}, small)
		})
	}
}
