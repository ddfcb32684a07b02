package releases

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

const (
	// MaxBytes is the maximum size of an answer in bytes.
	MaxBytes = 2 << 20
	// MaxReleases is the maximum number of releases in an answer.
	MaxReleases = 10_000
	// maxVersion is the maximum length of a version in bytes. Select drops longer ones.
	maxVersion = 255
)

// ErrUnreadable is the error for an answer that cannot be read: it is not of the feed's kind, lists no release, or
// exceeds a limit.
var ErrUnreadable = errors.New("the release feed cannot be read")

// unreadable returns an error that says why an answer cannot be read, as a sentence. It is an ErrUnreadable.
func unreadable(format string, args ...any) error {
	return &readError{fmt.Errorf(format, args...)}
}

// A readError is an ErrUnreadable with a message of its own.
type readError struct{ err error }

func (e *readError) Error() string        { return e.err.Error() }
func (e *readError) Unwrap() error        { return e.err }
func (e *readError) Is(target error) bool { return target == ErrUnreadable }

// builtIn returns the kinds of this package. A kind that is an expander is replaced by the one that it expands to.
func builtIn() map[string]Kind {
	return map[string]Kind{
		"electron": electronKind{},
		"gitea":    giteaKind{},
		"github":   githubKind{},
		"gitlab":   gitlabKind{},
		"json":     jsonKind{},
		"plist":    plistKind{},
		"preset":   presetKind{},
		"redirect": redirectKind{},
		"text":     textKind{},
		"xml":      xmlKind{},
		"sparkle":  sparkleKind{},
	}
}

var builtInKinds = builtIn()

// unrestricted are the kinds that every token may use: each reads documents of one form only, and cannot be made to
// read parts of any page.
var unrestricted = []string{"github", "gitlab", "gitea", "sparkle", "electron", "preset"}

// An expander is a kind whose feeds stand for feeds of another kind.
type expander interface {
	// expand returns the feed that f stands for. The error is a *patch.ValidationError.
	expand(f recipe.Feed) (recipe.Feed, error)
}

// expand returns the feed that a preset stands for, and any other feed unchanged.
func expand(f recipe.Feed) (recipe.Feed, error) {
	if e, ok := builtInKinds[f.Kind].(expander); ok {
		return e.expand(f)
	}
	return f, nil
}

// Kinds reads feeds of the kinds that it knows. It is immutable and safe for concurrent use.
//
// A panic in a Kind is an [ErrUnreadable] of the call: it ends neither the program nor the work on other feeds.
type Kinds struct {
	kinds map[string]Kind
	log   *slog.Logger
}

var kindName = regexp.MustCompile(`^[a-z][a-z0-9.-]{0,63}$`)

// New returns the kinds of this package and extra ones by their names. A name consists of lower-case letters, digits,
// dots and hyphens. It is an error if a name is taken or invalid, or if a kind is nil.
func New(extra map[string]Kind) (*Kinds, error) {
	kinds := maps.Clone(builtInKinds)
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		switch _, taken := kinds[name]; {
		case taken:
			return nil, fmt.Errorf("kind %q is built in: choose another name", name)
		case !kindName.MatchString(name):
			return nil, fmt.Errorf("kind %q: a name has 1 to 64 lower-case letters, digits, dots and hyphens", name)
		case extra[name] == nil:
			return nil, fmt.Errorf("kind %q is nil", name)
		}
		kinds[name] = extra[name]
	}
	return &Kinds{kinds, slog.New(slog.DiscardHandler)}, nil
}

// WithLogger returns the same kinds, which log panics in a Kind with their stacks.
func (k *Kinds) WithLogger(log *slog.Logger) *Kinds { return &Kinds{k.kinds, log} }

// recoverFault makes a panic in the kind of a feed the error of a call. It must be deferred.
func (k *Kinds) recoverFault(f recipe.Feed, err *error) {
	if p := recover(); p != nil {
		k.log.Error("a kind of release feed has a fault", "kind", f.Kind, "panic", fmt.Sprint(p),
			"stack", string(debug.Stack()))
		*err = unreadable("a fault in the kind %q prevented reading the feed: report it to its developers", f.Kind)
	}
}

// find returns the kind of a feed, and the feed that it stands for.
func (k *Kinds) find(f recipe.Feed) (Kind, recipe.Feed, error) {
	f, err := expand(f)
	if err != nil {
		return nil, f, err
	}
	kind, ok := k.kinds[f.Kind]
	if !ok {
		names := slices.Sorted(maps.Keys(k.kinds))
		if f.Kind == "" {
			return nil, f, invalid("/feed/kind", "is missing: choose one of %s", strings.Join(names, ", "))
		}
		return nil, f, invalid("/feed/kind", "is unknown: choose one of %s", strings.Join(names, ", "))
	}
	return kind, f, nil
}

// Request returns the first request for a feed. authorized says that the requests will carry a token for the host. The
// error is a *patch.ValidationError, or an [ErrUnreadable] if the kind panics.
func (k *Kinds) Request(f recipe.Feed, authorized bool) (_ Request, err error) {
	defer k.recoverFault(f, &err)
	kind, f, err := k.find(f)
	if err != nil {
		return Request{}, err
	}
	return kind.Request(f, authorized)
}

// Read returns the releases in an answer as the feed writes them, and the next request if more answers are needed.
// Select selects those that count. There are none if the feed has a list for them that is empty while a version is
// rolled out. The error is an [ErrUnreadable], or that of an extra kind, or a
// *patch.ValidationError if the feed is invalid.
func (k *Kinds) Read(f recipe.Feed, a Answer) (found []recipe.Release, next *Request, err error) {
	defer k.recoverFault(f, &err)
	kind, f, err := k.find(f)
	switch {
	case err != nil:
		return nil, nil, err
	case a.Status == http.StatusNotModified:
		return nil, nil, unreadable("the server answered %s, and there is no earlier answer", statusText(a.Status))
	case len(a.Body) > MaxBytes:
		return nil, nil, unreadable("the answer has more than %d MiB", MaxBytes>>20)
	}
	found, next, err = kind.Read(f, a)
	switch {
	case err != nil:
		return nil, nil, err
	case len(found) > MaxReleases:
		return nil, nil, unreadable("the answer lists %d releases, and at most %d are read", len(found), MaxReleases)
	case len(found) == 0 && next == nil && (found == nil || f.Rollout == ""):
		return nil, nil, unreadable("the answer lists no release")
	}
	return found, next, nil
}

// Check returns a *patch.ValidationError with all failures of a watch: those of its policy, of the words of its feed,
// and what the kind of the feed asks of them.
func (k *Kinds) Check(w recipe.Watch) error {
	var all []patch.Failure
	for _, err := range []error{w.Validate(), k.checkRequest(w.Feed), checkWords(w.Feed)} {
		var v *patch.ValidationError
		switch {
		case errors.As(err, &v):
			all = appendFailures(all, v.Failures)
		case err != nil:
			all = appendFailures(all, []patch.Failure{{Path: "/feed", Message: err.Error()}})
		}
	}
	if len(all) == 0 {
		return nil
	}
	return &patch.ValidationError{Failures: all}
}

func (k *Kinds) checkRequest(f recipe.Feed) error {
	_, err := k.Request(f, false)
	return err
}

// appendFailures appends the failures of members that have none yet.
func appendFailures(all, more []patch.Failure) []patch.Failure {
	had := len(all)
	for _, f := range more {
		if !slices.ContainsFunc(all[:had], func(g patch.Failure) bool { return g.Path == f.Path }) {
			all = append(all, f)
		}
	}
	return all
}

// Restricted reports whether a feed is for tokens only that may create titles for everybody. All kinds are but those
// that are made for the feeds of vendors: github, gitlab, gitea, sparkle, electron and presets.
func (k *Kinds) Restricted(f recipe.Feed) bool { return !slices.Contains(unrestricted, f.Kind) }

// Host returns the host of the first request for a feed, in lower case and with its port if it has one. It is empty if
// the feed is invalid.
func (k *Kinds) Host(f recipe.Feed) string {
	r, err := k.Request(f, true)
	if err != nil {
		return ""
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Host)
}
