package webui

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/patchsource/patchsource/httpapi/client"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// watchPages are the pages about the release feed of a title.
type watchPages struct{ *visit }

// A watch is the release feed that a title follows, as the page shows it.
type watch struct {
	wire.Watch
	// Name is the name of the title.
	Name string
	// Proposals are the title's.
	Proposals []wire.Proposal
	// NoTitle says that the watch is a recipe file that fails and whose title does not exist.
	NoTitle bool
	// Missing is a sentence that says why the title does not have the newest release of the feed. It is empty if the
	// title has it.
	Missing string
	// Created says that the title was created from the feed just now.
	Created bool
}

// Label says which feed it is.
func (w watch) Label() string {
	f := w.Feed
	label := f.Kind
	if kind := kindByName(f.Kind); kind != nil {
		label = kind.Label
	}
	switch {
	case f.Repo != "":
		return label + ": " + f.Repo
	case f.Name != "":
		return label + ": " + f.Name
	}
	if u, err := url.Parse(f.URL); err == nil && u.Host != "" {
		label += " at " + u.Hostname()
	}
	return label
}

// Paused reports whether the feed is not asked.
func (w watch) Paused() bool { return w.State.Status == wire.WatchPaused }

// Failing reports whether the last check failed.
func (w watch) Failing() bool { return w.State.Status == wire.WatchFailing }

// Silent reports whether the feed can be read and has listed nothing new for long.
func (w watch) Silent() bool { return w.State.Status == wire.WatchOK && w.State.Silent }

// Waiting reports whether the feed was not read yet.
func (w watch) Waiting() bool { return w.State.Status == wire.WatchOK && w.State.LastSuccess == nil }

// Error returns the last error as a sentence. It is empty if there is none.
func (w watch) Error() string {
	if w.State.LastError == nil {
		return ""
	}
	return sentence(capital(*w.State.LastError))
}

// PolicyInWords says what happens to new versions.
func (w watch) PolicyInWords() string {
	var text string
	switch w.Policy.Mode {
	case recipe.Off:
		return "New versions are not looked for."
	case recipe.Propose:
		text = "New versions are proposed"
	default:
		text = "New versions are added"
	}
	if w.Policy.Hold > 0 {
		text += " once they are " + inWords(time.Duration(w.Policy.Hold)) + " old"
	}
	text += "."
	if w.Policy.Expect != "" {
		text += " Versions that do not match " + w.Policy.Expect + " are proposed."
	}
	interval := "hour" // the default
	if d := time.Duration(w.Policy.Interval); d > 0 && d != time.Hour {
		interval = inWords(d)
	}
	return text + " The feed is checked every " + interval + "."
}

// inWords returns a duration in words.
func inWords(d time.Duration) string {
	switch {
	case d >= 48*time.Hour && d%(24*time.Hour) == 0:
		return plural(int(d/(24*time.Hour)), "day", "days")
	case d%time.Hour == 0:
		return plural(int(d/time.Hour), "hour", "hours")
	}
	return plural(int(d/time.Minute), "minute", "minutes")
}

// capital returns a text with a capital letter at its beginning.
func capital(s string) string {
	_, n := utf8.DecodeRuneInString(s)
	return strings.ToUpper(s[:n]) + s[n:]
}

// mayReadAny reports whether the page offers the visitor the kinds of feeds that can read any page.
func (v *visit) mayReadAny() bool {
	return v.visitor.MayCreate() && v.visitor.Kind != wire.Contributor && v.visitor.Kind != wire.TitleToken
}

// watchOf returns the release feed of a title, nil if it follows none.
func (v *visit) watchOf(t Title) (*watch, error) {
	w, err := v.api.Watch(v.r.Context(), t.ID)
	switch {
	case errors.Is(err, client.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return &watch{Watch: w, Name: t.Name}, nil
}

// form shows the form for the feed of a title.
func (p watchPages) form() {
	t, ok := p.changeable()
	if !ok {
		return
	}
	w, err := p.watchOf(t)
	if err != nil {
		p.refused(err)
		return
	}
	if w != nil && w.ReadOnly {
		p.show(http.StatusOK, "watchfile", "Release feed of "+t.Name, w)
		return
	}
	var r recipe.Recipe
	if w != nil {
		r.Feed, r.Policy = w.Feed, w.Policy
	}
	f := newFeedForm(t, r, p.mayReadAny())
	f.Watched = w != nil
	p.show(http.StatusOK, "watch", "Release feed of "+t.Name, f)
}

// save makes a title follow the feed of the form, or tries the feed.
func (p watchPages) save() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	t, ok := p.changeable()
	if !ok {
		return
	}
	f := newFeedForm(t, recipe.Recipe{}, p.mayReadAny())
	f.Watched = p.value("watched") != ""
	r := f.read(p.r.PostForm)
	title := "Release feed of " + t.Name
	if p.try(f, r, "watch", title) {
		return
	}
	if _, err := p.api.SetWatch(p.r.Context(), t.ID, r.Watch()); err != nil {
		p.refuseFeed(f, err, "watch", title)
		return
	}
	notice := t.Name + " follows its vendor’s releases from now on. Check now to see what they are."
	if f.Watched {
		notice = "The release feed was changed."
	}
	p.redirect(titleURL(t), notice)
}

// check checks the feed of a title now.
func (p watchPages) check() {
	t, ok := p.changeable()
	if !ok {
		return
	}
	result, err := p.api.CheckWatch(p.r.Context(), t.ID, nil)
	if err != nil {
		p.refused(err)
		return
	}
	where := titleURL(t)
	if p.r.URL.Query().Get("from") == "feeds" {
		where = "/feeds"
	}
	p.redirect(where, checkNotice(t, result))
}

// checkNotice says what a check has done.
func checkNotice(t Title, result wire.CheckResult) string {
	all := []string{t.Name + ":", sentence(result.Message)}
	if result.Newest != nil && !names(result, result.Newest.Version) {
		all = append(all, "The newest release is "+result.Newest.Version+".")
	}
	for _, skipped := range result.Skipped {
		all = append(all, "Not added: "+skipped.Version+". "+sentence(skipped.Reason))
	}
	return strings.Join(all, " ")
}

// names reports whether a result of a check says what happens to a version.
func names(result wire.CheckResult, version string) bool {
	return slices.Contains(result.Added, version) ||
		result.Proposal != nil && slices.Contains(result.Proposal.Versions, version) ||
		slices.ContainsFunc(result.Held, func(h wire.HeldVersion) bool { return h.Version == version }) ||
		slices.ContainsFunc(result.Skipped, func(d wire.DroppedRelease) bool { return d.Version == version })
}

// pause pauses the feed of a title, and resume asks it again.
func (p watchPages) pause() {
	p.setMode(recipe.Off, "The feed is paused. No new versions are looked for.")
}

func (p watchPages) resume() {
	mode := recipe.Add
	if p.r.URL.Query().Get("mode") == string(recipe.Propose) {
		mode = recipe.Propose
	}
	p.setMode(mode, "The feed is followed again.")
}

func (p watchPages) setMode(mode recipe.Mode, notice string) {
	t, ok := p.changeable()
	if !ok {
		return
	}
	w, err := p.api.Watch(p.r.Context(), t.ID)
	if err == nil {
		w.Policy.Mode = mode
		_, err = p.api.SetWatch(p.r.Context(), t.ID, recipe.Watch{Feed: w.Feed, Policy: w.Policy})
	}
	p.done(err, titleURL(t), notice)
}

// endForm asks for confirmation before a title stops following its feed.
func (p watchPages) endForm() {
	t, ok := p.changeable()
	if !ok {
		return
	}
	w, err := p.watchOf(t)
	switch {
	case err != nil:
		p.refused(err)
	case w == nil:
		p.fail(http.StatusNotFound, "This title follows no release feed.")
	default:
		p.show(http.StatusOK, "endwatch", "Stop following the feed", w)
	}
}

func (p watchPages) end() {
	if t, ok := p.changeable(); ok {
		err := p.api.EndWatch(p.r.Context(), t.ID)
		p.done(err, titleURL(t), t.Name+" no longer follows its vendor’s releases. Its versions stay.")
	}
}

// addWatch adds the feed of the title, if there is one, to its page for a visitor who may change it.
func (p titlePages) addWatch(page *titlePage) {
	if !page.MayChange || page.Follows != "" || p.api == nil || !page.Watched {
		return
	}
	w, err := p.watchOf(page.Title)
	if err != nil {
		page.WatchError = p.refusalOf(err).Message
		return
	}
	if w == nil {
		return
	}
	page.Watch = w
	proposals, err := p.api.Proposals(p.r.Context())
	if err != nil {
		page.WatchError = p.refusalOf(err).Message
		return
	}
	w.Proposals = slices.DeleteFunc(proposals, func(one wire.Proposal) bool { return one.Title != page.ID })
	w.Created = w.State.LastSuccess == nil && p.r.URL.Query().Get(createdParam) != ""
	w.explain(page)
}

// explain adds why the title does not have the newest release of its feed.
func (w *watch) explain(page *titlePage) {
	if w.State.Newest == nil {
		return
	}
	newest := *w.State.Newest
	same := func(version string) bool { return patch.CompareVersions(version, newest) == 0 }
	proposed := func(one wire.Proposal) bool { return slices.ContainsFunc(one.Versions, same) }
	switch {
	case slices.ContainsFunc(page.Definition.Patches, func(one patch.Patch) bool { return same(one.Version) }):
	case slices.ContainsFunc(w.State.Held, func(h wire.HeldVersion) bool { return same(h.Version) }):
		w.Missing = "It is held back."
	case slices.ContainsFunc(w.Proposals, proposed):
		w.Missing = "It is proposed."
	case w.Failing():
		w.Missing = "It was not added yet, and the last check failed."
	case patch.CompareVersions(newest, page.Version) < 0:
		w.Missing = "It is older than the title’s newest version."
	case w.Paused():
		w.Missing = "The feed is paused, so that it is not added."
	default:
		w.Missing = "A person may have rejected or removed it: “Check now” shows why."
	}
}

// titlePath returns the path of the page of a title with an id.
func titlePath(id string) string { return "/titles/" + url.PathEscape(id) }
