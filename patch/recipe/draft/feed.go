package draft

import (
	"net/url"
	"path"
	"regexp"
	"slices"
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
	f, file := repository(u)
	if f.Kind == "" {
		d.guess("/feed", "the installer is at %s, which does not tell where its versions are listed: look for "+
			"SUFeedURL in the application's Info.plist, or for Contents/Resources/app-update.yml", shorten(u.Host))
		return
	}
	d.Recipe.Feed = f
	d.guess("/feed", "the installer is an asset of a release of %s at %s", shorten(f.Repo), shorten(u.Host))
	if f.Kind == "gitea" && !strings.EqualFold(u.Host, "codeberg.org") {
		d.guess("/feed/kind", "the address has the form of Gitea, Forgejo and GitHub Enterprise: check which one %s "+
			"is, and write github for the last", shorten(u.Host))
	}
	d.nameVersions(file, version)
	if f.Kind == "github" {
		d.Recipe.Publisher, _, _ = strings.Cut(f.Repo, "/")
		d.guess("/publisher", "this is the owner of the repository: write the vendor's name")
	}
}

// A releaseFile is the tag and the asset that the address of an installer names. Each may be empty.
type releaseFile struct {
	tag, asset string
	// latest reports that the address is that of the latest release, so that the asset has the same name in each.
	latest bool
}

// nameVersions sets the expressions for tags and assets.
func (d *Draft) nameVersions(file releaseFile, version string) {
	f := &d.Recipe.Feed
	short, build, _ := strings.Cut(version, ",")
	tag, named := namingOf(file.tag, version)
	asset, inAsset := namingOf(file.asset, version)
	switch {
	case file.tag == "" || needsNoExpression(file.tag, short):
	case named:
		f.Tag, f.As = tag.expr, tag.as
		d.guess("/feed/tag", "the tag of version %q is %q", shorten(short), shorten(file.tag))
	case inAsset && f.Kind != "gitlab":
		f.AssetMatch, f.As = asset.expr, asset.as
		d.guess("/feed/assetMatch", "the tag %q does not name version %q, but the file %q does: check that names stay "+
			"alike", shorten(file.tag), shorten(short), shorten(file.asset))
		return
	default:
		d.guess("/feed/tag", "the tag %q does not name version %q in a way that the next one can be told by: set tag "+
			"to an expression for tags, or assetMatch to one for the names of files", shorten(file.tag), shorten(short))
	}
	switch {
	case file.asset == "":
	case file.latest:
		f.Asset = "^" + regexp.QuoteMeta(file.asset) + "$"
		d.guess("/feed/asset", "a release counts once it has the file %q", shorten(file.asset))
	default:
		f.Asset = assetExpression(file.asset, file.tag, short, build)
		d.guess("/feed/asset", "a release counts once it has a file like %q: check that names stay alike",
			shorten(file.asset))
	}
}

// repository returns the feed of the repository that an address is of, and the file that the address names. If the
// address is of none, the feed's kind is empty.
func repository(u *url.URL) (f recipe.Feed, file releaseFile) {
	host, server := strings.ToLower(u.Host), u.Scheme+"://"+u.Host
	segments := pathSegments(u)
	if i := slices.Index(segments, "-"); i > 0 {
		if !isRepository(segments[:i], 20) {
			return f, file
		}
		f = recipe.Feed{Kind: "gitlab", Repo: strings.Join(segments[:i], "/")}
		if host != "gitlab.com" {
			f.URL = server
		}
		if rest := segments[i+1:]; len(rest) > 2 && rest[0] == "releases" {
			file.tag = rest[1]
		}
		return f, file
	}
	if len(segments) < 6 || segments[2] != "releases" || !isRepository(segments[:2], 2) {
		return f, file
	}
	last := len(segments) - 1
	switch {
	case segments[3] == "download":
		file = releaseFile{tag: strings.Join(segments[4:last], "/"), asset: segments[last]}
	case segments[3] == "latest" && segments[4] == "download":
		file = releaseFile{asset: segments[last], latest: true}
	default:
		return f, file
	}
	f = recipe.Feed{Kind: "github", Repo: segments[0] + "/" + segments[1]}
	if host != "github.com" {
		f.Kind, f.URL = "gitea", server
	}
	return f, file
}

// pathSegments returns the segments of the path of an address.
func pathSegments(u *url.URL) []string {
	segments := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, s := range segments {
		if plain, err := url.PathUnescape(s); err == nil {
			segments[i] = plain
		}
	}
	return segments
}

// isRepository reports whether segments, at least two and at most maxSegments, are the name of a repository.
func isRepository(segments []string, maxSegments int) bool {
	return len(segments) >= 2 && len(segments) <= maxSegments && len(strings.Join(segments, "/")) <= 255 &&
		!slices.ContainsFunc(segments, func(s string) bool {
			return s == "." || s == ".." || !repoSegment.MatchString(s)
		})
}

var repoSegment = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,100}$`)

// needsNoExpression reports whether a tag is a version, perhaps after v.
func needsNoExpression(tag, version string) bool {
	return version != "" && isDigit(version[0]) && (tag == version || tag == "v"+version)
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
