package draft

import (
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// MaxCask is the maximum size of the JSON of a cask in bytes: 10 MiB.
const MaxCask = 10 << 20

// A cask is the part of a cask's JSON that is read. Members whose type varies are kept as they are.
type cask struct {
	Token      string          `json:"token"`
	Names      json.RawMessage `json:"name"`
	URL        json.RawMessage `json:"url"`
	Version    json.RawMessage `json:"version"`
	Artifacts  json.RawMessage `json:"artifacts"`
	DependsOn  json.RawMessage `json:"depends_on"`
	Deprecated bool            `json:"deprecated"`
	Disabled   bool            `json:"disabled"`
	Casks      json.RawMessage `json:"casks"`
}

// FromCask drafts a recipe from the JSON of a Homebrew cask, as https://formulae.brew.sh/api/cask/TOKEN.json has it and
// brew info --cask --json=v2 prints it. The feed is known if the cask is downloaded from GitHub, GitLab or Gitea, and
// for presets. The address of an appcast or of Electron's latest-mac.yml is not in a cask: then the feed is a gap.
//
// It returns [patch.ErrTooLarge] if the text has more than [MaxCask] bytes, and [patch.ErrInvalid] if it is not the
// JSON of one cask.
func FromCask(data []byte) (*Draft, error) {
	c, err := readCask(data)
	if err != nil {
		return nil, err
	}
	d := &Draft{Guesses: []Guess{}}
	apps, ids := c.artifacts()
	version := text(c.Version)
	d.nameFromCask(c, apps)
	d.bundleIDFromCask(ids)
	d.minimumOSFromCask(c)
	if !d.preset(c.Token) {
		d.feedFromURL(text(c.URL), version)
	}
	if short, build, ok := strings.Cut(version, ","); ok {
		d.guess("/feed/as", "the cask's version is %q: check whether Jamf Pro's inventory has %q alone, and set as "+
			"if it has the form %q", shorten(version), shorten(short), "{version} ("+shorten(build)+")")
	}
	if c.Deprecated || c.Disabled {
		d.guess("/feed", "the cask is deprecated or disabled: check whether the application still has new versions")
	}
	return d.finish(), nil
}

// readCask reads the JSON of one cask.
func readCask(data []byte) (c cask, err error) {
	if err := patch.CheckSyntax(data, &patch.ParseOptions{MaxBytes: MaxCask}); err != nil {
		return c, err
	}
	const remedy = "send the JSON of one cask, such as https://formulae.brew.sh/api/cask/rectangle.json"
	if err := json.Unmarshal(data, &c); err != nil {
		return c, failure("", "is not a cask: %s", remedy)
	}
	if c.Token == "" && c.Casks != nil { // brew info
		casks := 0
		for raw := range elements(c.Casks) {
			if casks++; json.Unmarshal(raw, &c) != nil {
				return c, failure("/casks/0", "is not a cask: %s", remedy)
			}
		}
		if casks != 1 {
			return c, failure("/casks", "must have one cask, not %d: %s", casks, remedy)
		}
	}
	if c.Token == "" {
		return c, failure("/token", "is missing: %s", remedy)
	}
	return c, nil
}

// nameFromCask sets the name, the id and the application's file name.
func (d *Draft) nameFromCask(c cask, apps []string) {
	r := &d.Recipe
	if len(apps) > 0 {
		r.AppName = apps[0]
		if len(apps) > 1 {
			d.guess("/appName", "the cask installs %d applications, and this is the first", len(apps))
		}
	}
	names := texts(c.Names)
	switch {
	case len(names) > 0:
		r.Name = names[0]
	case r.AppName != "":
		r.Name = strings.TrimSuffix(r.AppName, ".app")
		d.guess("/name", "the cask has no name: this is the file name of its application")
	default:
		r.Name = titleOf(c.Token)
		d.guess("/name", "the cask has no name: this is made from its token %q", shorten(c.Token))
	}
	if r.AppName == "" {
		r.AppName = r.Name + ".app"
		d.guess("/appName", "the cask does not say which application it installs: this is made from the name")
	}
	if r.ID = r.TitleID(); r.ID != "" {
		d.guess("/id", "the id is made from the name, and cannot be changed once computers use the title")
	}
}

// titleOf returns a name that is made from the token of a cask.
func titleOf(token string) string {
	words := strings.FieldsFunc(token, func(r rune) bool { return r == '-' || r == '@' })
	for i, w := range words {
		_, size := utf8.DecodeRuneInString(w)
		words[i] = strings.ToUpper(w[:size]) + w[size:]
	}
	return strings.Join(words, " ")
}

// An artifact is what a cask installs or removes.
type artifact struct {
	App       json.RawMessage `json:"app"`
	Target    json.RawMessage `json:"target"`
	Uninstall json.RawMessage `json:"uninstall"`
	Zap       json.RawMessage `json:"zap"`
}

// artifacts returns the file names of the applications that a cask installs, and the bundle ids in its uninstall and
// zap stanzas.
func (c *cask) artifacts() (apps []string, ids bundleIDs) {
	ids = bundleIDs{}
	for raw := range elements(c.Artifacts) {
		var a artifact
		if json.Unmarshal(raw, &a) != nil {
			continue
		}
		if name := a.appName(); name != "" {
			apps = append(apps, name)
		}
		for raw := range elements(a.Uninstall) {
			ids.addDirective("uninstall", 2, raw)
		}
		for raw := range elements(a.Zap) {
			ids.addDirective("zap", 1, raw)
		}
	}
	return apps, ids
}

// appName returns the file name of an application, after it is renamed, if the artifact is one.
func (a *artifact) appName() string {
	name, target := "", text(a.Target)
	for raw := range elements(a.App) {
		var option struct {
			Target string `json:"target"`
		}
		if s := text(raw); name == "" {
			name = s
		} else if json.Unmarshal(raw, &option) == nil && option.Target != "" {
			target = option.Target
		}
	}
	switch {
	case name == "":
		return ""
	case target != "":
		name = target
	}
	return path.Base(name)
}

// macOSNames are the versions of macOS by their names in casks.
var macOSNames = map[string]string{
	"sierra": "10.12", "high_sierra": "10.13", "mojave": "10.14", "catalina": "10.15", "big_sur": "11",
	"monterey": "12", "ventura": "13", "sonoma": "14", "sequoia": "15", "tahoe": "26",
}

var macOSVersion = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){0,2}$`)

// minimumOSFromCask sets the minimum macOS version.
func (d *Draft) minimumOSFromCask(c cask) {
	var depends struct {
		MacOS json.RawMessage `json:"macos"`
	}
	_ = json.Unmarshal(c.DependsOn, &depends) // without it, nothing is known
	var operators struct {
		AtLeast json.RawMessage `json:">="`
		Equal   json.RawMessage `json:"=="`
	}
	versions := texts(depends.MacOS)
	if json.Unmarshal(depends.MacOS, &operators) == nil {
		versions = append(texts(operators.AtLeast), texts(operators.Equal)...)
	}
	lowest := ""
	for _, v := range versions {
		v = strings.TrimLeft(v, ">= :")
		if name, ok := macOSNames[v]; ok {
			v = name
		}
		if macOSVersion.MatchString(v) && (lowest == "" || patch.CompareVersions(v, lowest) < 0) {
			lowest = v
		}
	}
	if d.Recipe.MinimumOperatingSystem = lowest; lowest == "" {
		d.Recipe.MinimumOperatingSystem = recipe.DefaultMinimumOS
		d.guess("/minimumOperatingSystem", "the cask does not say: check the vendor's system requirements")
	}
}

// bundleIDFromCask sets the bundle id to the most likely one.
func (d *Draft) bundleIDFromCask(ids bundleIDs) {
	id, why := ids.best()
	if id == "" {
		return
	}
	d.Recipe.BundleID = id
	d.guess("/bundleId", "%s: compare with the application (mdls -name kMDItemCFBundleIdentifier %s)", why,
		fmt.Sprintf("%q", shorten(d.Recipe.AppName)))
}
