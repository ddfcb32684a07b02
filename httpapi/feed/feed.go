// Package feed serves the feed that Jamf Pro reads from an external patch source: the list of software titles, a
// selection of them, and the definition of one.
//
//	GET /jamf/v1/software           the summaries of all titles
//	GET /jamf/v1/software/{id},…    the summaries of some titles
//	GET /jamf/v1/patch/{id}         the definition of one title
//
// It depends on the catalog and on nothing else, so that a program that only serves titles stays small. Package httpapi
// mounts it beside the calls that change titles.
//
// No request is ever answered with a redirect, since Jamf Pro takes one for a broken source. A path may have slashes
// doubled or at its end. http.ServeMux redirects such paths before any handler sees them: if administrators type the
// address, mount the handler at the root of a server, or behind a router that does not clean paths.
//
// Answers have a strong ETag, are conditional and are compressed for clients that accept gzip. They have a
// Last-Modified, except for lists over a store that other servers may use, a store.Watcher: the servers have equal
// lists with equal ETags, but learn of a change at different times.
package feed

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/catalog"
)

// A Signer puts definitions into CMS envelopes, as a *envelope.Signer does. It must be safe for concurrent use.
type Signer interface {
	Seal(content []byte) ([]byte, error)
}

// Contributors are the contributors that have a feed of their own at /jamf/v1/{contributor}. It must be safe for
// concurrent use.
type Contributors interface {
	// ContributorID returns the id of the contributor that a path names, in any case, and false if there is none.
	ContributorID(name string) (id string, ok bool)
	// ExtendedList returns the answer to ?extend on the list of a contributor, as JSON.
	ExtendedList(id string) ([]byte, error)
}

// A Budget bounds the memory and the work that clients cost together; a *httpapi.Budget is one.
type Budget interface {
	// Enter waits for a turn to work on so many bytes. The caller must call leave when the work is done.
	Enter(r *http.Request, bytes int64) (within *http.Request, leave func(), err error)
	// EnterAnswer waits for room for an answer of so many bytes. The caller must call leave when it was sent.
	EnterAnswer(w http.ResponseWriter, r *http.Request, bytes int) (leave func(), err error)
}

// Options are options of [New]. Nil means the zero value.
type Options struct {
	// Signer signs definitions, which are then served in CMS envelopes, as those of Jamf's own feed are. If nil, they
	// are served as JSON.
	Signer Signer
	// RootFeed serves the feed at the root as well (/software, /patch/{id}), for sources that were added to Jamf Pro
	// without a path.
	RootFeed bool
	// Contributors have feeds of their own. If nil, there are none.
	Contributors Contributors
	// Budget bounds the memory and the work that clients cost together. If nil, they are not bounded.
	Budget Budget
	// Next handles the requests that are not for the feed. If nil, they are answered with status 404.
	Next http.Handler
	// Error answers errors, also the panics of Next. If nil, they are answered with JSON, as package httpapi does.
	Error func(w http.ResponseWriter, r *http.Request, err error)
	// Observe, if not nil, is called with the outcome of each request for the feed: its route, which is one of six, its
	// method, the status, the bytes of the body, and the time that it took.
	Observe func(route, method string, status int, bytes int64, took time.Duration)
	// Listed, if not nil, is called after each request that was answered with a list of titles. It must be fast.
	Listed func(r *http.Request)
	// Logger receives the causes of internal errors. If nil, nothing is logged.
	Logger *slog.Logger
	// Now is the clock. If nil, it is time.Now.
	Now func() time.Time
}

// New returns a handler of the feed of a catalog. It is safe for concurrent use. It returns an error if c is nil or if
// the Signer cannot sign.
func New(c *catalog.Catalog, opts *Options) (http.Handler, error) {
	var o Options
	if opts != nil {
		o = *opts
	}
	if c == nil {
		return nil, errors.New("feed: New needs a catalog")
	}
	h := &handler{
		catalog:      c,
		root:         o.RootFeed,
		contributors: o.Contributors,
		observe:      o.Observe,
		listed:       o.Listed,
		next:         o.Next,
		fail:         o.Error,
		answers:      newServer(o.Budget, o.Now),
	}
	if o.Signer != nil {
		var err error
		if h.sealer, err = newSealer(o.Signer); err != nil {
			return nil, err
		}
	}
	if h.next == nil {
		h.next = http.HandlerFunc(h.notFound)
	}
	if h.fail == nil {
		errors := problem.Writer{Table: table, Log: trace.Logger(o.Logger)}
		h.fail = func(w http.ResponseWriter, r *http.Request, err error) { errors.Write(w, r, err, false) }
	}
	return h, nil
}

// newServer returns a server of documents that keeps to a budget, if there is one.
func newServer(b Budget, now func() time.Time) *answer.Server {
	if now == nil {
		now = time.Now
	}
	s := &answer.Server{Now: now}
	if b != nil {
		s.Send = b.EnterAnswer
		s.Indent = func(r *http.Request, bytes int) (func(), error) {
			if bytes <= maxFreeIndent {
				return nil, nil
			}
			_, leave, err := b.Enter(r, indentCost*int64(bytes))
			return leave, err
		}
	}
	return s
}

const (
	// maxFreeIndent is the size up to which a document is indented without waiting for a turn.
	maxFreeIndent = 64 << 10
	// indentCost is how many bytes of work a byte of a document to indent counts for.
	indentCost = 4
)

// table says how the errors of the feed are answered.
var table = problem.Table{
	{
		Match:   problem.Is(catalog.ErrUnavailable),
		Status:  http.StatusServiceUnavailable,
		Code:    wire.CodeInternal,
		Message: problem.Text("The server cannot reach its storage at the moment: try again later."),
		Detail:  problem.Nothing,
	},
	{
		Match:   problem.Ended,
		Status:  http.StatusServiceUnavailable,
		Code:    wire.CodeInternal,
		Message: problem.Text("The request was not answered in time: try again later."),
		Detail:  problem.Nothing,
	},
	{
		Match: problem.Both(problem.Is(catalog.ErrNotFound), problem.As[*catalog.TitleError]()),
		Code:  wire.CodeTitleNotFound,
		Message: problem.With(func(e *catalog.TitleError) string {
			return fmt.Sprintf("There is no title '%s'.", trace.Shorten(e.ID))
		}),
		Detail: problem.With(func(e *catalog.TitleError) any { return trace.Shorten(e.ID) }),
	},
	problem.Method,
	problem.Path,
}

// isNil reports whether an interface holds a nil pointer.
func isNil(v any) bool {
	value := reflect.ValueOf(v)
	return value.Kind() == reflect.Pointer && value.IsNil()
}
