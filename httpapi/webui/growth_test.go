package webui_test

import (
	"net/http/httptest"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// What the page of a title costs grows with the title, and no faster, whatever the title is made of.
func TestTitlePageIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes long with the race detector")
	}
	const small = 128 << 10
	for _, name := range patchtest.HostileNames() {
		handlers := map[int]*shelf{}
		for _, n := range []int{small, patchtest.Growth * small} {
			data := patchtest.Hostile(name, n)
			d, err := patch.Parse(data, &patch.ParseOptions{Stored: true, MaxBytes: len(data)})
			if err != nil {
				continue // it was never stored
			}
			handlers[n] = &shelf{titles: []webui.Title{{ID: d.ID, Name: d.Name}}, def: d}
		}
		if len(handlers) < 2 {
			continue
		}
		t.Run(name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				h := newPage(handlers[n], nil)
				return func() {
					w := httptest.NewRecorder()
					h.ServeHTTP(w, httptest.NewRequest("GET", "/titles/"+handlers[n].titles[0].ID, nil))
					if w.Code != 200 {
						t.Errorf("%d %.300s", w.Code, w.Body)
					}
				}
			}, small)
		})
	}
}
