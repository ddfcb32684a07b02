package guides

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch"
	patchrecipe "github.com/patchsource/patchsource/patch/recipe"
)

// A recipe is one of those that come with the server.
type recipe struct {
	patchrecipe.Recipe
	JSON   string
	Fields []field // of the page's form for a new title from a release feed
	Words  string  // what the search looks at, in lower case
}

// A field is a field of a form.
type field struct{ Name, Value string }

// loadRecipes reads the files in the folder of recipes.
func (lib *library) loadRecipes() error {
	for path, data := range lib.files {
		id, ok := strings.CutPrefix(path, "recipes/")
		if !ok {
			continue
		}
		parsed, err := patchrecipe.Parse(data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		r := &recipe{Recipe: *parsed, JSON: string(data)}
		if r.Fields, err = formFields(data); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		r.Words = strings.ToLower(strings.Join([]string{r.ID, r.Name, r.Publisher, r.BundleID}, " "))
		lib.recipes[strings.TrimSuffix(id, ".json")] = r
	}
	lib.byName = slices.SortedFunc(maps.Values(lib.recipes), func(a, b *recipe) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)), strings.Compare(a.ID, b.ID))
	})
	return nil
}

// Place returns where the feed is: a repository, a host or a preset.
func (r *recipe) Place() string {
	if u, err := url.Parse(r.Feed.URL); err == nil && u.Host != "" && r.Feed.Repo == "" {
		return u.Host
	}
	return cmp.Or(r.Feed.Repo, r.Feed.Name)
}

// Mode returns what happens to a new version.
func (r *recipe) Mode() patchrecipe.Mode { return cmp.Or(r.Policy.Mode, patchrecipe.Add) }

// formFields returns the fields of the page's form that describe a recipe. Their names are JSON Pointers, apart from
// those of the kill apps.
func formFields(data []byte) (fields []field, err error) {
	var members map[string]any
	var typed struct {
		KillApps []patch.KillApp `json:"killApps"`
	}
	if err := json.Unmarshal(data, &members); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(data, &typed); err != nil {
		return nil, err
	}
	for _, app := range typed.KillApps {
		fields = append(fields, field{"app_name", app.AppName}, field{"app_bundle", app.BundleID})
	}
	delete(members, "killApps")
	for _, name := range slices.Sorted(maps.Keys(members)) {
		below, ok := members[name].(map[string]any)
		if !ok {
			fields = append(fields, field{"/" + name, fieldText(members[name])})
		}
		for _, word := range slices.Sorted(maps.Keys(below)) {
			fields = append(fields, field{"/" + name + "/" + word, fieldText(below[word])})
		}
	}
	return fields, nil
}

// fieldText returns a value of JSON as the form writes it.
func fieldText(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case bool:
		if v {
			return "1"
		}
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case map[string]any:
		var lines []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			lines = append(lines, name+" = "+fieldText(v[name]))
		}
		return strings.Join(lines, "\n")
	}
	return ""
}

// find returns the recipes that have all words.
func (lib *library) find(words []string) (found []*recipe) {
	for _, r := range lib.byName {
		if containsAll(r.Words, words) {
			found = append(found, r)
		}
	}
	return found
}
