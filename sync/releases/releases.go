// Package releases reads vendors' release feeds and says which versions of a title they bring. It is pure: it opens no
// connections and has no clock.
//
// A feed is read in four steps. [Kinds.Request] says what to ask the vendor's server for. [Kinds.Read] returns the
// releases in the answer as the vendor writes them, and the next request if one answer is not enough. [Select] keeps
// those that count: it applies channel, include, exclude, major and parts, drops pre-releases, and sorts by version
// order. [Propose] compares them with the definition of a title and says what to add, what to hold and what a person
// has to decide.
//
// # Kinds
//
//   - github, gitlab and gitea read the releases or tags of a repository. The version is that in the tag, whatever its
//     form, or that which the expressions tag or assetMatch find. With asset, a release counts once a file matches.
//   - sparkle reads appcasts: the short version of the items for macOS, in the channel that the feed names.
//   - electron reads latest-mac.yml of electron-updater.
//   - json and plist follow paths of RFC 9535, xml those of XPath, and text finds all matches of an expression.
//   - redirect reads the header Location, or another one, without following the redirect.
//   - preset stands for a feed of another kind that this package knows, such as chrome or jetbrains:CL.
//
// An embedding program adds kinds with [New].
//
// # Limits
//
// An answer has at most [MaxBytes] bytes and [MaxReleases] releases. Depth, entities, aliases and the steps of paths
// are bounded, so that reading takes little time whatever the vendor's server sends. An answer that cannot be read is
// an error with a sentence for people. A release that does not count is in [Selection.Dropped] with the reason.
package releases

import (
	"net/http"

	"github.com/patchsource/patchsource/patch/recipe"
)

// A Kind reads one kind of feeds. An embedding program adds a kind of its own by implementing it; see [New]. It must be
// safe for concurrent use.
type Kind interface {
	// Request returns the first request for a feed. authorized says that the requests will carry a token for the host,
	// so that an address with limits for anonymous clients can be used. The error is a *patch.ValidationError with
	// paths such as "/feed/url" if a word of the feed is invalid.
	Request(f recipe.Feed, authorized bool) (Request, error)
	// Read returns the releases in an answer, in any order, and the next request if more answers are needed. An answer
	// without a release is an error, unless the feed has roll-outs (Rollout) and found is empty and not nil: then it
	// lists none at present. Read is called for valid feeds only, and whatever the status of the answer is but 304. Its
	// releases are checked, selected and sorted by [Select].
	Read(f recipe.Feed, a Answer) (found []recipe.Release, next *Request, err error)
}

// A Request is what to ask a vendor's server for.
type Request struct {
	// Method is the method. If empty, it is GET.
	Method string
	URL    string
	// Header has the headers of the request, such as Accept. It never has credentials.
	Header http.Header
	// Once says that a redirect is the answer and is not followed.
	Once bool
	// HeaderOnly says that the body is not read.
	HeaderOnly bool
	// MaxBytes bounds the body. If 0, it is 2 MiB.
	MaxBytes int
}

// An Answer is what a vendor's server answered.
type Answer struct {
	// URL is the address that was asked. It may be empty.
	URL    string
	Status int
	Header http.Header
	Body   []byte
	// Pages is the number of answers for the same feed that were read before, for kinds that bound them.
	Pages int
}
