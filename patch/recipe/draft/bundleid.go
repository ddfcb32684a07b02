package draft

import (
	"cmp"
	"encoding/json"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// bundleIDs are the bundle ids that a cask mentions.
type bundleIDs map[string]*mention

// A mention is what speaks for a bundle id.
type mention struct {
	score int
	why   string // of the first mention that counts most
	best  int
}

// bundleID matches a bundle id in full.
var bundleID = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]*(\.[A-Za-z0-9_-]+)+$`)

// maxMentions is the maximum number of different bundle ids of a cask that are considered.
const maxMentions = 1000

// addDirective counts the bundle ids in a directive of a stanza. weight is how much the stanza counts.
func (ids bundleIDs) addDirective(stanza string, weight int, raw json.RawMessage) {
	const perQuit, perFile = 10, 1
	var directive struct {
		Quit   json.RawMessage `json:"quit"`
		Trash  json.RawMessage `json:"trash"`
		Delete json.RawMessage `json:"delete"`
	}
	if json.Unmarshal(raw, &directive) != nil {
		return
	}
	for _, id := range texts(directive.Quit) {
		ids.count(id, weight*perQuit, "the cask quits it ("+stanza+")")
	}
	for _, file := range append(texts(directive.Trash), texts(directive.Delete)...) {
		if id := ofFile(file); id != "" {
			ids.count(id, weight*perFile, "the cask removes files of this name ("+stanza+")")
		}
	}
}

func (ids bundleIDs) count(id string, score int, why string) {
	if !bundleID.MatchString(id) || strings.HasPrefix(id, "com.apple.") {
		return
	}
	m := ids[id]
	if m == nil {
		if len(ids) == maxMentions {
			return
		}
		m = &mention{}
		ids[id] = m
	}
	m.score += score
	if score > m.best {
		m.best, m.why = score, why
	}
}

// ofFile returns the bundle id that the name of a file or folder in ~/Library is made from.
func ofFile(file string) string {
	dir, name := path.Split(strings.TrimSuffix(file, "/"))
	switch path.Base(dir) {
	case "Preferences":
		return strings.TrimSuffix(name, ".plist")
	case "Saved Application State":
		return strings.TrimSuffix(name, ".savedState")
	case "Cookies", "HTTPStorages":
		return strings.TrimSuffix(name, ".binarycookies")
	case "Application Scripts", "Application Support", "Caches", "Containers", "WebKit":
		return name
	}
	return ""
}

// best returns the id with most mentions, and why; of several, the shortest, because those of helpers are longer.
func (ids bundleIDs) best() (id, why string) {
	if len(ids) == 0 {
		return "", ""
	}
	id = slices.MinFunc(slices.Collect(maps.Keys(ids)), func(a, b string) int {
		return cmp.Or(cmp.Compare(ids[b].score, ids[a].score), cmp.Compare(len(a), len(b)), strings.Compare(a, b))
	})
	return id, ids[id].why
}
