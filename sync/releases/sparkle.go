package releases

import (
	"encoding/xml"
	"io"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// sparkleKind reads appcasts, the feeds of the updater Sparkle: RSS with elements and attributes of a namespace of its
// own, which vendors spell in several ways or do not declare.
//
// The version is the short version; if there is none, that in the item's title if the version looks like a build; else
// the version. Sparkle's phased rollout depends on each computer, so that a release with one counts as
// rolled out.
type sparkleKind struct{}

func (sparkleKind) Request(f recipe.Feed, _ bool) (Request, error) {
	switch {
	case f.From != "" && f.From != "short" && f.From != "url":
		return Request{}, invalid("/feed/from", "must be short or url")
	case f.From == "url" && f.Match == "":
		return Request{}, invalid("/feed/match",
			"is missing: enter an expression that finds the version in the address")
	}
	return feedRequest(f)
}

func (sparkleKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	if err := checkStatus(a); err != nil {
		return nil, nil, err
	}
	items, others, err := readAppcast(a.Body)
	if err != nil {
		return nil, nil, err
	}
	var found []recipe.Release
	budget := newMatchBudget(f.Match)
	for _, item := range items {
		if err := budget.spend(max(len(item.url), len(item.short), len(item.version))); err != nil {
			return nil, nil, err
		}
		r, ok, err := item.release(f)
		if err != nil {
			return nil, nil, err
		}
		if ok {
			found = append(found, r)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil, nil
	case len(items) > 0:
		return nil, nil, unreadable("none of the %d items of the appcast has a version that can be read%s", len(items),
			missingValue(f))
	case others > 0:
		return nil, nil, unreadable("none of the %d items of the appcast is for macOS", others)
	}
	return nil, nil, unreadable("the answer is not an appcast with items")
}

// An appcastItem is an item of an appcast.
type appcastItem struct {
	title, link, notes, date      string
	version, short, channel, os   string
	minimumSystem, maximumSystem  string
	url                           string // of the enclosure
	enclosures, foreignEnclosures int
}

// readAppcast returns the items for macOS, and the number of items for other systems.
func readAppcast(body []byte) (items []*appcastItem, others int, err error) {
	r, err := newXMLTokens(body)
	if err != nil {
		return nil, 0, err
	}
	for {
		t, err := r.token()
		if err == io.EOF {
			return items, others, nil
		}
		if err != nil {
			return nil, 0, err
		}
		start, ok := t.(xml.StartElement)
		if !ok || start.Name.Local != "item" {
			continue
		}
		item, err := readItem(r)
		switch {
		case err != nil:
			return nil, 0, err
		case item.foreign():
			others++
		default:
			items = append(items, item)
		}
		if len(items) > MaxReleases {
			return nil, 0, unreadable("the appcast has more than %d items", MaxReleases)
		}
	}
}

// readItem reads an item, whose start was read.
func readItem(r *xmlTokens) (*appcastItem, error) {
	item := &appcastItem{}
	for {
		t, err := r.token()
		if err != nil {
			return nil, unexpectedEnd(err)
		}
		switch t := t.(type) {
		case xml.EndElement:
			return item, nil // elements within the item are read to their ends
		case xml.StartElement:
			if err := item.readElement(r, t); err != nil {
				return nil, err
			}
		}
	}
}

// readElement reads an element of an item to its end.
func (item *appcastItem) readElement(r *xmlTokens, start xml.StartElement) error {
	name := start.Name.Local
	if sparkleName(start.Name) && name == "enclosure" {
		item.addEnclosure(start.Attr)
		return r.skip()
	}
	to := item.member(start.Name)
	if to == nil {
		return r.skip() // such as deltas, with enclosures of their own
	}
	text, err := r.text()
	if *to == "" {
		*to = text
	}
	return err
}

// member returns the member of an item that an element sets, or nil.
func (item *appcastItem) member(name xml.Name) *string {
	if name.Space == "" {
		switch name.Local {
		case "title":
			return &item.title
		case "link":
			return &item.link
		case "pubDate":
			return &item.date
		}
	}
	if !sparkleName(name) {
		if name.Local == "date" { // of Dublin Core
			return &item.date
		}
		return nil
	}
	switch name.Local {
	case "version":
		return &item.version
	case "shortVersionString":
		return &item.short
	case "channel":
		return &item.channel
	case "os":
		return &item.os
	case "minimumSystemVersion":
		return &item.minimumSystem
	case "maximumSystemVersion":
		return &item.maximumSystem
	case "releaseNotesLink", "fullReleaseNotesLink":
		return &item.notes
	case "pubDate":
		return &item.date
	}
	return nil
}

// sparkleName reports whether a name has no namespace or that of Sparkle, in one of the spellings that appcasts have:
// with and without a path, with https, or only as the prefix "sparkle" that is not declared.
func sparkleName(name xml.Name) bool {
	space := strings.ToLower(name.Space)
	return space == "" || strings.Contains(space, "sparkle") || strings.Contains(space, "andymatuschak.org")
}

// addEnclosure adds what an enclosure says to an item, unless the enclosure is a delta or for another system.
func (item *appcastItem) addEnclosure(attributes []xml.Attr) {
	value := map[string]string{}
	for _, a := range attributes {
		if sparkleName(a.Name) {
			value[a.Name.Local] = strings.TrimSpace(a.Value)
		}
	}
	switch {
	case value["deltaFrom"] != "":
		return
	case !macSystem(value["os"]), foreignFile(value["url"]):
		item.foreignEnclosures++
		return
	}
	if item.enclosures++; item.enclosures > 1 {
		return
	}
	item.url = value["url"]
	// An attribute of the enclosure takes precedence over the element, as in Sparkle.
	for name, to := range map[string]*string{
		"version": &item.version, "shortVersionString": &item.short, "minimumSystemVersion": &item.minimumSystem,
		"maximumSystemVersion": &item.maximumSystem, "channel": &item.channel,
	} {
		if value[name] != "" {
			*to = value[name]
		}
	}
}

// macSystem reports whether the name of a system in an appcast is that of macOS. Without a name, it is.
func macSystem(name string) bool {
	switch strings.ToLower(name) {
	case "", "macos", "osx", "mac", "macosx", "os x":
		return true
	}
	return strings.HasPrefix(strings.ToLower(name), "macos-")
}

// foreignFile reports whether an address is that of an installer for another system.
func foreignFile(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	switch strings.ToLower(path.Ext(u.Path)) {
	case ".exe", ".msi", ".msix", ".appx", ".deb", ".rpm", ".appimage", ".snap", ".apk":
		return true
	}
	return false
}

// foreign reports whether an item is for other systems only, or for no version of macOS that there is.
func (item *appcastItem) foreign() bool {
	if item.enclosures == 0 && item.foreignEnclosures > 0 || !macSystem(item.os) {
		return true
	}
	highest := systemVersion(item.maximumSystem)
	if highest == "" {
		return false
	}
	lowest := systemVersion(item.minimumSystem)
	return patch.CompareVersions(highest, "10.0") < 0 || lowest != "" && patch.CompareVersions(highest, lowest) < 0
}

// release returns what an item says of a release, false if it has no version that the feed asks for.
func (item *appcastItem) release(f recipe.Feed) (recipe.Release, bool, error) {
	version, build := item.versions()
	subject := version
	if f.From == "url" {
		subject = item.url
	}
	mapped, build, ok, err := versionOf(f, subject, map[string]string{"version": version, "build": build})
	if err != nil || !ok {
		return recipe.Release{}, false, err
	}
	r := recipe.Release{
		Version: mapped, Build: build, Channel: item.channel, MinOS: item.minimumSystem,
		URL: item.url, Notes: item.notes, Date: parseDate(item.date), Rollout: 1,
		Prerelease: titledPrerelease(item.title, version),
	}
	if r.URL == "" {
		r.URL = item.link
	}
	return r, true, nil
}

var (
	titleEnd    = regexp.MustCompile(`(?i)(^|[\s(:,–—-]|version |v)(\d+(?:\.\d+)+)\s*(?:\([^()]*\))?\s*$`)
	titleMacOS  = regexp.MustCompile(`(?i)\b(macos|os x|osx)\s*(\d+(?:\.\d+)+)\s*(\([^()]*\))?\s*$`)
	titleNumber = regexp.MustCompile(`(?i)(?:^|[\s(:,–—-]v?|\bv)(\d+(?:\.\d+)+)(?:[\s():,;!\[\]–—-]|$)`)
	titleSystem = regexp.MustCompile(`(?i)\b(?:macos|os x|osx|ios|ipados|xcode)\s*$`)
	plainNumber = regexp.MustCompile(`^\d*$`)
)

// titleVersion returns the version in the title of an item: the one that ends it, or, if the item gives a build as its
// version or nothing, the first one that is not that of a system.
func (item *appcastItem) titleVersion(given string) string {
	title := lastBytes(item.title, 200)
	if m := titleEnd.FindStringSubmatch(title); m != nil && !titleMacOS.MatchString(item.title) {
		return m[2]
	}
	if !plainNumber.MatchString(given) {
		return "" // the title is prose
	}
	for _, at := range titleNumber.FindAllStringSubmatchIndex(title, -1) {
		if !titleSystem.MatchString(title[:at[2]]) {
			return title[at[2]:at[3]]
		}
	}
	return ""
}

// versions returns the version and the build of an item.
func (item *appcastItem) versions() (version, build string) {
	if item.short != "" {
		return item.short, item.version
	}
	given := item.version
	if given == "" {
		given = fileVersion(item.url)
	}
	titled := item.titleVersion(given)
	switch {
	case titled == "", given != "" && patch.CompareVersions(given, titled) == 0:
		return given, ""
	case strings.HasPrefix(given, titled+".") && strings.Count(given, ".") < 3:
		return given, "" // the title leaves a number out
	}
	return titled, given
}

// lastBytes returns at most the last n bytes of a text.
func lastBytes(text string, n int) string { return text[max(0, len(text)-n):] }

// fileVersion returns the version in the name of a file, between its last underscore and its extension, as Sparkle
// does.
func fileVersion(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	name := path.Base(u.Path)
	if ext := path.Ext(name); strings.ContainsAny(ext, "abcdefghijklmnopqrstuvwxyz") {
		name = strings.TrimSuffix(strings.TrimSuffix(name, ext), ".tar")
	}
	at := strings.LastIndex(name, "_")
	if at < 0 {
		return ""
	}
	return name[at+1:]
}

var titledWord = regexp.MustCompile(`(?i)^[\s(-]*(alpha|beta|rc|pre-?release|preview|nightly|release candidate)\b`)

// titledPrerelease reports whether a title has the version followed by a word of pre-releases, as in "App 2.0 beta 3".
func titledPrerelease(title, version string) bool {
	_, after, ok := strings.Cut(title, version)
	return ok && version != "" && titledWord.MatchString(after)
}
