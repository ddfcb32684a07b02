package webui

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch/recipe"
)

// feedPages are the pages about all release feeds, and for new titles from one.
type feedPages struct{ *visit }

// feedsShown is the number of feeds, or of proposals, on one page.
const feedsShown = 100

// maxCask limits a form with a cask.
const maxCask = 10<<20 + maxForm

// silent is the state, in a link to the list, of the feeds that can be read and have listed nothing new for long.
const silent = "silent"

// createdParam is the parameter of the page of a title that was created from its feed just now.
const createdParam = "created"

// A feedsPage lists the release feeds of the titles that the visitor may change.
type feedsPage struct {
	Feeds []watch // those on this page
	State string  // of the feeds in the list; empty: all
	// Filters are links to the feeds by their state.
	Filters []feedFilter
	Matches int
	pager
}

// A feedFilter is a link to the feeds that have a state.
type feedFilter struct {
	State, Label string
	Count        int
}

// A pager has links to the pages before and after this one.
type pager struct{ Previous, Next string }

// part returns the part of a list that a page shows, and the links to the other pages. path is that of the list, with
// its query.
func part[T any](all []T, number string, path string, query url.Values) ([]T, pager) {
	n, _ := strconv.Atoi(number) // an invalid number is the first page
	n = min(max(n, 1), (len(all)-1)/feedsShown+1)
	link := func(number int) string {
		if number > 1 {
			query.Set("page", strconv.Itoa(number))
		} else {
			query.Del("page")
		}
		if len(query) == 0 {
			return path
		}
		return path + "?" + query.Encode()
	}
	var p pager
	from, to := (n-1)*feedsShown, n*feedsShown
	if n > 1 {
		p.Previous = link(n - 1)
	}
	if to < len(all) {
		p.Next = link(n + 1)
	}
	return all[min(from, len(all)):min(to, len(all))], p
}

// rank orders the feeds in the list: failing ones come first, then silent ones; paused ones come last.
func (w watch) rank() int {
	switch {
	case w.Failing():
		return 0
	case w.Silent():
		return 1
	case w.Paused():
		return 3
	}
	return 2
}

// has reports whether a feed has a state of a filter.
func (w watch) has(state string) bool {
	switch state {
	case silent:
		return w.Silent()
	case "":
		return true
	}
	return w.State.Status == state
}

func (p feedPages) list() {
	if !p.signedIn() {
		return
	}
	found, err := p.api.Watches(p.r.Context(), "")
	if !p.offered(err) {
		return
	}
	page := feedsPage{State: p.r.URL.Query().Get("state"), Filters: []feedFilter{
		{State: "", Label: "All"},
		{State: wire.WatchFailing, Label: "Failing"},
		{State: silent, Label: "Silent"},
		{State: wire.WatchPaused, Label: "Paused"},
	}}
	if !slices.ContainsFunc(page.Filters, func(f feedFilter) bool { return f.State == page.State }) {
		page.State = ""
	}
	var all []watch
	for _, one := range found {
		w := watch{Watch: one, Name: one.Title}
		for i := range page.Filters {
			if w.has(page.Filters[i].State) {
				page.Filters[i].Count++
			}
		}
		if w.has(page.State) {
			all = append(all, w)
		}
	}
	page.Matches = len(all)
	slices.SortStableFunc(all, func(a, b watch) int { return a.rank() - b.rank() })
	query := url.Values{}
	if page.State != "" {
		query.Set("state", page.State)
	}
	page.Feeds, page.pager = part(all, p.r.URL.Query().Get("page"), p.h.base+"/feeds", query)
	for i := range page.Feeds {
		one := &page.Feeds[i]
		switch t, ok := p.h.catalog.Find(one.Title); {
		case ok:
			one.Name = t.Name
		case one.Source != "":
			one.NoTitle = true
		}
	}
	p.show(http.StatusOK, "feeds", "Release feeds", page)
}

const newFeedTitle = "New title from a release feed"

// form shows the form for a new title.
func (p feedPages) form() {
	if p.signedIn() {
		p.show(http.StatusOK, "newfeed", newFeedTitle, newFeedForm(Title{}, recipe.Recipe{}, p.mayReadAny()))
	}
}

// create creates a title from its release feed, or tries the feed.
func (p feedPages) create() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	f := newFeedForm(Title{}, recipe.Recipe{}, p.mayReadAny())
	r := f.read(p.r.PostForm)
	if p.try(f, r, "newfeed", newFeedTitle) {
		return
	}
	answer, err := p.api.CreateFromRecipe(p.r.Context(), &r)
	if err != nil {
		p.refuseFeed(f, err, "newfeed", newFeedTitle)
		return
	}
	p.redirect(titlePath(answer.ID)+"?"+createdParam+"=1", sentence(answer.Message))
}

// draft fills the form with what the JSON of a Homebrew cask says.
func (p feedPages) draft() {
	if !p.signedIn() {
		return
	}
	files, ok := p.uploaded(maxCask)
	if !ok {
		return
	}
	f := newFeedForm(Title{}, recipe.Recipe{}, p.mayReadAny())
	if len(files) == 0 {
		f.Message = "The form was empty: choose a file, or paste the JSON of a cask."
		p.show(http.StatusBadRequest, "newfeed", newFeedTitle, f)
		return
	}
	text := chosen(files)
	if len(text) <= maxText {
		f.Cask = string(text)
	}
	if wrong := syntaxErrors(text); wrong != nil {
		f.Message, f.Others = "This is not valid JSON.", wrong
		p.show(http.StatusBadRequest, "newfeed", newFeedTitle, f)
		return
	}
	drafted, err := p.api.DraftRecipe(p.r.Context(), wire.DraftRequest{Cask: json.RawMessage(text)})
	if err != nil {
		p.refuseFeed(f, err, "newfeed", newFeedTitle)
		return
	}
	f.fill(drafted.Recipe)
	f.mark(drafted)
	f.Cask = ""
	p.show(http.StatusOK, "newfeed", newFeedTitle, f)
}
