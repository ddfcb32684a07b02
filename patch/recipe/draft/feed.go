package draft

import (
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
)

// feedFromURL sets the feed if it follows from the address of an installer of a version.
func (d *Draft) feedFromURL(address, version string) {
	u := webURL(address)
	if u == nil {
		d.guess("/feed", "the cask has no address of an installer to find the feed by")
		return
	}
	f, tag, asset := repository(u)
	if f.Kind == "" {
		d.guess("/feed", "the installer is at %s, which does not tell where its versions are listed: look for "+
			"SUFeedURL in the application's Info.plist, or for Contents/Resources/app-update.yml", shorten(u.Host))
		return
	}
	d.Recipe.Feed = f
	d.guess("/feed", "the installer is an asset of a release of %s at %s", shorten(f.Repo), shorten(u.Host))
	short, build, _ := strings.Cut(version, ",")
	if expr := tagExpression(tag, short); expr != "" {
		d.Recipe.Feed.Tag = expr
		d.guess("/feed/tag", "the tag of version %q is %q", shorten(short), shorten(tag))
	}
	if asset != "" {
		d.Recipe.Feed.Asset = assetExpression(asset, tag, short, build)
		d.guess("/feed/asset", "a release counts once it has a file like %q: check that names stay alike",
			shorten(asset))
	}
	if f.Kind == "github" {
		d.Recipe.Publisher, _, _ = strings.Cut(f.Repo, "/")
		d.guess("/publisher", "this is the owner of the repository: write the vendor's name")
	}
}

// repository returns the feed of the repository that an address is of, and the tag and the asset in the address. If
// the address is of none, the feed's kind is empty.
func repository(u *url.URL) (f recipe.Feed, tag, asset string) {
	host := strings.ToLower(u.Host)
	segments := strings.Split(strings.Trim(u.Path, "/"), "/")
	if repo, rest, ok := strings.Cut(strings.Trim(u.Path, "/"), "/-/"); ok {
		f = recipe.Feed{Kind: "gitlab", Repo: repo}
		if host != "gitlab.com" {
			f.URL = u.Scheme + "://" + u.Host
		}
		if parts := strings.Split(rest, "/"); len(parts) > 2 && parts[0] == "releases" {
			tag = parts[1]
		}
		return f, tag, ""
	}
	if len(segments) < 6 || segments[2] != "releases" || segments[3] != "download" {
		return f, "", ""
	}
	f = recipe.Feed{Kind: "github", Repo: segments[0] + "/" + segments[1]}
	if host != "github.com" {
		f.Kind, f.URL = "gitea", u.Scheme+"://"+u.Host
	}
	last := len(segments) - 1
	return f, strings.Join(segments[4:last], "/"), path.Base(segments[last])
}

// number is the part of an expression that stands for a version.
const number = `\d+(?:\.\d+)*`

// plainTag matches a tag that needs no expression: a version, perhaps after v.
var plainTag = regexp.MustCompile(`^v?[0-9]`)

// tagExpression returns a regular expression for tags like the one of a version, or nothing if none is needed or
// known.
func tagExpression(tag, version string) string {
	before, after, ok := strings.Cut(tag, version)
	if version == "" || !ok || after == "" && (before == "" || before == "v") && plainTag.MatchString(tag) {
		return ""
	}
	return "^" + regexp.QuoteMeta(before) + "(?P<version>" + number + ")" + regexp.QuoteMeta(after) + "$"
}

// assetExpression returns a regular expression for names like the one of an asset of a version: the tag, the version
// and the build in it may be anything.
func assetExpression(asset, tag, version, build string) string {
	const mark = "\x00"
	name := asset
	for _, v := range []string{tag, version, build} {
		if v != "" {
			name = strings.ReplaceAll(name, v, mark)
		}
	}
	if name == asset {
		return regexp.QuoteMeta(path.Ext(asset)) + "$"
	}
	return "^" + strings.ReplaceAll(regexp.QuoteMeta(name), mark, ".+") + "$"
}
