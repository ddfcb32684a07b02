package recipe_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

var (
	now      = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	released = time.Date(2026, 7, 30, 9, 0, 0, 0, time.UTC)
)

// rectangle is a valid recipe.
const rectangle = `{
	"id": "Rectangle", "name": "Rectangle", "publisher": "Ryan Hanson", "appName": "Rectangle.app",
	"bundleId": "com.knollsoft.Rectangle", "minimumOperatingSystem": "10.15",
	"feed": {"kind": "github", "repo": "rxhanson/Rectangle", "asset": "\\.dmg$"},
	"policy": {"mode": "add", "hold": "2d"}
}`

// template is a valid template of a patch.
const template = `{
	"version": "{version}", "releaseDate": "{date}", "standalone": true, "reboot": false,
	"minimumOperatingSystem": "{minimumOS}",
	"killApps": [{"bundleId": "com.example.a", "appName": "A.app"}],
	"components": [{"name": "A", "version": "{version}", "criteria": [
		{"name": "Application Bundle ID", "operator": "is", "value": "com.example.a", "type": "recon"},
		{"name": "Application Version", "operator": "matches regex",
			"value": "^{version} \\({build}\\)$", "type": "recon"}
	]}],
	"capabilities": [{"name": "Operating System Version", "operator": "greater than or equal",
		"value": "{minimumOS}", "type": "recon"}]
}`

// with returns the recipe rectangle with members of the feed, policy or recipe itself replaced, as JSON by path such as
// "feed/url". The JSON null removes the member.
func with(t testing.TB, members ...string) []byte {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal([]byte(rectangle), &tree); err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(members); i += 2 {
		at := tree
		path := strings.Split(members[i], "/")
		for _, name := range path[:len(path)-1] {
			at = at[name].(map[string]any)
		}
		at[path[len(path)-1]] = json.RawMessage(members[i+1])
		if members[i+1] == "null" {
			delete(at, path[len(path)-1])
		}
	}
	data, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func parse(t testing.TB, data []byte) *recipe.Recipe {
	t.Helper()
	r, err := recipe.Parse(data)
	if err != nil {
		t.Fatalf("Parse(%s): %v", data, err)
	}
	return r
}

// failures returns the failures of an error, each as a line.
func failures(t testing.TB, err error) (lines []string) {
	t.Helper()
	if err == nil {
		return nil
	}
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) || !errors.Is(err, patch.ErrInvalid) {
		t.Fatalf("the error is %v (%T), want a *patch.ValidationError", err, err)
	}
	for _, f := range invalid.Failures {
		lines = append(lines, f.String())
	}
	return lines
}
