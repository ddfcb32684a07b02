package webui

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// The cost of reading what a visitor sends grows linearly with its size.
func TestReadingFormsIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("the test is slow with the race detector")
	}
	for name, work := range map[string]func(n int) func(){
		"criteria": func(n int) func() {
			form, keys := url.Values{}, []string{}
			var before []patch.Criterion
			for i := range n {
				key := fmt.Sprint("key", i)
				keys = append(keys, key)
				before = append(before, patch.Criterion{Name: fmt.Sprint(key, "\n"), Operator: "is"})
				form.Add("requirement_name", key)
				form.Add("requirement_operator", "is")
				form.Add("requirement_value", "v")
				form.Add("requirement_join", "and")
			}
			return func() { readCriteria(form, "requirement", keys, before) }
		},
		"kill apps": func(n int) func() {
			form := url.Values{}
			var before []patch.KillApp
			for i := range n {
				before = append(before, patch.KillApp{AppName: fmt.Sprint(i), BundleID: "same"})
				form.Add("app_name", fmt.Sprint(n+i))
				form.Add("app_bundle", "same")
			}
			return func() { readKillApps(form, before) }
		},
		"an inventory with short rows": func(n int) func() {
			text := []byte("Computer Name" + strings.Repeat(",app-version", n) + "\n" + strings.Repeat("a\n", n))
			return func() {
				if _, err := readInventory(text, inventoryDefinition); err != nil {
					t.Error(err)
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) { patchtest.Linear(t, work, 2000) })
	}
}
