package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/httpapi/internal/answer"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// notFollowed is what is wrong with a title that came with a source which this server
// has been told to follow no more.
const notFollowed = "this server does not follow its source any more, so it stays as it is: have it followed again, or delete the title"

// syncOf returns the state of following what a title follows, nil if it follows nothing. Only a caller who may change
// the title is told why it fails.
func (a *api) syncOf(title catalog.Title, mayChange bool) *wire.SyncState {
	if title.Follows == "" {
		return nil
	}
	var s wire.SyncState
	known := false
	if a.sync != nil {
		s, known = a.sync.State(title, mayChange)
	}
	s.URL = trace.URL(title.Follows)
	if !known && title.Source != "" {
		s.LastError = wire.String(notFollowed)
	}
	return &s
}

// listSync lists everything that is followed, and how it goes.
func (a *api) listSync(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.principal(r)
	if err != nil {
		return err
	}
	body := wire.SourceList{Sources: []wire.Source{}}
	for s := range a.sync.Sources() {
		if a.mayKnow(r, who, s) {
			body.Sources = append(body.Sources, s)
		}
	}
	doc, err := answer.NewJSON(body, a.now())
	if err != nil {
		return err
	}
	return a.serve(w, r, doc)
}

// mayKnow reports whether a caller is told the state of a source: those who may change every title of all, others of
// the titles that they may change.
func (a *api) mayKnow(r *http.Request, who auth.Principal, s wire.Source) bool {
	if callOf(r).trusted || s.Title == nil {
		return callOf(r).trusted
	}
	title, err := a.cat.Title(*s.Title)
	return err == nil && a.access.mayChange(r.Context(), who, title)
}

// syncNow has a title's source asked soon.
func (a *api) syncNow(w http.ResponseWriter, r *http.Request) error {
	who, title, _, err := a.mayChange(r)
	if err != nil {
		return err
	}
	if err := a.sync.Trigger(title.ID); err != nil {
		return err
	}
	a.log.InfoContext(
		r.Context(),
		"sync asked for",
		"title",
		title.ID,
		"source",
		trace.URL(title.Follows),
		"token",
		who.TokenID,
	)
	a.reply(
		w,
		r,
		http.StatusAccepted,
		wire.Answer{
			Message: fmt.Sprintf(
				"Title '%s' will be brought up to date from %s in a moment; how it went stands in /api/v1/titles?q=%s",
				title.ID,
				trace.URL(title.Follows),
				title.ID,
			),
			ID:   title.ID,
			Name: title.Name,
		},
	)
	return nil
}

// syncMirror has a whole source asked soon.
func (a *api) syncMirror(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.permitted(r, auth.ActionAdminister)
	if err != nil {
		return err
	}
	var body struct {
		Mirror jsontext.Value `json:"mirror"`
	}
	if err := a.readObject(w, r, &body, false); err != nil {
		return err
	}
	all := &patch.ValidationError{}
	name := text(body.Mirror, "/mirror", &all.Failures)
	if len(all.Failures) > 0 {
		return all
	}
	if a.sync.TriggerMirror(name) != nil {
		var names []string
		for s := range a.sync.Sources() {
			if s.Mirror != nil && len(names) < mostNamed {
				names = append(names, "'"+*s.Mirror+"'")
			}
		}
		return failure(
			"/mirror",
			"names none of the sources that are followed as a whole; there are "+cmp.Or(
				strings.Join(names, ", "),
				"none",
			),
		)
	}
	a.log.InfoContext(r.Context(), "sync asked for", "mirror", name, "token", who.TokenID)
	a.reply(
		w,
		r,
		http.StatusAccepted,
		wire.Answer{
			Message: fmt.Sprintf(
				"All of '%s' will be brought up to date in a moment; how it went stands in /api/v1/sync",
				trace.Shorten(name),
			),
		},
	)
	return nil
}

// subscribe creates a title that follows a URL, as Stupid Simple Patch Server did.
func (a *api) subscribe(w http.ResponseWriter, r *http.Request) error {
	who, err := a.access.principal(r)
	if err != nil {
		return err
	}
	var body struct {
		ID  jsontext.Value `json:"id"`
		URL jsontext.Value `json:"json_url"`
	}
	bad := a.readObject(w, r, &body, false)
	all := &patch.ValidationError{}
	id, url := text(body.ID, "/id", &all.Failures), text(body.URL, "/json_url", &all.Failures)
	if err := a.mayCreate(r, who, id); err != nil {
		return err
	}
	if bad != nil {
		return bad
	}
	if len(all.Failures) > 0 {
		return all
	}
	if t, err := a.cat.Title(id); err == nil && t.Contributor == who.Contributor {
		return &catalog.TitleError{ID: t.ID, Err: catalog.ErrExists} // before the source is asked
	}
	leave, err := a.fetch(r)
	if err != nil {
		return err
	}
	defer leave()
	def, err := a.sync.Fetch(r.Context(), url)
	if err != nil {
		return err
	}
	if !strings.EqualFold(def.ID, id) {
		return &catalog.TitleError{ID: id, Err: fmt.Errorf("%w: %q", catalog.ErrIDDiffers, def.ID)}
	}
	res, err := a.create(r.Context(), who, def, catalog.CreateOptions{Follows: url})
	if err != nil {
		return err
	}
	a.log.InfoContext(
		r.Context(),
		"title subscribed",
		"title",
		res.Title.ID,
		"version",
		res.Title.CurrentVersion,
		"source",
		trace.URL(url),
		"token",
		who.TokenID,
	)
	message := fmt.Sprintf("Title '%s' follows %s", res.Title.ID, trace.URL(url))
	answer.WriteJSON(w, http.StatusCreated, struct {
		Success string `json:"success"`
		wire.Answer
	}{message, wire.Answer{Message: message, ID: res.Title.ID, Name: res.Title.Name, Warnings: res.Warnings}})
	return nil
}

// unsubscribe stops following a title's source, and deletes it.
func (a *api) unsubscribe(w http.ResponseWriter, r *http.Request) error {
	who, title, opts, err := a.mayChange(r)
	if err != nil {
		return err
	}
	if err := a.access.authorize(r.Context(), who, auth.ActionCreate, titleOf(title)); err != nil {
		return fmt.Errorf("%w; delete the title in place of ending its subscription", err)
	}
	_, known := a.sync.State(title, false)
	switch {
	case title.Source != "" && !known: // nothing brings it back
	case title.Source != "":
		return fmt.Errorf(
			"%w: title '%s' came with all of %s: take it out there, or it comes back",
			auth.ErrDenied,
			title.ID,
			trace.URL(title.Source),
		)
	case title.Follows == "":
		return &catalog.TitleError{
			ID:  title.ID,
			Err: fmt.Errorf("%w: %w", catalog.ErrNotFound, ErrNotFollowed),
		}
	}
	if err := a.delete(r, who, title, opts); err != nil {
		return err
	}
	message := fmt.Sprintf(
		"Title '%s' follows %s no more, and is deleted",
		title.ID,
		trace.URL(title.Follows),
	)
	answer.WriteJSON(w, http.StatusOK, map[string]string{"success": message, "message": message})
	return nil
}

// An extendedSummary is a title in a contributor's list with ?extend, as the second
// beta of CommunityPatch had it.
type extendedSummary struct {
	patch.Summary
	// Result says whether the last sync went well, null for a title that follows
	// nothing or was not synced yet.
	Result *bool      `json:"last_sync_result"`
	Time   *time.Time `json:"last_sync_time"`
}

// extendedList lists a contributor's titles with how their sync goes.
func (a *api) extendedList(contributor string) ([]byte, error) {
	list := []extendedSummary{}
	for title := range a.cat.Find(catalog.Filter{}) {
		if title.Contributor != contributor {
			continue
		}
		one := extendedSummary{Summary: title.Summary}
		one.ID, one.Name = title.Plain()
		if s := a.syncOf(title, false); s != nil && s.LastAttempt != nil {
			ok := s.LastError == nil
			one.Result, one.Time = &ok, s.LastAttempt
		}
		list = append(list, one)
	}
	return answer.Encode(list)
}
