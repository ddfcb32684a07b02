package releases

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// A Selection is what counts of the releases of a feed.
type Selection struct {
	// Releases are those that count, the newest first by version order, each version once, in the form of the
	// inventory.
	Releases []recipe.Release
	// Dropped are those that do not count, in the order of the feed.
	Dropped []Dropped
	// Channels are the channels of releases that do not count because the feed asks for another one, sorted. They are
	// the first ten that the feed lists.
	Channels []string
}

// A Dropped release is one that does not count.
type Dropped struct {
	// Version is the version, shortened if it is too long.
	Version string
	// Reason is a sentence.
	Reason string
}

// Newest returns the newest stable release, false if there is none.
func (s *Selection) Newest() (recipe.Release, bool) {
	for _, r := range s.Releases {
		if !r.Prerelease {
			return r, true
		}
	}
	return recipe.Release{}, false
}

// maxChannels is the maximum number of channels that are kept for messages.
const maxChannels = 10

// WhyNone returns why there is no stable release, without the subject of the sentence, which is the feed: "lists no
// stable release".
func (s *Selection) WhyNone() string {
	if len(s.Releases) > 0 || len(s.Channels) == 0 {
		return "lists no stable release"
	}
	names := make([]string, len(s.Channels))
	for i, c := range s.Channels {
		names[i] = strconv.Quote(c)
	}
	return fmt.Sprintf("lists no release that counts, but some of channel %s: set channel", strings.Join(names, ", "))
}

// Select applies the words of a feed that all kinds have to the releases that Kinds.Read returned: it drops those of
// another channel, pre-releases, and those that include, exclude and major rule out, and keeps the number of parts that
// the feed asks for. If the feed has several releases of one version, Select merges them: the lowest minimum macOS
// version, the earliest date and the highest rollout count. A version in two spellings counts once, in the first one.
//
// An invalid word, which Kinds.Check reports, rules out all releases.
func Select(f recipe.Feed, found []recipe.Release) Selection {
	c, err := newCriteria(f)
	var s Selection
	seen := map[string]int{}
	for _, r := range found {
		r, reason := c.apply(r)
		if err != nil {
			reason = err.Error()
		}
		if reason != "" {
			s.drop(r.Version, "%s", reason)
			s.noteChannel(r.Channel, c.feed.Channel)
			continue
		}
		if at, ok := seen[r.Version]; ok {
			s.Releases[at] = merge(s.Releases[at], r)
			continue
		}
		seen[r.Version] = len(s.Releases)
		s.Releases = append(s.Releases, r)
	}
	s.sort()
	if c.lowest {
		s.keepLowest()
	}
	return s
}

func (s *Selection) drop(version, format string, args ...any) {
	s.Dropped = append(s.Dropped, Dropped{shorten(version), fmt.Sprintf(format, args...)})
}

// noteChannel keeps the channel of a dropped release if it has one that the feed does not ask for.
func (s *Selection) noteChannel(channel, want string) {
	channel = shorten(usable(channel))
	if at, ok := slices.BinarySearch(s.Channels, channel); channel != "" && channel != want && !ok &&
		len(s.Channels) < maxChannels {
		s.Channels = slices.Insert(s.Channels, at, channel)
	}
}

// shorten returns the first bytes of a version that is too long.
func shorten(version string) string {
	if len(version) <= maxVersion {
		return version
	}
	return strings.ToValidUTF8(version[:60], "") + "…"
}

// sort sorts the releases, the newest first, and drops other spellings of the same version.
func (s *Selection) sort() {
	type parsed struct {
		version patch.Version
		release recipe.Release
	}
	all := make([]parsed, len(s.Releases))
	for i, r := range s.Releases {
		all[i] = parsed{patch.ParseVersion(r.Version), r}
	}
	// The sort is stable: of two spellings, the first one in the feed stays.
	slices.SortStableFunc(all, func(a, b parsed) int { return b.version.Compare(a.version) })
	s.Releases = s.Releases[:0]
	for i, p := range all {
		if n := len(s.Releases); i > 0 && all[i-1].version.Compare(p.version) == 0 {
			s.drop(p.release.Version, "It is version %s in another spelling.", s.Releases[n-1].Version)
			kept := s.Releases[n-1]
			s.Releases[n-1] = merge(kept, p.release)
			s.Releases[n-1].Version = kept.Version
			continue
		}
		s.Releases = append(s.Releases, p.release)
	}
}

// keepLowest drops all releases but the oldest one.
func (s *Selection) keepLowest() {
	if len(s.Releases) < 2 {
		return
	}
	last := len(s.Releases) - 1
	for _, r := range s.Releases[:last] {
		s.drop(r.Version, "The feed picks the lowest version, %s.", s.Releases[last].Version)
	}
	s.Releases = s.Releases[last:]
}

// merge returns what two releases of the same version say together.
func merge(a, b recipe.Release) recipe.Release {
	if a.MinOS == "" || b.MinOS != "" && patch.CompareVersions(b.MinOS, a.MinOS) < 0 {
		a.MinOS = b.MinOS
	}
	if a.Date.IsZero() || !b.Date.IsZero() && b.Date.Before(a.Date) {
		a.Date = b.Date
	}
	a.Build = cmp.Or(a.Build, b.Build)
	a.URL = cmp.Or(a.URL, b.URL)
	a.Notes = cmp.Or(a.Notes, b.Notes)
	a.Rollout = max(a.Rollout, b.Rollout)
	a.Prerelease = a.Prerelease && b.Prerelease
	return a
}

// criteria are the words of a feed that rule out releases.
type criteria struct {
	feed             recipe.Feed
	include, exclude *regexp.Regexp
	lowest           bool
}

func newCriteria(f recipe.Feed) (criteria, error) {
	f, err := expand(f)
	c := criteria{feed: f, lowest: f.Pick == "lowest"}
	if f.Include != "" && err == nil {
		c.include, err = compileWord("include", f.Include)
	}
	if f.Exclude != "" && err == nil {
		c.exclude, err = compileWord("exclude", f.Exclude)
	}
	return c, err
}

// apply returns a release in the form of the inventory, and why it does not count, or nothing if it does.
func (c *criteria) apply(r recipe.Release) (recipe.Release, string) {
	f := c.feed
	r.Version = strings.TrimSpace(r.Version)
	if reason := unusable(r.Version); reason != "" {
		return r, reason
	}
	word := ""
	if !r.Prerelease {
		word = c.spelledPrerelease(&r)
	}
	r = normalize(r, f.Parts)
	switch {
	case r.Channel != f.Channel:
		return r, otherChannel(r.Channel, f.Channel)
	case r.Prerelease && !f.Prereleases:
		return r, prereleaseReason(f, word)
	case c.include != nil && !c.include.MatchString(r.Version):
		return r, "It does not match include."
	case c.exclude != nil && c.exclude.MatchString(r.Version):
		return r, "It matches exclude."
	case f.Major != 0 && firstNumber(r.Version) != f.Major:
		return r, fmt.Sprintf("It is not of major version %d.", f.Major)
	}
	return r, ""
}

// normalize returns a release with a version of the number of parts that the feed asks for, and without values that
// cannot be used.
func normalize(r recipe.Release, parts int) recipe.Release {
	r.Version = keepParts(r.Version, parts)
	r.MinOS = systemVersion(r.MinOS)
	r.Build = usable(r.Build)
	r.Channel = strings.TrimSpace(r.Channel)
	if math.IsNaN(r.Rollout) {
		r.Rollout = 0
	}
	r.Rollout = min(max(r.Rollout, 0), 1)
	if r.Date.Year() < 1984 || r.Date.Year() > 9998 {
		r.Date = time.Time{}
	}
	return r
}

// otherChannel returns why a release of another channel does not count.
func otherChannel(has, want string) string {
	switch {
	case want == "":
		return fmt.Sprintf("It is of channel %q.", shorten(has))
	case has == "":
		return fmt.Sprintf("It has no channel, and the feed asks for channel %q.", want)
	}
	return fmt.Sprintf("It is of channel %q, and the feed asks for channel %q.", shorten(has), want)
}

// unusable returns why a text cannot be a version, or nothing if it can.
func unusable(version string) string {
	switch {
	case version == "":
		return "It has no version."
	case len(version) > maxVersion:
		return fmt.Sprintf("The version has more than %d bytes.", maxVersion)
	case !utf8.ValidString(version):
		return "The version is not valid UTF-8."
	case patch.CheckVersion(version) != nil,
		strings.ContainsFunc(version, func(r rune) bool { return r != ' ' && !unicode.IsGraphic(r) }):
		return "The version has invisible characters."
	case !strings.ContainsAny(version, "0123456789"):
		return "The version has no number."
	}
	return ""
}

// usable returns a text for people that may be missing, without space around it, or nothing if it cannot be shown.
func usable(text string) string {
	text = strings.TrimSpace(text)
	if len(text) > maxVersion || !utf8.ValidString(text) ||
		strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) }) {
		return ""
	}
	return text
}

var (
	dotted         = regexp.MustCompile(`\d+(?:\.\d+)*`)
	prereleaseWord = regexp.MustCompile(`(?i)(?:^|[^a-z])(?:alpha|beta|rc|nightly|daily|canary|insiders?|preview|pre|` +
		`pre-?release|snapshot|dev|eap|milestone|experimental)(?:[^a-z]|$)`)
	// prereleaseEnd matches further ends of versions that forges do not mark as pre-releases, although they are some:
	// 2.0b3, 2.0-a.1, 2.0-M2, 2.0-test.
	prereleaseEnd = regexp.MustCompile(`(?i)\d[ab]\.?\d+$|[-._ +](?:a|b|m|cr|tp)\.?\d+$|` +
		`[-._ +](?:test|testing|unstable|candidate|next|wip|ea)[-._ ]?\d*$`)
)

// spelledPrerelease marks a release whose version is spelled as a pre-release, such as 2.0b3 or 1.4-rc.1: it has a word
// of pre-releases, or is below the same numbers alone in version order. Forges say which releases are pre-releases, so
// that only known words count there: many stable tags end with another one, such as v1.4-desktop. If it is the order
// that decides, spelledPrerelease returns what follows the numbers.
func (c *criteria) spelledPrerelease(r *recipe.Release) (word string) {
	if prereleaseWord.MatchString(r.Version) {
		r.Prerelease = true
		return ""
	}
	if marksPrereleases(c.feed) {
		r.Prerelease = prereleaseEnd.MatchString(r.Version)
		return ""
	}
	word = belowNumbers(r.Version)
	r.Prerelease = word != ""
	return word
}

// belowNumbers returns what follows the dotted numbers of a version if the version is below the numbers alone in
// version order, as a pre-release is, or nothing if it is not.
func belowNumbers(version string) string {
	at := dotted.FindStringIndex(version)
	if at == nil || patch.CompareVersions(version, version[:at[1]]) >= 0 {
		return ""
	}
	return version[at[1]:]
}

// marksPrereleases reports whether the releases of a feed say which of them are pre-releases.
func marksPrereleases(f recipe.Feed) bool {
	return (f.Kind == "github" || f.Kind == "gitea") && f.Source != "tags"
}

// prereleaseReason returns why a pre-release does not count. word is that of spelledPrerelease.
func prereleaseReason(f recipe.Feed, word string) string {
	if word == "" {
		return "It is a pre-release."
	}
	remedy := "match"
	if f.Repo != "" {
		remedy = "tag"
	}
	return fmt.Sprintf("It counts as a pre-release because %q follows its numbers. If it is none, let %s find the "+
		"numbers alone.", shorten(word), remedy)
}

// keepParts keeps the first parts of the dotted numbers in a version, all if parts is 0.
func keepParts(version string, parts int) string {
	at := dotted.FindStringIndex(version)
	if parts <= 0 || at == nil {
		return version
	}
	numbers := strings.SplitN(version[at[0]:at[1]], ".", parts+1)
	if len(numbers) <= parts {
		return version
	}
	return version[:at[0]] + strings.Join(numbers[:parts], ".") + version[at[1]:]
}

// firstNumber returns the first number of a version, -1 if it is beyond all limits.
func firstNumber(version string) int {
	first, _, _ := strings.Cut(dotted.FindString(version), ".")
	n, err := strconv.Atoi(first)
	if err != nil {
		return -1
	}
	return n
}

var system = regexp.MustCompile(`^\d{1,3}(?:\.\d{1,3}){0,3}$`)

// systemVersion returns a version of macOS without words such as "macOS", or nothing if it is none.
func systemVersion(version string) string {
	version = strings.TrimSpace(version)
	for _, name := range []string{"macOS", "OS X", "Mac OS X"} {
		if rest, ok := strings.CutPrefix(version, name); ok {
			version = strings.TrimSpace(rest)
		}
	}
	version = strings.TrimSuffix(version, "+")
	if !system.MatchString(version) {
		return ""
	}
	return version
}
