package webui

import "net/http"

// overviewPages are the pages that show what needs attention.
type overviewPages struct{ *visit }

// An overviewPage shows what needs attention.
type overviewPage struct {
	Items    []overviewItem
	Complete bool
	Titles   int
	Days     []dayBar
	Versions int // in these days
}

// An overviewItem is a number of things that need attention.
type overviewItem struct {
	Count      int
	Label, URL string
	Bad        bool // something fails, and does not only wait
}

// A dayBar is a day in the chart of releases. Its measures are those of a drawing that is 100 high.
type dayBar struct {
	Day          string
	Versions     int
	X, Y, Height int
}

// barWidth is the width of a day in the drawing.
const barWidth = 20

// get shows the overview.
func (p overviewPages) get() {
	if !p.signedIn() {
		return
	}
	o, err := p.api.Overview(p.r.Context())
	if err != nil {
		p.refused(err)
		return
	}
	page := overviewPage{Complete: o.Complete, Titles: o.Titles}
	add := func(count int, label, url string, bad bool) {
		page.Items = append(page.Items, overviewItem{count, label, url, bad})
	}
	add(o.Feeds.Count, "Release feeds that cannot be read", "/feeds", true)
	add(o.Sources.Count, "Sources that cannot be followed", "/sources", true)
	if p.visitor.MayAdminister() {
		add(o.Webhooks.Count, "Webhooks that fail", "/webhooks", true)
	}
	add(o.Proposals.Count, "Proposals to approve", "/proposals", false)
	add(o.Drafts.Count, "Drafts that are not published", "/drafts", false)
	add(o.Warnings.Count, "Titles with warnings", "/?q=state:warnings", false)
	add(o.Stale.Count, "Titles whose next version is overdue", "/?q=state:stale", false)
	add(o.Tokens.Count, "Tokens that expire within 30 days", "/tokens", false)
	most := 1
	for _, d := range o.Releases {
		most = max(most, d.Versions)
		page.Versions += d.Versions
	}
	for i, d := range o.Releases {
		height := 90 * d.Versions / most
		page.Days = append(page.Days, dayBar{d.Day, d.Versions, i * barWidth, 100 - height, height})
	}
	p.visit.show(http.StatusOK, "overview", "Overview", page)
}
