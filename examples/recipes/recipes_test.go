// Package recipes_test tests the recipes in this folder.
package recipes_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/examples/internal/cli"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

var now = time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC)

// readRecipes returns the recipes in this folder, by the names of their files without ".json".
func readRecipes(t *testing.T) map[string]*recipe.Recipe {
	t.Helper()
	files, err := cli.DefinitionFiles(os.DirFS(".")) // those in other folders too, as a server does
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no recipes: %v", err)
	}
	all := map[string]*recipe.Recipe{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := recipe.Parse(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		all[strings.TrimSuffix(name, ".json")] = r
	}
	return all
}

// versionsFile has an example of a version for each recipe. It is not below this folder, whose *.json files are all
// recipes for a server that follows it.
const versionsFile = "../patchrecipe/testdata/recipes/versions.json"

// readExamples returns the examples in versionsFile.
func readExamples(t *testing.T) map[string]example {
	t.Helper()
	data, err := os.ReadFile(versionsFile)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]example{}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Each recipe is valid, its rules compile, and they turn the feed's version of an example into that of the inventory,
// from which a valid definition is made without warnings.
func TestRecipes(t *testing.T) {
	kinds, err := releases.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	examples := readExamples(t)
	all := readRecipes(t)
	for id := range examples {
		if all[id] == nil {
			t.Errorf("%s has a version of %s, which has no recipe", versionsFile, id)
		}
	}
	for id, r := range all {
		t.Run(id, func(t *testing.T) {
			if r.ID != id {
				t.Errorf("the id is %q, want the name of the file", r.ID)
			}
			if err := kinds.Check(r.Watch()); err != nil {
				t.Fatal(err)
			}
			e, ok := examples[id]
			if !ok {
				t.Fatalf("%s has no version of it", versionsFile)
			}
			newest := readExample(t, kinds, r, e)
			if e.Inventory != "" && newest.Version != e.Inventory {
				t.Errorf("the feed's version %s became %s, want %s", e.Feed, newest.Version, e.Inventory)
			}
			if e.Inventory == "" && r.Policy.Mode != recipe.Propose {
				t.Error("the version in the inventory is not known, and the recipe does not propose its versions")
			}
			def, err := r.Definition([]recipe.Release{newest}, now)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range patch.Lint(def, &patch.LintOptions{Now: now}) {
				t.Errorf("lint: %s: %s", w.Path, w.Message)
			}
		})
	}
}

// readExample returns the release that a recipe finds in an invented answer.
func readExample(t *testing.T, kinds *releases.Kinds, r *recipe.Recipe, e example) recipe.Release {
	t.Helper()
	a, err := answerFor(r.Feed, e)
	if err != nil {
		t.Fatal(err)
	}
	found, next, err := kinds.Read(r.Feed, a)
	if err != nil {
		t.Fatalf("%v: %s", err, a.Body)
	}
	s := releases.Select(r.Feed, found)
	if len(s.Releases) == 0 {
		t.Fatalf("no release was found, next request %v, dropped %v: %s %s", next, s.Dropped, a.Header, a.Body)
	}
	return s.Releases[0]
}

// The README says how many recipes there are and which of them propose their versions, and its recipe is valid.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := strings.Join(strings.Fields(string(data)), " ")
	all := readRecipes(t)
	var proposed []string
	for id, r := range all {
		if r.Policy.Mode == recipe.Propose {
			proposed = append(proposed, id)
		}
	}
	slices.Sort(proposed)
	last := len(proposed) - 1
	for _, want := range []string{
		fmt.Sprintf("recipes of %d applications", len(all)),
		fmt.Sprintf("%d recipes have `\"mode\": \"propose\"`", len(proposed)),
		strings.Join(proposed[:last], ", ") + " and " + proposed[last],
	} {
		if !strings.Contains(readme, want) {
			t.Errorf("the README does not say %q", want)
		}
	}
	_, example, _ := strings.Cut(string(data), "```json\n")
	example, _, _ = strings.Cut(example, "```")
	if r, err := recipe.Parse([]byte(example)); err != nil {
		t.Errorf("the recipe in the README: %v", err)
	} else if all[r.ID] == nil || r.Feed.Match != all[r.ID].Feed.Match {
		t.Errorf("the recipe in the README is not that of %s", r.ID)
	}
}
