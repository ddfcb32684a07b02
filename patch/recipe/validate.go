package recipe

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/patchsource/patchsource/patch"
)

const (
	// MaxBackfill is the maximum of Policy.Backfill.
	MaxBackfill = 50
	// MinInterval is the minimum of Policy.Interval.
	MinInterval = 5 * time.Minute

	maxHold     = 365 * 24 * time.Hour
	maxInterval = 30 * 24 * time.Hour
	maxWord     = 4096 // bytes of a word of a feed
	maxFields   = 32
	maxNumber   = 1_000_000 // of parts and major
)

const kindNames = "github, gitlab, gitea, sparkle, electron, json, plist, xml, text, redirect or preset"

// Validate returns every failure of r: of the members that become those of the title, of the policy, and of the words
// that all kinds of feeds share. It does not check whether a kind exists and what it needs; package sync/releases does.
//
// The error is a *[patch.ValidationError] with paths such as "/feed/url". The result of [Parse] is valid; Validate is
// for recipes that were made or changed in Go. A nil recipe is as invalid as an empty one.
func (r *Recipe) Validate() error {
	if r == nil {
		r = &Recipe{}
	}
	var c checker
	r.check(&c)
	return c.result()
}

// Validate returns every failure of w, as [Recipe.Validate] does for the feed and the policy.
func (w *Watch) Validate() error {
	if w == nil {
		w = &Watch{}
	}
	var c checker
	w.check(&c)
	return c.result()
}

func (r *Recipe) check(c *checker) {
	r.checkTitle(c)
	w := r.Watch()
	w.check(c)
}

func (w *Watch) check(c *checker) {
	w.Feed.check(c)
	w.Policy.check(c)
}

// checkTitle checks the members that become those of the title.
func (r *Recipe) checkTitle(c *checker) {
	if r.BundleID == "" {
		c.fail("/bundleId", `must not be empty: it is the application's CFBundleIdentifier, such as "com.example.app"`)
	}
	d := r.frame()
	switch {
	case r.Name == "":
		d.ID = cmp.Or(r.ID, "x") // the failure is that of the name
	case d.ID == "":
		c.fail("/id", "is missing, and the name has no letter for it: add an id such as \"SomeApp\"")
	}
	if r.AppName != "" && !strings.HasSuffix(r.AppName, ".app") {
		c.fail("/appName", fmt.Sprintf("must be the file name of the application, such as %q",
			shorten(strings.TrimSpace(r.AppName))+".app"))
	}
	if r.MinimumOperatingSystem != "" && !macOSVersion.MatchString(r.MinimumOperatingSystem) {
		c.fail("/minimumOperatingSystem", fmt.Sprintf(`must be a version of macOS, such as "12" or "10.15": %q is not`,
			shorten(r.MinimumOperatingSystem)))
	}
	d.Patches = []patch.Patch{{Version: "1", ReleaseDate: "2020-01-01T00:00:00Z", KillApps: r.KillApps}}
	c.failAll(d.Validate(), func(path string) string { return strings.TrimPrefix(path, "/patches/0") })
}

// macOSVersion matches a version of macOS.
var macOSVersion = regexp.MustCompile(`^[0-9]{1,3}(\.[0-9]{1,3}){0,2}$`)

func (f *Feed) check(c *checker) {
	if f.Kind == "" {
		c.fail("/feed/kind", "must not be empty: it is "+kindNames)
	}
	f.checkText(c)
	if f.URL != "" {
		checkURL(c, "/feed/url", f.URL)
	}
	for _, expr := range []struct{ name, text string }{
		{"tag", f.Tag},
		{"asset", f.Asset},
		{"assetMatch", f.AssetMatch},
		{"match", f.Match},
		{"include", f.Include},
		{"exclude", f.Exclude},
	} {
		checkRegexp(c, "/feed/"+expr.name, expr.text)
	}
	if f.As != "" {
		checkForm(c, "/feed/as", f.As)
	}
	oneOf(c, "/feed/method", f.Method, "GET", "HEAD", "POST")
	oneOf(c, "/feed/pick", f.Pick, "highest", "lowest")
	if !headerName.MatchString(f.Header) {
		c.fail("/feed/header", fmt.Sprintf("must be the name of a header, such as Location: %q is not",
			shorten(f.Header)))
	}
	inRange(c, "/feed/parts", f.Parts, maxNumber)
	inRange(c, "/feed/major", f.Major, maxNumber)
}

// headerName matches the name of an HTTP header, and nothing at all.
var headerName = regexp.MustCompile("^[-0-9A-Za-z!#$%&'*+.^_`|~]*$")

// checkText checks the length and the characters of every word.
func (f *Feed) checkText(c *checker) {
	words := map[string]string{
		"kind": f.Kind, "url": f.URL, "name": f.Name, "repo": f.Repo, "source": f.Source, "tag": f.Tag,
		"asset": f.Asset, "assetMatch": f.AssetMatch, "channel": f.Channel, "from": f.From, "items": f.Items,
		"version": f.Version, "build": f.Build, "date": f.Date, "minOS": f.MinOS, "rollout": f.Rollout,
		"match": f.Match, "as": f.As, "header": f.Header, "include": f.Include, "exclude": f.Exclude,
		"userAgent": f.UserAgent, "referer": f.Referer,
	}
	for _, name := range sortedKeys(words) {
		checkWord(c, "/feed/"+name, words[name])
	}
	if len(f.Fields) > maxFields {
		c.fail("/feed/fields", fmt.Sprintf("must have at most %d paths, not %d", maxFields, len(f.Fields)))
		return
	}
	for _, name := range sortedKeys(f.Fields) {
		path := "/feed/fields/" + pointerEscaper.Replace(name)
		if !fieldName.MatchString(name) {
			c.fail(path, `must have a name of letters, digits and _, such as "major", to be used as "{major}"`)
		}
		if f.Fields[name] == "" {
			c.fail(path, `must not be empty: it is a path, such as "$.version"`)
		}
		checkWord(c, path, f.Fields[name])
	}
}

func checkWord(c *checker, path, s string) {
	switch i := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == '\x7f' }); {
	case len(s) > maxWord:
		c.fail(path, fmt.Sprintf("must have at most %d bytes, not %d", maxWord, len(s)))
	case !utf8.ValidString(s):
		c.fail(path, "must be valid UTF-8")
	case i >= 0:
		c.fail(path, fmt.Sprintf("has the control character U+%04X at byte %d: remove it", s[i], i))
	}
}

// checkURL checks that s is an absolute address. Its failures do not quote the address, which may have a secret.
func checkURL(c *checker, path, s string) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		c.fail(path, "is not an address: "+parseReason(err))
	case u.Scheme != "https" && u.Scheme != "http":
		c.fail(path, "must be a whole address that begins with https:// or http://")
	case u.Hostname() == "":
		c.fail(path, "must have a host, such as https://vendor.example/appcast.xml")
	}
}

// parseReason returns the reason of an error of url.Parse, without any part of the address.
func parseReason(err error) string {
	var escape url.EscapeError
	var host url.InvalidHostError
	switch {
	case errors.As(err, &escape):
		return "it has a % that is not followed by two hexadecimal digits: write %25 for the character itself"
	case errors.As(err, &host):
		return "it has a character that a host cannot have"
	case strings.Contains(err.Error(), "invalid port"):
		return "invalid port: it must be a number, and a / in a password must be written %2F"
	case strings.Contains(err.Error(), "userinfo"):
		return "its user name or password has a character that must be written with %, such as %20 for a space"
	}
	return "use one such as https://vendor.example/appcast.xml"
}

func (p *Policy) check(c *checker) {
	oneOf(c, "/policy/mode", string(p.Mode), string(Add), string(Propose), string(Off))
	if hold := time.Duration(p.Hold); hold < 0 || hold > maxHold {
		c.fail("/policy/hold", fmt.Sprintf(`must be from "0h" to "%dh" (a year), not %q`, maxHold/time.Hour, p.Hold))
	}
	if f := p.MinRollout; f != nil && !(*f >= 0 && *f <= 1) {
		c.fail("/policy/minRollout", fmt.Sprintf("must be from 0 to 1, such as 0.5 for half of the users, not %v", *f))
	}
	checkRegexp(c, "/policy/expect", p.Expect)
	if d := time.Duration(p.Interval); d != 0 && (d < MinInterval || d > maxInterval) {
		c.fail("/policy/interval", fmt.Sprintf(`must be from "5m" to "%dh" (30 days), not %q`, maxInterval/time.Hour,
			p.Interval))
	}
	inRange(c, "/policy/backfill", p.Backfill, MaxBackfill)
	if p.Patch != nil {
		p.checkTemplate(c)
	}
}

// oneOf checks a word that is empty or one of a few.
func oneOf(c *checker, path, s string, words ...string) {
	if s != "" && !slices.Contains(words, s) {
		last := len(words) - 1
		c.fail(path, fmt.Sprintf("must be %s or %s, not %q", strings.Join(words[:last], ", "), words[last], shorten(s)))
	}
}

func inRange(c *checker, path string, n, maximum int) {
	if n < 0 || n > maximum {
		c.fail(path, fmt.Sprintf("must be from 0 to %d, not %d", maximum, n))
	}
}
