// Package releases reads vendors' release feeds and says which versions of a title they bring. It is pure: it opens no
// connections and has no clock.
package releases

import (
	"net/http"

	"github.com/patchsource/patchsource/patch/recipe"
)

// A Kind reads one kind of feeds. An embedding program adds a kind of its own by implementing it; see [New]. It must be
// safe for concurrent use.
type Kind interface {
	// Request returns the first request for a feed. authorized says that the requests will carry a token for the host, so
	// that an address with limits for anonymous clients can be used. The error is a *patch.ValidationError with paths
	// such as "/feed/url" if a word of the feed is invalid.
	Request(f recipe.Feed, authorized bool) (Request, error)
	// Read returns the releases in an answer, in any order, and the next request if more answers are needed. An answer
	// without a release is an error. Read is called for valid feeds only.
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
