package recipe_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/patchtest"
	"github.com/patchsource/patchsource/patch/recipe"
)

// The cost of reading a recipe is proportional to its size, whatever its content.
func TestParseIsLinear(t *testing.T) {
	repeat := func(before, part, after string) func(n int) []byte {
		return func(n int) []byte {
			return []byte(before + strings.TrimSuffix(strings.Repeat(part, n/len(part)), ",") + after)
		}
	}
	const recipeStart = `{"name":"A","bundleId":"a","feed":{"kind":"x"},`
	for _, c := range []struct {
		name string
		make func(n int) []byte
	}{
		{"a long name of a member", repeat(`{"`, "a", `":1}`)},
		{"a long value", repeat(`{"name":"`, "a", `"}`)},
		{"kill apps", repeat(recipeStart+`"killApps":[`, `{"bundleId":"a","appName":"b"},`, `]}`)},
		{"empty kill apps", repeat(recipeStart+`"killApps":[`, `{},`, `]}`)},
		{"kill apps of the wrong type", repeat(recipeStart+`"killApps":[`, `1,`, `]}`)},
		{"nested", repeat(recipeStart+`"x":[`, `[[[[]]]],`, `]}`)},
		{"a template", repeat(recipeStart+`"policy":{"patch":{"version":"`, `{version}`, `"}}}`)},
		{"a template with lists", repeat(recipeStart+`"policy":{"patch":{"killApps":[`, `[],`, `]}}}`)},
	} {
		t.Run(c.name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				text := c.make(n)
				return func() { _, _ = recipe.Parse(text) }
			}, 100<<10)
		})
	}
}
