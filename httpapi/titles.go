package httpapi

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// variable returns what stands in a path in the place of {name}. Whoever uses it
// must expect anything: %2F is a slash by now.
func variable(r *http.Request, name string) (string, error) {
	v, err := url.PathUnescape(mux.Vars(r)[name])
	if err != nil {
		return "", &requestError{"the path cannot be read: " + err.Error()}
	}
	return v, nil
}

// reply answers with what came of a change.
func (a *api) reply(w http.ResponseWriter, r *http.Request, status int, body wire.Answer) {
	if callOf(r).simple {
		body.Success = body.Message
	}
	answer.WriteJSON(w, status, body)
}

// createTitle creates a title for who has a token, or publishes one for who has
// none; the body says which.
func (a *api) createTitle(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.caller(r, a.rate)
	if err != nil {
		return err
	}
	body, err := a.readJSON(w, r)
	if err != nil {
		return err
	}
	if p := publicationIn(body); p != nil {
		return a.publish(w, r, body, p)
	}
	if who.Anonymous() {
		// Perhaps a publication: that it is no JSON says more than that no token
		// was sent.
		if err := patch.CheckSyntax(body, &patch.ParseOptions{MaxBytes: a.max}); err != nil {
			return err
		}
		return callOf(r).unknown
	}
	id := idIn(body) // a caller who may not create it learns no more about the body
	if err := a.mayCreate(r, who, id); err != nil {
		return err
	}
	def, err := patch.Parse(body, &patch.ParseOptions{MaxBytes: a.max})
	if err != nil && isVersion(body) {
		return failure(
			"",
			"is a version, and not a title: send it to /api/v1/title/{id}/version, or put it into the patches of a title",
		)
	}
	if err != nil {
		return err
	}
	if def.ID != id {
		if err := a.mayCreate(r, who, def.ID); err != nil {
			return err
		}
	}
	res, err := a.create(r.Context(), who, def, catalog.CreateOptions{})
	if err != nil {
		return err
	}
	a.log.InfoContext(
		r.Context(),
		"title created",
		"title",
		res.Title.ID,
		"version",
		res.Title.CurrentVersion,
		"token",
		who.TokenID,
	)
	a.reply(w, r, http.StatusCreated, wire.Answer{
		Message:  fmt.Sprintf("Title '%s' created", res.Title.ID),
		ID:       res.Title.ID,
		Name:     res.Title.Name,
		Warnings: res.Warnings,
	})
	return nil
}

func (a *api) replaceTitle(w http.ResponseWriter, r *http.Request) error {
	who, title, opts, err := a.mayChange(r)
	if err != nil {
		return err
	}
	body, err := a.readJSON(w, r)
	if err != nil {
		return err
	}
	def, err := a.parseOver(r, title.ID, body)
	if err != nil {
		return err
	}
	if plain, _ := title.Plain(); plain != title.ID && strings.EqualFold(def.ID, plain) {
		// The file that its author has published: the name goes into it as it did then.
		if err := def.NamespaceStored(title.Author); err != nil {
			return failure("/id", err.Error())
		}
	}
	res, err := a.cat.Replace(r.Context(), title.ID, def, opts)
	if err != nil {
		return err
	}
	message := fmt.Sprintf("Title '%s' is the same already: nothing was changed", res.Title.ID)
	var changes []string
	if res.Changed {
		message = fmt.Sprintf("Title '%s' updated", res.Title.ID)
		difference := res.Difference()
		for _, c := range difference {
			if changes = append(changes, c.Text); len(changes) == mostNamed {
				break
			}
		}
		a.log.InfoContext(r.Context(), "title replaced", "title", res.Title.ID,
			"version", res.Title.CurrentVersion, "token", who.TokenID, "changes", difference.String())
	}
	a.reply(
		w,
		r,
		http.StatusOK,
		wire.Answer{Message: message, ID: res.Title.ID, Name: res.Title.Name, Changes: changes, Warnings: res.Warnings},
	)
	return nil
}

// deleteTitle answers 204 as Patch Server did, or 200 with a message as
// CommunityPatch's beta 2 did.
func (a *api) deleteTitle(status int) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		who, title, opts, err := a.mayChange(r)
		if err != nil {
			return err
		}
		if err := a.delete(r, who, title, opts); err != nil {
			return err
		}
		if status == http.StatusNoContent {
			w.WriteHeader(status)
			return nil
		}
		a.reply(w, r, status, wire.Answer{Message: fmt.Sprintf("Title '%s' deleted", title.ID)})
		return nil
	}
}

// delete deletes a title, and the tokens that were for it alone.
func (a *api) delete(r *http.Request, who auth.Principal, title catalog.Title, opts *catalog.EditOptions) error {
	if err := a.cat.Delete(r.Context(), title.ID, opts); err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "title deleted", "title", title.ID, "token", who.TokenID)
	if a.toks != nil { // they open nothing any more; this is tidying up
		if err := a.toks.RevokeTitle(r.Context(), title.UID); err != nil {
			a.log.ErrorContext(
				r.Context(),
				"the tokens of a deleted title are left over",
				"title",
				title.ID,
				"error",
				err,
			)
		}
	}
	return nil
}

// parseOver parses the definition that is to take the place of a title's. What the title has already, and a newer rule
// refuses, is no failure.
func (a *api) parseOver(r *http.Request, id string, body []byte) (*patch.Definition, error) {
	def, err := patch.Parse(body, &patch.ParseOptions{MaxBytes: a.max})
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		return def, err
	}
	// With both in memory it is more work than a body that is right.
	callOf(r).rest()
	if err := a.work(r, 2*len(body)+int(callOf(r).title)); err != nil {
		return nil, err
	}
	old, _, loadErr := a.cat.Load(r.Context(), id)
	if loadErr != nil {
		return nil, err
	}
	return patch.Parse(body, &patch.ParseOptions{MaxBytes: a.max, Over: old})
}

// resolve returns the title that an id means to a caller. To a contributor, the plain id of a title of theirs means
// that title, as it does in their own feed, unless they may change a title of exactly that id.
func (a *api) resolve(ctx context.Context, id string, who auth.Principal) (catalog.Title, error) {
	exact, err := a.cat.Title(id)
	if who.Kind != auth.Contributor || err == nil && a.access.mayChange(ctx, who, exact) {
		return exact, err
	}
	if own, ok := a.ownTitle(id, who.Contributor); ok {
		return own, nil
	}
	return exact, err
}

// ownTitle returns the title of a contributor that has this plain id.
func (a *api) ownTitle(plain, contributor string) (catalog.Title, bool) {
	suffix, err := a.suffixOf(contributor)
	if err != nil || strings.HasSuffix(strings.ToLower(plain), strings.ToLower("_"+suffix)) {
		return catalog.Title{}, false // it is a whole id: a call that is made again must not mean another title
	}
	own, err := a.cat.Title(plain + "_" + suffix)
	return own, err == nil && own.Contributor == contributor && contributor != ""
}

// suffixOf returns what follows the underscore in the ids of a contributor's titles.
func (a *api) suffixOf(contributor string) (string, error) {
	name := contributor // of an embedder's own authentication
	if a.comm != nil {
		if c, ok := a.comm.Contributor(contributor); ok {
			name = c.Name
		}
	}
	return patch.AuthorID(name)
}

// mayCreate checks that a caller may create a title of this id, which a contributor's name is appended to.
func (a *api) mayCreate(r *http.Request, who auth.Principal, id string) error {
	if who.Kind == auth.Contributor {
		if suffix, err := a.suffixOf(who.Contributor); err == nil {
			id += "_" + suffix
		}
	}
	return a.access.authorize(r.Context(), who, auth.ActionCreate, auth.Title{ID: id, Contributor: who.Contributor})
}

// reading returns the id of the title that a path means to a reader, who may have a token.
func (a *api) reading(w http.ResponseWriter, r *http.Request) (id string, err error) {
	if id, err = variable(r, "id"); err != nil || r.Header.Get("Authorization") == "" {
		return id, err
	}
	w.Header().Add("Vary", "Authorization")
	who, err := a.access.principal(r)
	if err != nil || who.Kind != auth.Contributor {
		return id, nil // what anyone may read, a reader with a bad token may read as well
	}
	if title, err := a.resolve(r.Context(), id, who); err == nil {
		id = title.ID
	}
	return id, nil
}

// mayChange checks that a request may change the title in its path. What it
// returns of the title holds for that title alone, and not for one that takes its
// id meanwhile.
func (a *api) mayChange(r *http.Request) (auth.Principal, catalog.Title, *catalog.EditOptions, error) {
	var none catalog.Title
	who, err := a.access.principal(r)
	if err != nil {
		return who, none, nil, err
	}
	id, err := variable(r, "id")
	if err != nil {
		return who, none, nil, err
	}
	title, err := a.resolve(r.Context(), id, who)
	if err != nil {
		return who, none, nil, err
	}
	if err := a.access.authorize(r.Context(), who, auth.ActionChange, titleOf(title)); err != nil {
		return who, none, nil, err
	}
	callOf(r).title = title.Bytes
	opts := &catalog.EditOptions{UID: title.UID, By: who.TokenID}
	opts.Rename = a.access.may(r.Context(), who, auth.ActionAdminister, titleOf(title))
	if tags := r.Header["If-Match"]; len(tags) > 0 {
		if opts.IfMatch, err = ifMatch(tags, title); err != nil {
			return who, none, nil, err
		}
	}
	return who, title, opts, nil
}

// ifMatch returns the ETag that a title must still have for a request with an
// If-Match header; empty: any.
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

func (a *api) getTitle(w http.ResponseWriter, r *http.Request) error {
	id, err := a.reading(w, r)
	if err != nil {
		return err
	}
	doc, err := a.cat.Definition(r.Context(), id)
	if err != nil {
		return err
	}
	return a.serve(w, r, answer.Of(doc))
}

// maxLimit is the most titles that a page holds, and how many without a limit.
const maxLimit = 1000

// A listedTitle is a title in the answer to listTitles.
type listedTitle struct {
	patch.Summary
	Author *string         `json:"author"`
	Sync   *wire.SyncState `json:"sync"`
}

// listTitles lists titles with what only this server knows of them, page by page.
func (a *api) listTitles(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	filter := catalog.Filter{Query: q.Get("q"), Publisher: q.Get("publisher"), Author: q.Get("author")}
	limit := maxLimit
	if q.Has("limit") {
		n, err := strconv.Atoi(q.Get("limit"))
		if err != nil || n < 1 || n > maxLimit {
			return &requestError{fmt.Sprintf("limit must be a number from 1 to %d", maxLimit)}
		}
		limit = n
	}
	if q.Has("synced") {
		synced, err := strconv.ParseBool(q.Get("synced"))
		if err != nil {
			return &requestError{"synced must be true or false"}
		}
		filter.Synced = &synced
	}
	if cursor := q.Get("cursor"); cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || !patch.ValidID(string(after)) {
			return &requestError{"cursor must be what an earlier answer had as next"}
		}
		filter.After = string(after)
	}
	var who auth.Principal
	if r.Header.Get("Authorization") != "" {
		w.Header().Add("Vary", "Authorization")
		who, _ = a.access.principal(r) // a reader with a bad token is any reader
	}
	changed := a.cat.Changed() // first: what is listed is no older
	body := struct {
		Titles []listedTitle `json:"titles"`
		Next   *string       `json:"next"`
	}{Titles: []listedTitle{}}
	for title := range a.cat.Find(filter) {
		if len(body.Titles) == limit {
			next := base64.RawURLEncoding.EncodeToString([]byte(body.Titles[limit-1].ID))
			body.Next = &next
			break
		}
		t := listedTitle{Summary: title.Summary}
		if title.Author != "" {
			t.Author = &title.Author
		}
		if t.Sync = a.syncOf(title, a.access.mayChange(r.Context(), who, title)); t.Sync != nil {
			changed = a.now() // how it goes changes without the title
		}
		body.Titles = append(body.Titles, t)
	}
	data, err := answer.Encode(body)
	if err != nil {
		return err
	}
	return a.serve(w, r, answer.New(data, changed))
}
