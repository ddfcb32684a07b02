package releases

import (
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// forgeWords are the words that the kinds github, gitlab and gitea read besides those of all kinds.
var forgeWords = []string{"url", "repo", "source", "tag", "asset", "assetMatch"}

// pathWords are those of the kinds json, plist and xml.
var pathWords = []string{"url", "method", "items", "version", "build", "date", "minOS", "rollout", "fields"}

// kindWords are the words that each kind reads. All kinds read kind, match, as, pick, parts, prereleases, include,
// exclude, major, userAgent and referer. A preset checks its words itself.
var kindWords = map[string][]string{
	"electron": {"url", "method"},
	"gitea":    forgeWords,
	"github":   forgeWords,
	"gitlab":   forgeWords,
	"json":     pathWords,
	"plist":    pathWords,
	"redirect": {"url", "method", "header"},
	"sparkle":  {"url", "method", "channel", "from"},
	"text":     {"url", "method"},
	"xml":      pathWords,
}

// checkWords returns a *patch.ValidationError if a feed has words that its kind does not read, or if As names values
// that no release of the feed can have. Feeds of extra kinds and presets are not checked.
func checkWords(f recipe.Feed) error {
	words, ok := kindWords[f.Kind]
	if !ok {
		return nil
	}
	var failures []patch.Failure
	fail := func(word, format string, args ...any) {
		failures = append(failures, patch.Failure{Path: "/feed/" + word, Message: fmt.Sprintf(format, args...)})
	}
	for _, word := range givenWords(f) {
		if !slices.Contains(words, word) {
			fail(word, "must be left out: %s does not read it", f.Kind)
		}
	}
	if f.Kind != "redirect" && f.Method == http.MethodHead {
		fail("method", "must not be HEAD: %s reads the body", f.Kind)
	}
	for _, name := range asNames(f.As) {
		if !hasValue(f, name) {
			fail("as", "names {%s}, of which a feed of kind %s has no value: %s", name, f.Kind, remedy(f, name))
		}
	}
	if len(failures) == 0 {
		return nil
	}
	return &patch.ValidationError{Failures: failures}
}

// givenWords returns those words of a feed that not all kinds read.
func givenWords(f recipe.Feed) (given []string) {
	for _, word := range []struct{ name, value string }{
		{"url", f.URL}, {"name", f.Name}, {"repo", f.Repo}, {"source", f.Source}, {"tag", f.Tag}, {"asset", f.Asset},
		{"assetMatch", f.AssetMatch}, {"channel", f.Channel}, {"from", f.From}, {"items", f.Items},
		{"version", f.Version}, {"build", f.Build}, {"date", f.Date}, {"minOS", f.MinOS}, {"rollout", f.Rollout},
		{"header", f.Header}, {"method", f.Method},
	} {
		if word.value != "" {
			given = append(given, word.name)
		}
	}
	if len(f.Fields) > 0 {
		given = append(given, "fields")
	}
	return given
}

var asName = regexp.MustCompile(`\{([^{}]*)\}`)

// asNames returns the names in a template of versions, each once.
func asNames(template string) (names []string) {
	for _, m := range asName.FindAllStringSubmatch(template, -1) {
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

// hasValue reports whether a release of a feed may have a value that As names.
func hasValue(f recipe.Feed, name string) bool {
	for _, expr := range []string{f.Match, f.Tag, f.AssetMatch} {
		if re, err := compile(expr); err != nil || re.SubexpIndex(name) > 0 {
			return true // an invalid expression is another failure
		}
	}
	_, isField := f.Fields[name]
	isForge := f.Repo != ""
	isPath := slices.Contains(kindWords[f.Kind], "fields")
	switch {
	case name == "version":
		return !isPath || f.Version != ""
	case name == "build":
		return isField || f.Build != "" || f.Kind == "sparkle"
	case name == "tag":
		return isField || isForge
	}
	return isField
}

// remedy returns what to do about a value that As names and that a feed does not have.
func remedy(f recipe.Feed, name string) string {
	switch {
	case slices.Contains(kindWords[f.Kind], name):
		return "enter its path as " + name
	case slices.Contains(kindWords[f.Kind], "fields"):
		return "enter its path among the fields, or name it in match"
	case f.Repo != "":
		return fmt.Sprintf("find it by a group of tag, (?P<%s>…)", name)
	}
	return fmt.Sprintf("find it by a group of match, (?P<%s>…)", name)
}

// checkServer returns what is wrong with the address of the server of a forge, or nothing.
func checkServer(f recipe.Feed) string {
	const example = "must be the address of the server, such as https://git.example.org"
	u, err := url.Parse(f.URL)
	switch {
	case f.URL == "":
		return ""
	case err != nil || checkURL(f.URL) != nil:
		return example
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return example + ", without a query or fragment"
	case strings.Trim(u.Path, "/") == "":
		return ""
	case f.Kind == "github", strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/"+f.Repo):
		return example + ", without the repository, which repo names"
	}
	return ""
}
