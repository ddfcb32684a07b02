package httpapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// A titleService finds, creates and deletes titles on behalf of the principals of requests.
type titleService struct {
	*core
	community Community     // nil: there are no contributors
	tokens    *auth.Service // nil: tokens are not managed here
	sync      Sync          // nil: nothing is followed
}

// An edit is a change of a title that the principal of a request may make.
type edit struct {
	principal auth.Principal
	title     catalog.Title
	// opts bind the change to this title, and not to another one that takes its id meanwhile.
	opts *catalog.EditOptions
}

// edit returns the edit of the title in a request's path, if the principal may change the title.
func (s *titleService) edit(r *http.Request) (*edit, error) { return s.editOf(r, s.catalog.Title) }

// editAny is edit for a title that may be disabled.
func (s *titleService) editAny(r *http.Request) (*edit, error) { return s.editOf(r, s.catalog.Lookup) }

// A finder returns the title with an id.
type finder func(id string) (catalog.Title, error)

// editOf is edit for the titles that find finds.
func (s *titleService) editOf(r *http.Request, find finder) (*edit, error) {
	principal, err := s.access.principal(r)
	if err != nil {
		return nil, err
	}
	id, err := variable(r, "id")
	if err != nil {
		return nil, err
	}
	ctx := r.Context()
	title, err := s.resolve(ctx, id, principal, find)
	if err != nil {
		return nil, err
	}
	if err := s.access.authorize(ctx, principal, auth.ActionChange, titleOf(title)); err != nil {
		if title.Disabled { // only those who may change it know of it
			return nil, &catalog.TitleError{ID: id, Err: catalog.ErrNotFound}
		}
		return nil, err
	}
	callOf(r).titleBytes = title.Bytes
	opts := &catalog.EditOptions{
		UID:    title.UID,
		Rename: s.access.may(ctx, principal, auth.ActionAdminister, titleOf(title)),
		By:     makerOf(principal),
	}
	if tags := r.Header["If-Match"]; len(tags) > 0 {
		if opts.IfMatch, err = ifMatch(tags, title); err != nil {
			return nil, err
		}
	}
	return &edit{principal, title, opts}, nil
}

// ifMatch returns the ETag that a title must still have for a request with an If-Match header, and an empty string for
// any.
func ifMatch(tags []string, title catalog.Title) (string, error) {
	for tag := range answer.EntityTags(tags) {
		if tag == "*" {
			return "", nil
		}
		if title.Matches(tag) {
			return title.ETag, nil
		}
	}
	return "", &catalog.TitleError{ID: title.ID, Err: catalog.ErrPrecondition}
}

// resolve returns the title, of those that find finds, that an id means to a principal. To a contributor, the plain id
// of a title of theirs means that title, as it does in their own feed, unless they may change a title of exactly that
// id.
func (s *titleService) resolve(
	ctx context.Context, id string, principal auth.Principal, find finder,
) (catalog.Title, error) {
	exact, err := find(id)
	if principal.Kind != auth.Contributor || err == nil && s.access.mayChange(ctx, principal, exact) {
		return exact, err
	}
	if own, ok := s.ownTitle(id, principal.Contributor, find); ok {
		return own, nil
	}
	return exact, err
}

// ownTitle returns the title of a contributor with a plain id.
func (s *titleService) ownTitle(plain, contributor string, find finder) (catalog.Title, bool) {
	suffix, err := s.suffix(contributor)
	if err != nil || strings.HasSuffix(strings.ToLower(plain), strings.ToLower("_"+suffix)) {
		return catalog.Title{}, false // it is a whole id: a call that is repeated must not mean another title
	}
	own, err := find(plain + "_" + suffix)
	return own, err == nil && own.Contributor == contributor && contributor != ""
}

// suffix returns the part after the underscore in the ids of a contributor's titles.
func (s *titleService) suffix(contributor string) (string, error) {
	name := contributor // of an embedder's own authentication
	if s.community != nil {
		if c, ok := s.community.Contributor(contributor); ok {
			name = c.Name
		}
	}
	return patch.AuthorID(name)
}

// readable returns the id of the title that a path means to a reader, who may have a token.
func (s *titleService) readable(w http.ResponseWriter, r *http.Request) (id string, err error) {
	if id, err = variable(r, "id"); err != nil {
		return id, err
	}
	principal := s.access.reader(w, r)
	if principal.Kind != auth.Contributor {
		return id, nil
	}
	if title, err := s.resolve(r.Context(), id, principal, s.catalog.Title); err == nil {
		id = title.ID
	}
	return id, nil
}

// turn waits for the client's turn to have a title's definition worked on.
func (s *titleService) turn(r *http.Request, id string) error {
	title, err := s.catalog.Title(id)
	if err != nil {
		return err
	}
	return s.budget.turn(r, int(title.Bytes))
}

// mayCreate returns an error if a principal may not create a title with an id, to which a contributor's name is
// appended.
func (s *titleService) mayCreate(r *http.Request, principal auth.Principal, id string) error {
	if principal.Kind == auth.Contributor {
		if suffix, err := s.suffix(principal.Contributor); err == nil {
			id += "_" + suffix
		}
	}
	title := auth.Title{ID: id, Contributor: principal.Contributor}
	return s.access.authorize(r.Context(), principal, auth.ActionCreate, title)
}

// An OwnFunc calls create, which makes a title for a principal and returns the title's id. owner are the options that
// say who owns the title: Author, Contributor, Mailbox and Account. The id and the name of a title with an Author have
// to end with the author; see patch.Definition.NamespaceStored.
type OwnFunc = func(
	ctx context.Context, p auth.Principal, create func(owner catalog.CreateOptions) (id string, err error),
) error

// Owner returns the OwnFunc by which the calls of this package create drafts, for other APIs over the same catalog.
// Both c and tokens may be nil, as in [Options]. The errors of the OwnFunc are auth.ErrUnauthorized, those of c and
// those of create.
func Owner(c Community, tokens *auth.Service) OwnFunc {
	return (&titleService{community: c, tokens: tokens}).own
}

// own is an OwnFunc.
func (s *titleService) own(
	ctx context.Context, principal auth.Principal, create func(owner catalog.CreateOptions) (id string, err error),
) error {
	var owner catalog.CreateOptions
	if principal.Kind == auth.Contributor {
		if s.community != nil {
			if c, ok := s.community.Contributor(principal.Contributor); ok {
				return s.community.Own(ctx, c.ID, create)
			}
			if s.issued(principal) { // it was mailed before its owner is a contributor
				return auth.ErrUnauthorized
			}
		}
		// A contributor of an embedder's own authentication.
		owner.Author, owner.Contributor = principal.Contributor, principal.Contributor
	}
	_, err := create(owner)
	return err
}

// create creates a title for a principal. That of a contributor gets the contributor's name.
func (s *titleService) create(
	ctx context.Context, principal auth.Principal, def *patch.Definition, opts catalog.CreateOptions,
) (catalog.Result, error) {
	opts.By = makerOf(principal)
	if principal.Kind != auth.Contributor {
		return s.catalog.Create(ctx, def, &opts)
	}
	if s.community != nil {
		if c, ok := s.community.Contributor(principal.Contributor); ok {
			return s.community.Create(ctx, c.ID, def, &opts)
		}
		if s.issued(principal) { // it was mailed before its owner is a contributor
			return catalog.Result{}, auth.ErrUnauthorized
		}
	}
	// A contributor of an embedder's own authentication.
	opts.Author, opts.Contributor = principal.Contributor, principal.Contributor
	if err := def.NamespaceStored(opts.Author); err != nil {
		return catalog.Result{}, failure("/id", err.Error())
	}
	return s.catalog.Create(ctx, def, &opts)
}

// issued reports whether a principal comes from a token that was issued here.
func (s *titleService) issued(principal auth.Principal) bool {
	if s.tokens == nil {
		return false
	}
	_, ok := s.tokens.Info(principal.TokenID)
	return ok
}

// remove deletes a title, and the tokens that were for it alone.
func (s *titleService) remove(r *http.Request, e *edit) error {
	if err := s.catalog.Delete(r.Context(), e.title.ID, e.opts); err != nil {
		return err
	}
	s.logChange(r, "title deleted", e.principal, "title", e.title.ID)
	if s.tokens == nil {
		return nil
	}
	// These tokens are no longer valid: revoking them only removes their records.
	if err := s.tokens.RevokeTitle(r.Context(), e.title.UID); err != nil {
		s.log.ErrorContext(r.Context(), "the tokens of a deleted title could not be revoked",
			"title", e.title.ID, "error", err)
	}
	return nil
}

// notFollowed is the error of a title that came with a mirror which this server no longer follows.
const notFollowed = "this server no longer follows the title's source, so the title does not change: " +
	"follow the source again, or delete the title"

// syncState returns the state of the upstream that a title follows, and nil if it follows none. If detailed is false,
// the error is reduced to what any client may know.
func (s *titleService) syncState(title catalog.Title, detailed bool) *wire.SyncState {
	if title.Follows == "" {
		return nil
	}
	var state wire.SyncState
	known := false
	if s.sync != nil {
		state, known = s.sync.State(title, detailed)
	}
	state.URL = trace.URL(title.Follows)
	if !known && title.Source != "" {
		state.LastError = wire.String(notFollowed)
	}
	return &state
}

// maxNamed bounds the versions, titles and mirrors that a message names.
const maxNamed = 20

// named returns names in a list of at most maxNamed, in which the last one says how many more there are.
func named(names []string) string {
	if more := len(names) - maxNamed; more > 0 {
		names = append(append([]string{}, names[:maxNamed]...), fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}
