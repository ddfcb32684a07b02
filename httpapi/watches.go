package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// watchCalls are the calls about the release feeds that titles follow, and about recipes.
type watchCalls struct {
	*titleService
	watches Watches
}

// get answers with the watch of a title.
func (c *watchCalls) get(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	watch, err := c.watches.Watch(e.title.ID)
	if err != nil {
		return err
	}
	return replyUncached(w, http.StatusOK, watch)
}

// set makes a title follow a release feed, or changes how it follows it.
func (c *watchCalls) set(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	body, err := c.bodies.read(w, r)
	if err != nil {
		return err
	}
	watch, err := recipe.ParseWatch(body)
	if err != nil {
		return err
	}
	if err := c.watches.Validate(*watch); err != nil {
		return err
	}
	ctx, id := r.Context(), e.title.ID
	old, err := c.watches.Watch(id)
	if err != nil && !errors.Is(err, ErrNotWatched) {
		return err
	}
	status, message := http.StatusOK, "watch changed"
	if err != nil {
		status, message = http.StatusCreated, "watch created"
	}
	// A principal that only changes the policy reads no other feed than before.
	if err != nil || !reflect.DeepEqual(old.Feed, watch.Feed) {
		if err := c.mayRead(ctx, e.principal, watch.Feed); err != nil {
			return err
		}
	}
	opts := c.options(ctx, e.principal)
	opts.UID = e.title.UID
	if err := c.watches.Set(ctx, id, *watch, opts); err != nil {
		return err
	}
	c.logChange(r, message, e.principal, "title", id, "kind", watch.Feed.Kind)
	now, err := c.watches.Watch(id)
	if err != nil {
		return err
	}
	return replyUncached(w, status, now)
}

// end makes a title follow its release feed no longer.
func (c *watchCalls) end(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	if err := c.watches.End(r.Context(), e.title.ID, e.title.UID); err != nil {
		return err
	}
	c.logChange(r, "watch ended", e.principal, "title", e.title.ID)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// check checks the release feed of a title now.
func (c *watchCalls) check(w http.ResponseWriter, r *http.Request) error {
	e, err := c.edit(r)
	if err != nil {
		return err
	}
	dryRun, err := boolParam(r, "dry_run")
	if err != nil {
		return err
	}
	id := e.title.ID
	if _, err := c.watches.Watch(id); err != nil {
		return err // before there is a place to wait for
	}
	leave, err := c.budget.fetch(r)
	if err != nil {
		return err
	}
	defer leave()
	result, err := c.watches.Check(r.Context(), id, e.title.UID, dryRun)
	if err != nil {
		return err
	}
	if len(result.Added) > 0 {
		c.logChange(r, "release feed checked", e.principal, "title", id, "versions", named(result.Added))
	}
	return replyUncached(w, http.StatusOK, result)
}

// list lists the watches of the titles that a principal may change, and the recipe files that fail.
func (c *watchCalls) list(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.principal(r)
	if err != nil {
		return err
	}
	state := r.URL.Query().Get("state")
	switch state {
	case "", wire.WatchOK, wire.WatchFailing, wire.WatchPaused:
	default:
		return &problem.RequestError{Message: fmt.Sprintf("the parameter state must be %s, %s or %s",
			wire.WatchOK, wire.WatchFailing, wire.WatchPaused)}
	}
	body := wire.WatchList{Watches: []wire.Watch{}}
	for watch := range c.watches.All() {
		if (state == "" || watch.State.Status == state) && c.mayList(r, principal, watch) {
			body.Watches = append(body.Watches, watch)
		}
	}
	return replyUncached(w, http.StatusOK, body)
}

// mayList reports whether a watch is listed for a principal. A recipe file that fails may have no title: it is for
// principals that may change every title.
func (c *watchCalls) mayList(r *http.Request, principal auth.Principal, watch wire.Watch) bool {
	if _, err := c.catalog.Title(watch.Title); err != nil && watch.Source != "" {
		return callOf(r).trusted || c.access.may(r.Context(), principal, auth.ActionChange, auth.Title{})
	}
	return c.mayChangeTitle(r, principal, watch.Title)
}

const (
	// maxProposedWork bounds the bytes of the definitions that a list of proposals reads to show patches, and
	// maxProposedBytes those of the patches, as JSON. The other proposals of a list have no patches.
	maxProposedWork  = 4 << 20
	maxProposedBytes = 4 << 20
)

// proposals lists the proposals for the titles that a principal may change.
func (c *watchCalls) proposals(w http.ResponseWriter, r *http.Request) error {
	principal, err := c.access.principal(r)
	if err != nil {
		return err
	}
	body := wire.ProposalList{Proposals: []wire.Proposal{}}
	for p := range c.watches.Proposals() {
		if c.mayChangeTitle(r, principal, p.Title) {
			body.Proposals = append(body.Proposals, p)
		}
	}
	if err := c.addPatches(r, body.Proposals); err != nil {
		return err
	}
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	leave, err := c.budget.send(w, r, len(data))
	if err != nil {
		return err
	}
	if leave != nil {
		defer leave()
	}
	return replyUncached(w, http.StatusOK, json.RawMessage(data))
}

// addPatches adds their patches to as many proposals as the bounds of a list allow.
func (c *watchCalls) addPatches(r *http.Request, proposals []wire.Proposal) error {
	work, shown := int64(0), 0
	for shown < len(proposals) {
		title, err := c.catalog.Title(proposals[shown].Title)
		if err == nil && work+title.Bytes > maxProposedWork && shown > 0 {
			break // a single one may have more
		}
		work += title.Bytes
		shown++
	}
	if shown == 0 {
		return nil
	}
	if err := c.budget.turn(r, int(work)); err != nil {
		return err
	}
	left := maxProposedBytes
	for i := range proposals[:shown] {
		patches, err := c.watches.ProposedPatches(r.Context(), proposals[i].ID)
		if r.Context().Err() != nil {
			return err
		}
		if err != nil {
			continue // its approval says why the patches cannot be made
		}
		data, err := json.Marshal(patches)
		if err != nil {
			return err
		}
		if left -= len(data); left < 0 {
			break
		}
		proposals[i].Patches = append([]patch.Patch{}, patches...)
	}
	return nil
}

// approve adds the versions of a proposal to its title.
func (c *watchCalls) approve(w http.ResponseWriter, r *http.Request) error {
	principal, p, err := c.decision(r)
	if err != nil {
		return err
	}
	res, err := c.watches.Approve(r.Context(), p.ID, makerOf(principal))
	if err != nil {
		return err
	}
	title := res.Title
	c.logChange(r, "proposal approved", principal, "title", title.ID, "versions", named(p.Versions))
	return c.reply(w, r, http.StatusOK, wire.Answer{
		Message:  fmt.Sprintf("%s added to title '%s'", versionsIn(p), title.ID),
		ID:       title.ID,
		Name:     title.Name,
		Warnings: res.Warnings,
	})
}

// reject discards a proposal.
func (c *watchCalls) reject(w http.ResponseWriter, r *http.Request) error {
	principal, p, err := c.decision(r)
	if err != nil {
		return err
	}
	if err := c.watches.Reject(r.Context(), p.ID, makerOf(principal)); err != nil {
		return err
	}
	c.logChange(r, "proposal rejected", principal, "title", p.Title, "versions", named(p.Versions))
	pronoun := "it"
	if len(p.Versions) > 1 {
		pronoun = "they"
	}
	return c.reply(w, r, http.StatusOK, wire.Answer{
		Message: fmt.Sprintf("%s rejected; %s will not be proposed again for title '%s'",
			versionsIn(p), pronoun, p.Title),
		ID: p.Title,
	})
}

// decision returns the proposal in a request's path, if the principal may change its title.
func (c *watchCalls) decision(r *http.Request) (principal auth.Principal, p wire.Proposal, err error) {
	if principal, err = c.access.principal(r); err != nil {
		return principal, p, err
	}
	id, err := variable(r, "id")
	if err != nil {
		return principal, p, err
	}
	if p, err = c.watches.Proposal(id); err != nil {
		return principal, p, err
	}
	title, err := c.catalog.Title(p.Title)
	if err != nil {
		return principal, p, err
	}
	callOf(r).titleBytes = title.Bytes
	err = c.access.authorize(r.Context(), principal, auth.ActionChange, titleOf(title))
	if err == nil {
		err = c.budget.turn(r, int(title.Bytes))
	}
	return principal, p, err
}

// versionsIn names the versions of a proposal at the beginning of a sentence.
func versionsIn(p wire.Proposal) string {
	word := "Version"
	if len(p.Versions) > 1 {
		word = "Versions"
	}
	var quoted []string
	for _, v := range p.Versions {
		quoted = append(quoted, "'"+v+"'")
	}
	return word + " " + named(quoted)
}

// mayChangeTitle reports whether a principal may change the title with an id.
func (c *watchCalls) mayChangeTitle(r *http.Request, principal auth.Principal, id string) bool {
	title, err := c.catalog.Title(id)
	return err == nil && (callOf(r).trusted || c.access.mayChange(r.Context(), principal, title))
}

// mayRead returns an error if a principal may not have a feed read. Kinds of feeds that can read any page are for
// principals that may create and change titles for everybody.
func (c *watchCalls) mayRead(ctx context.Context, principal auth.Principal, f recipe.Feed) error {
	if !c.watches.Restricted(f) || c.access.may(ctx, principal, auth.ActionCreate, auth.Title{}) &&
		c.access.may(ctx, principal, auth.ActionChange, auth.Title{}) {
		return nil
	}
	return fmt.Errorf("%w: feeds of the kind %s are for tokens that may create titles for everybody; "+
		"use a feed of the kind github, gitlab, sparkle, electron or preset, or ask an administrator",
		auth.ErrDenied, f.Kind)
}

// options returns the options of a watch that a principal makes.
func (c *watchCalls) options(ctx context.Context, principal auth.Principal) WatchOptions {
	return WatchOptions{Trusted: c.trusts(ctx, principal), By: makerOf(principal)}
}

// trusts reports whether the requests for a principal's feeds may carry the operator's tokens for hosts.
func (c *watchCalls) trusts(ctx context.Context, principal auth.Principal) bool {
	return c.access.may(ctx, principal, auth.ActionAdminister, auth.Title{})
}
