// Package draft makes a first version of a recipe from what is known of an application: the JSON of its Homebrew cask,
// or files of its bundle. A person completes the draft, because neither source has everything: every part that may be
// wrong is listed as a guess, and every part that is missing as a gap.
//
// The package is pure: it reads no files and opens no connections. All functions are safe for concurrent use.
package draft

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// A Draft is a recipe that a person has to check.
type Draft struct {
	// Recipe is the recipe. It is valid but for its gaps.
	Recipe recipe.Recipe
	// Guesses are the parts that may be wrong.
	Guesses []Guess
	// Gaps are the parts that are missing, as JSON Pointers into the recipe such as "/feed", in the order of a recipe.
	// A recipe without a publisher is valid nevertheless.
	Gaps []string
}

// A Guess is a part of a draft that may be wrong.
type Guess struct {
	// Path is the place in the recipe, as a JSON Pointer.
	Path string
	// Why says in a sentence where the value is from, and what to check.
	Why string
}

func (d *Draft) guess(path, format string, args ...any) {
	d.Guesses = append(d.Guesses, Guess{path, fmt.Sprintf(format, args...)})
}

// parts are the places of gaps, in the order of a recipe, with the functions that clear them.
var parts = []struct {
	path  string
	clear func(*recipe.Recipe)
}{
	{"/id", func(r *recipe.Recipe) { r.ID = "" }},
	{"/name", func(r *recipe.Recipe) { r.Name = "" }},
	{"/publisher", func(r *recipe.Recipe) { r.Publisher = "" }},
	{"/appName", func(r *recipe.Recipe) { r.AppName = "" }},
	{"/bundleId", func(r *recipe.Recipe) { r.BundleID = "" }},
	{"/minimumOperatingSystem", func(r *recipe.Recipe) { r.MinimumOperatingSystem = "" }},
	{"/feed", func(r *recipe.Recipe) { r.Feed = recipe.Feed{} }},
}

// finish completes the lists of guesses and gaps: what is invalid in the source is removed from the recipe, and is a
// gap instead.
func (d *Draft) finish() *Draft {
	gaps := map[string]bool{
		"/publisher": d.Recipe.Publisher == "",
		"/feed":      d.Recipe.Feed.Kind == "",
	}
	var invalid *patch.ValidationError
	if errors.As(d.Recipe.Validate(), &invalid) {
		for _, f := range invalid.Failures {
			gaps[top(f.Path)] = true
		}
	}
	d.Gaps = []string{}
	for _, part := range parts {
		if !gaps[part.path] {
			continue
		}
		part.clear(&d.Recipe)
		d.Gaps = append(d.Gaps, part.path)
		d.Guesses = slices.DeleteFunc(d.Guesses, func(g Guess) bool {
			// A guess about a missing feed says where to look for it.
			return top(g.Path) == part.path && g.Path != "/feed"
		})
	}
	return d
}

// top returns the first token of a JSON Pointer.
func top(path string) string {
	if i := strings.IndexByte(path[min(1, len(path)):], '/'); i >= 0 {
		return path[:i+1]
	}
	return path
}

// presets are the feeds of applications that have a preset, by bundle id and by the token of their cask.
var presets = map[string]string{
	"com.google.Chrome":     "chrome",
	"google-chrome":         "chrome",
	"org.mozilla.firefox":   "firefox",
	"firefox":               "firefox",
	"firefox@esr":           "firefox-esr",
	"com.microsoft.edgemac": "edge",
	"microsoft-edge":        "edge",
}

// sharedIDs are guesses about applications whose bundle id is that of others, by the keys of presets.
var sharedIDs = map[string]Guess{
	"org.mozilla.firefox": {"/feed/name", "Firefox ESR has the same bundle id: if the application is Firefox ESR, " +
		"write firefox-esr"},
	"firefox@esr": {"/requirements", "Firefox has the same bundle id: add a requirement that only computers with " +
		"Firefox ESR meet, or both titles count the same computers"},
}

// preset sets the feed to the preset of an application, if there is one for its bundle id or token.
func (d *Draft) preset(key string) bool {
	name, ok := presets[key]
	if ok {
		d.Recipe.Feed = recipe.Feed{Kind: "preset", Name: name}
		d.guess("/feed", "the preset %q is for %s", name, key)
		if shared, ok := sharedIDs[key]; ok {
			d.Guesses = append(d.Guesses, shared)
		}
	}
	return ok
}

// webURL parses an absolute address. If s is none, it returns nil.
func webURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		return nil
	}
	return u
}

// shorten limits the length of untrusted text in a sentence.
func shorten(s string) string {
	const maxLength = 100
	if len(s) <= maxLength {
		return s
	}
	return strings.ToValidUTF8(s[:maxLength], "") + "…"
}

// failure returns the error about a part of the source.
func failure(path, format string, args ...any) error {
	return &patch.ValidationError{Failures: []patch.Failure{{Path: path, Message: fmt.Sprintf(format, args...)}}}
}
