package releases

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// maxPages is the maximum number of answers that are read for a feed of a forge.
const maxPages = 5

// A forgeRelease is a release or a tag of a repository, as the kinds github, gitlab and gitea share it.
type forgeRelease struct {
	tag, notes string
	date       time.Time
	prerelease bool
	unmarked   bool // the answer does not say whether it is a pre-release
	hidden     bool // a draft, or a release of the future
	assets     []asset
}

// An asset is a file of a release.
type asset struct{ name, url string }

// forgeFeed is a feed of a forge with its words compiled.
type forgeFeed struct {
	recipe.Feed
	tag, asset, assetMatch *regexp.Regexp
	// budgets are those of the expressions and of Match.
	budgets []*matchBudget
}

// newForgeFeed compiles the words of a feed. The error is a *patch.ValidationError with all failures.
func newForgeFeed(f recipe.Feed) (*forgeFeed, error) {
	var failures []patch.Failure
	add := func(path, message string) {
		failures = append(failures, patch.Failure{Path: "/feed/" + path, Message: message})
	}
	ff := &forgeFeed{Feed: f}
	for _, w := range []struct {
		name, expr string
		to         **regexp.Regexp
	}{{"tag", f.Tag, &ff.tag}, {"asset", f.Asset, &ff.asset}, {"assetMatch", f.AssetMatch, &ff.assetMatch}} {
		if w.expr == "" {
			continue
		}
		re, err := compile(w.expr)
		if err != nil {
			add(w.name, "is not a regular expression (RE2): "+err.Error())
		}
		*w.to = re
		ff.budgets = append(ff.budgets, newMatchBudget(w.expr))
	}
	ff.budgets = append(ff.budgets, newMatchBudget(f.Match))
	switch f.Source {
	case "", "latest", "releases":
	case "tags":
		if f.Asset != "" || f.AssetMatch != "" {
			add("source", "must be latest or releases, because tags have no assets")
		}
	default:
		add("source", "must be latest, releases or tags")
	}
	if f.Channel != "" {
		add("channel", "must be empty, because releases of a repository have no channel: choose them with tag")
	}
	if wrong := checkServer(f); wrong != "" {
		add("url", wrong)
	}
	if len(failures) > 0 {
		return nil, &patch.ValidationError{Failures: failures}
	}
	return ff, nil
}

// needsAssets reports whether the names of assets decide about a release.
func (f *forgeFeed) needsAssets() bool { return f.asset != nil || f.assetMatch != nil }

// repository returns the segments of the name of a repository, at least two and at most maxSegments.
func repository(name string, maxSegments int) ([]string, error) {
	segments := strings.Split(name, "/")
	ok := len(segments) >= 2 && len(segments) <= maxSegments && len(name) <= 255
	for _, s := range segments {
		ok = ok && segment.MatchString(s) && s != "." && s != ".."
	}
	if !ok {
		return nil, invalid("/feed/repo", "must be the name of a repository, such as example/App")
	}
	return segments, nil
}

var segment = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// server returns the address of a server without a slash at its end.
func server(f recipe.Feed, standard string) string {
	if f.URL == "" {
		return standard
	}
	return strings.TrimRight(f.URL, "/")
}

// releases returns the releases of a list that have a version, and whether one of them counts.
func (f *forgeFeed) releases(list []forgeRelease) (found []recipe.Release, counts bool, err error) {
	for _, l := range list {
		if l.hidden {
			continue
		}
		r, ok, err := f.release(l)
		if err != nil {
			return nil, false, err
		}
		if ok {
			found = append(found, r)
		}
	}
	return found, len(Select(f.Feed, found).Releases) > 0, nil
}

// release returns what a release of a repository says, false if it does not count: the tag or no asset matches.
func (f *forgeFeed) release(l forgeRelease) (recipe.Release, bool, error) {
	if err := f.spend(l); err != nil {
		return recipe.Release{}, false, err
	}
	r := recipe.Release{Date: l.date, Prerelease: l.prerelease, Notes: l.notes, Rollout: 1}
	groups := map[string]string{"tag": l.tag}
	subject := tagVersion(l.tag)
	if f.tag != nil {
		m := f.tag.FindStringSubmatch(cutTo(l.tag, maxSubject))
		if m == nil {
			return r, false, nil
		}
		if subject = matchGroups(f.tag, m, groups); f.tag.NumSubexp() == 0 {
			subject = tagVersion(l.tag) // the expression only chooses tags
		}
	}
	if f.asset != nil {
		a, ok := firstAsset(l.assets, f.asset)
		if !ok {
			return r, false, nil
		}
		r.URL = a.url
	}
	if f.assetMatch != nil {
		a, ok := firstAsset(l.assets, f.assetMatch)
		if !ok {
			return r, false, nil
		}
		r.URL = a.url
		subject = matchGroups(f.assetMatch, f.assetMatch.FindStringSubmatch(cutTo(a.name, maxSubject)), groups)
	}
	version, build, ok, err := versionOf(f.Feed, subject, groups)
	r.Version, r.Build = version, build
	r.Prerelease = r.Prerelease || f.taggedPrerelease(l.tag) || l.unmarked && belowNumbers(version) != ""
	return r, ok, err
}

// spend takes the work of matching the expressions of the feed in the tag and the names of a release.
func (f *forgeFeed) spend(l forgeRelease) error {
	for _, b := range f.budgets {
		if err := b.spend(len(l.tag)); err != nil {
			return err
		}
		for _, a := range l.assets {
			if err := b.spend(len(a.name)); err != nil {
				return err
			}
		}
	}
	return nil
}

// taggedPrerelease reports whether a tag has a word of pre-releases, such as nightly-2026.1, unless the expression for
// tags has the word too.
func (f *forgeFeed) taggedPrerelease(tag string) bool {
	word := strings.Trim(strings.ToLower(prereleaseWord.FindString(tag)), "0123456789-_./+@ ")
	return word != "" && !strings.Contains(strings.ToLower(f.Tag), word)
}

func firstAsset(assets []asset, name *regexp.Regexp) (asset, bool) {
	for _, a := range assets {
		if name.MatchString(cutTo(a.name, maxSubject)) {
			return a, true
		}
	}
	return asset{}, false
}

var (
	// tagNumbers find the version in a tag. The first one that matches counts.
	tagNumbers = []*regexp.Regexp{
		regexp.MustCompile(`(?i)(?:^|[^a-z0-9.]|[^a-z0-9.]v\.?|^[a-z]+\.?)(\d+(?:[._]\d+)+)`),
		regexp.MustCompile(`(?i)(?:^|[^a-z0-9.]|[^a-z]v\.?|^[a-z]+\.?)(\d+)`),
		regexp.MustCompile(`(\d+(?:[._]\d+)*)`),
	}
	tagStable = regexp.MustCompile(`(?i)[-_. ]*(?:stable|final|release|ga|mac|macos|osx|darwin|universal|` +
		`desktop|client|signed|notarized|community|oss)$`)
)

// tagVersion returns the version in a tag: from the first dotted number on that no letter or digit precedes, but for v
// or the word that begins the tag. In numbers that have underscores only, these become dots. Words that say that a
// release is stable, for macOS, or of which edition, are left out. Without a dotted number, it is the first number with
// what follows it.
func tagVersion(tag string) string {
	for _, re := range tagNumbers {
		m := re.FindStringSubmatchIndex(tag)
		if m == nil {
			continue
		}
		number, rest := tag[m[2]:m[3]], tag[m[3]:]
		if !strings.Contains(number, ".") {
			number = strings.ReplaceAll(number, "_", ".")
		}
		return number + tagStable.ReplaceAllString(rest, "")
	}
	return ""
}

// decodeList decodes a JSON list, or one object as a list of one.
func decodeList[T any](body []byte) (list []T, err error) {
	if bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) {
		list = make([]T, 1)
		err = json.Unmarshal(body, &list[0])
	} else {
		err = json.Unmarshal(body, &list)
	}
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return nil, unreadable("the answer is not the JSON of releases: a member has the wrong type, %s", wrong.Value)
	case err != nil:
		return nil, unreadable("the answer is not the JSON of releases: %w", err)
	case len(list) > MaxReleases:
		return nil, unreadable("the answer lists more than %d releases", MaxReleases)
	}
	return list, nil
}

// nextPage returns the request for the page after an answer, or nil if there is none: the header Link names it, and
// must name the host that was asked. full says that the answer has as many releases as a page can have; then the number
// of the page is counted if the answer has no such header.
func nextPage(a Answer, first Request, full bool) *Request {
	if a.Pages+1 >= maxPages {
		return nil
	}
	next := first
	for _, link := range a.Header.Values("Link") {
		for part := range strings.SplitSeq(link, ",") {
			address, attributes, ok := strings.Cut(part, ">")
			if !ok || !strings.Contains(attributes, `rel="next"`) {
				continue
			}
			next.URL = strings.TrimLeft(address, " <")
			if !sameHost(next.URL, first.URL) {
				return nil
			}
			return &next
		}
	}
	if !full || len(a.Header.Values("Link")) > 0 {
		return nil
	}
	u, err := url.Parse(first.URL)
	if err != nil {
		return nil
	}
	page := a.Pages + 1
	if asked, err := url.Parse(a.URL); err == nil && a.URL != "" {
		page = max(1, number(asked.Query().Get("page")))
	}
	q := u.Query()
	q.Set("page", strconv.Itoa(page+1))
	u.RawQuery = q.Encode()
	next.URL = u.String()
	return &next
}

// sameHost reports whether two addresses have the same scheme and host.
func sameHost(a, b string) bool {
	u, err := url.Parse(a)
	v, err2 := url.Parse(b)
	return err == nil && err2 == nil && u.Host != "" && strings.EqualFold(u.Host, v.Host) &&
		strings.EqualFold(u.Scheme, v.Scheme)
}

// forgeStatus returns an ErrUnreadable for an answer of an API that is none of success.
func forgeStatus(a Answer, repo string) error {
	switch {
	case a.Status == http.StatusNotFound:
		return unreadable("the server answered %s: the repository %s does not exist, needs a token, or has no release",
			statusText(a.Status), repo)
	case limited(a):
		return unreadable("the server answered %s: its limit of requests is used up; a token for it raises the limit",
			statusText(a.Status))
	}
	return checkStatus(a)
}

// limited reports whether a server refuses an answer because there were too many requests.
func limited(a Answer) bool {
	return a.Status == http.StatusTooManyRequests ||
		a.Status == http.StatusForbidden && a.Header.Get("X-Ratelimit-Remaining") == "0"
}

// noRelease returns the error for answers in which no release counts.
func (f *forgeFeed) noRelease(n int) error {
	switch {
	case n == 0:
		return unreadable("the repository %s has no release", f.Repo)
	case f.needsAssets():
		return unreadable("none of the newest %d releases of %s has a tag and an asset that match", n, f.Repo)
	case f.tag != nil:
		return unreadable("none of the newest %d tags of %s matches the expression for tags", n, f.Repo)
	}
	return unreadable("none of the newest %d tags of %s has a version", n, f.Repo)
}

// assetName returns the name of the file in an address.
func assetName(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return path.Base(u.Path)
}
