package releases

import (
	_ "embed"
	"encoding/json"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
)

// presetKind has feeds of well-known vendors by their names, such as "chrome" or "jetbrains:CL". A preset is data: it
// stands for a feed of another kind. The words that select versions may be given besides its name.
type presetKind struct{}

// A preset is an entry of presets.json.
type preset struct {
	Feed recipe.Feed `json:"feed"`
	// Argument is a regular expression of what follows the name and a colon, in upper case. If empty, nothing
	// follows the name. Example is an argument for messages, and Aliases are other names of arguments.
	Argument string            `json:"argument"`
	Example  string            `json:"example"`
	Aliases  map[string]string `json:"aliases"`
}

//go:embed presets.json
var presetsJSON []byte

// presets are the presets by their names.
var presets = readPresets(presetsJSON)

// readPresets returns the presets in a JSON text, none if it is invalid.
func readPresets(text []byte) map[string]preset {
	var all map[string]preset
	if err := json.Unmarshal(text, &all); err != nil {
		return nil
	}
	return all
}

// presetNames returns the names for a message.
func presetNames() string {
	names := slices.Sorted(maps.Keys(presets))
	for i, name := range names {
		if p := presets[name]; p.Argument != "" {
			names[i] = name + ":" + p.Example
		}
	}
	return strings.Join(names, ", ")
}

// expand implements [expander].
func (presetKind) expand(f recipe.Feed) (recipe.Feed, error) {
	name, argument, colon := strings.Cut(f.Name, ":")
	p, ok := presets[strings.ToLower(name)]
	argument = strings.ToUpper(argument)
	if alias, ok := p.Aliases[argument]; ok {
		argument = alias
	}
	selection := recipe.Feed{
		Kind: f.Kind, Name: f.Name, UserAgent: f.UserAgent, Parts: f.Parts, Major: f.Major,
		Include: f.Include, Exclude: f.Exclude, Prereleases: f.Prereleases,
	}
	switch {
	case f.Name == "":
		return f, invalid("/feed/name", "is missing: choose one of %s", presetNames())
	case !ok:
		return f, invalid("/feed/name", "is unknown: choose one of %s", presetNames())
	case p.Argument == "" && colon:
		return f, invalid("/feed/name", "has an argument, which %s does not take", name)
	case p.Argument != "" && !matchesArgument(p, argument):
		return f, invalid("/feed/name", "has no valid argument: write %s:%s, for example", name, p.Example)
	case !reflect.DeepEqual(f, selection):
		return f, invalid("/feed", "a preset may have these words only: name, parts, include, exclude, major, "+
			"prereleases, userAgent")
	}
	expanded := p.Feed
	expanded.URL = strings.ReplaceAll(expanded.URL, "{}", argument)
	expanded.Items = strings.ReplaceAll(expanded.Items, "{}", argument)
	expanded.UserAgent, expanded.Parts, expanded.Major = f.UserAgent, f.Parts, f.Major
	expanded.Include, expanded.Exclude, expanded.Prereleases = f.Include, f.Exclude, f.Prereleases
	return expanded, nil
}

func matchesArgument(p preset, argument string) bool {
	ok, err := regexp.MatchString(p.Argument, argument)
	return err == nil && ok
}

// Request implements [Kind].
func (k presetKind) Request(f recipe.Feed, authorized bool) (Request, error) {
	kind, expanded, err := k.kind(f)
	if err != nil {
		return Request{}, err
	}
	return kind.Request(expanded, authorized)
}

// Read implements [Kind].
func (k presetKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	kind, expanded, err := k.kind(f)
	if err != nil {
		return nil, nil, err
	}
	return kind.Read(expanded, a)
}

// kind returns the kind of the feed that f stands for, and that feed.
func (k presetKind) kind(f recipe.Feed) (Kind, recipe.Feed, error) {
	expanded, err := k.expand(f)
	if err != nil {
		return nil, f, err
	}
	switch expanded.Kind {
	case "json":
		return jsonKind{}, expanded, nil
	case "plist":
		return plistKind{}, expanded, nil
	}
	return nil, f, invalid("/feed/name", "is of the kind %s, which presets do not have", expanded.Kind)
}
