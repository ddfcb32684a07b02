package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/patch/recipe/draft"
)

// create creates a title from the first good answer of its release feed. A contributor's gets the contributor's name.
func (c *watchCalls) create(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.principal(r)
	if err != nil {
		return err
	}
	body, err := c.bodies.read(w, r)
	if err != nil {
		return err
	}
	rec, err := c.parseRecipe(r, principal, body)
	if err != nil {
		return err
	}
	leave, err := c.budget.fetch(r)
	if err != nil {
		return err
	}
	defer leave()
	ctx := r.Context()
	opts := c.options(ctx, principal)
	def, err := c.watches.First(ctx, rec, opts.Trusted)
	if err != nil {
		return err
	}
	var made catalog.Title
	res, err := c.titleService.create(ctx, principal, def, catalog.CreateOptions{
		Confirm: func(ctx context.Context, t catalog.Title) error {
			made = t
			return c.watches.Begin(ctx, t, rec.Watch(), opts)
		},
		Undo: func(ctx context.Context) error { return c.watches.Undo(ctx, made) },
	})
	if err != nil {
		return takenError(err)
	}
	title := res.Title
	c.logChange(r, "title created from a recipe", principal,
		"title", title.ID, "version", title.CurrentVersion, "kind", rec.Feed.Kind)
	return c.reply(w, r, http.StatusCreated, wire.Answer{
		Message: fmt.Sprintf("Title '%s' created with version '%s'; it follows its release feed from now on",
			title.ID, title.CurrentVersion),
		ID:       title.ID,
		Name:     title.Name,
		Warnings: res.Warnings,
	})
}

// parseRecipe returns the recipe of a title that a principal may create and whose id is not taken. To a
// principal that may not create the title, the error says nothing else about the body.
func (c *watchCalls) parseRecipe(r *http.Request, principal auth.Principal, body []byte) (*recipe.Recipe, error) {
	stated := idIn(body)
	if err := c.mayCreate(r, principal, stated); err != nil {
		return nil, err
	}
	rec, err := recipe.Parse(body)
	if err != nil {
		return nil, err
	}
	if id := rec.TitleID(); id != stated {
		if err := c.mayCreate(r, principal, id); err != nil {
			return nil, err
		}
	}
	if err := c.checkFeed(rec); err != nil {
		return nil, err
	}
	if err := c.mayRead(r.Context(), principal, rec.Feed); err != nil {
		return nil, err
	}
	return rec, takenError(c.checkFree(principal, rec.TitleID()))
}

// A recipeTaken reports a recipe for a title that exists. It is a catalog.ErrExists.
type recipeTaken struct{ error }

// Unwrap returns the error of the catalog.
func (e *recipeTaken) Unwrap() error { return e.error }

// takenError returns an error of a recipe, which is a recipeTaken if it is catalog.ErrExists.
func takenError(err error) error {
	if errors.Is(err, catalog.ErrExists) {
		return &recipeTaken{err}
	}
	return err
}

// checkFeed reports all failures of a recipe's feed and policy.
func (c *watchCalls) checkFeed(rec *recipe.Recipe) error {
	var f form
	if err := f.add(rec.Feed.KeepSecrets(recipe.Feed{})); err != nil {
		return err
	}
	if err := f.add(c.watches.Validate(rec.Watch())); err != nil {
		return err
	}
	return f.err()
}

// checkFree returns an error if a principal's new title cannot have an id, so that no feed is asked in vain. The
// contributor's name is appended to that of a contributor.
func (c *watchCalls) checkFree(principal auth.Principal, id string) error {
	if principal.Kind == auth.Contributor {
		if suffix, err := c.suffix(principal.Contributor); err == nil {
			id += "_" + suffix
		}
	}
	if t, err := c.catalog.Title(id); err == nil {
		return &catalog.TitleError{ID: t.ID, Err: catalog.ErrExists}
	}
	return nil
}

// maxTriedBody bounds the body of an answer that a recipe is tried on, as that of a feed is bounded.
const maxTriedBody = 2 << 20

// try reads the feed of a recipe, or a given answer, and stores nothing.
func (c *watchCalls) try(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.principal(r)
	if err != nil {
		return err
	}
	var body struct {
		Recipe jsontext.Value     `json:"recipe"`
		Answer *wire.RecipeAnswer `json:"answer"`
	}
	if err := c.bodies.object(w, r, &body); err != nil {
		return err
	}
	if body.Recipe == nil {
		return failure("/recipe", `is missing: wrap the recipe: {"recipe": {…}}`)
	}
	if body.Answer != nil && len(body.Answer.Body) > maxTriedBody {
		return failure("/answer/body", "must have at most "+byteCount(maxTriedBody))
	}
	rec, err := recipe.ParsePartial(body.Recipe)
	if err == nil {
		err = c.checkFeed(rec)
	}
	if err != nil {
		return below("/recipe", err)
	}
	if body.Answer == nil {
		if err := c.mayRead(r.Context(), principal, rec.Feed); err != nil {
			return err
		}
		leave, err := c.budget.fetch(r)
		if err != nil {
			return err
		}
		defer leave()
	}
	result, err := c.watches.Try(r.Context(), rec.Feed, body.Answer, c.trusts(r.Context(), principal))
	if err != nil {
		return err
	}
	return replyUncached(w, http.StatusOK, result)
}

// below returns an error of a part of the body with the paths of its failures in the body. path is that of the part.
func below(path string, err error) error {
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) {
		return err
	}
	out := &patch.ValidationError{Truncated: invalid.Truncated}
	for _, f := range invalid.Failures {
		out.Failures = append(out.Failures, patch.Failure{Path: path + f.Path, Message: f.Message})
	}
	return out
}

// draft drafts a recipe from a Homebrew cask or an application, and stores nothing.
func (c *watchCalls) draft(w http.ResponseWriter, r *http.Request) error {
	if _, err := c.access.principal(r); err != nil {
		return err
	}
	var body struct {
		Cask jsontext.Value `json:"cask"`
		App  *wire.DraftApp `json:"app"`
	}
	if err := c.bodies.object(w, r, &body); err != nil {
		return err
	}
	var d *draft.Draft
	var err error
	switch {
	case body.Cask != nil && body.App != nil:
		err = failure("/app", "excludes a cask: send one of the two")
	case body.Cask != nil:
		d, err = draft.FromCask(body.Cask)
		err = below("/cask", err)
	case body.App != nil:
		d, err = draft.FromApplication(draft.Application{
			InfoPlist:    body.App.InfoPlist,
			AppName:      body.App.AppName,
			UpdateConfig: body.App.UpdateConfig,
		})
		err = below("/app", err)
	default:
		err = failure("/cask", `is missing: wrap the cask: {"cask": {…}}, or send an application: {"app": {…}}`)
	}
	if err != nil {
		return err
	}
	out := wire.RecipeDraft{Recipe: d.Recipe, Guesses: []wire.Guess{}, Gaps: append([]string{}, d.Gaps...)}
	for _, g := range d.Guesses {
		out.Guesses = append(out.Guesses, wire.Guess(g))
	}
	return replyUncached(w, http.StatusOK, out)
}
