package webui

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pageSize is the number of titles on one page of the table.
const pageSize = 100

// A table is one page of the titles.
type table struct {
	Query, Sort    string
	Message        string
	Titles         []Title
	Total, Matches int
	From, To       int // counted from 1
	Columns        []column
	Previous, Next string // addresses; empty: there is none
	States         []filterLink
	Sources        []filterLink
	// Bulk says that the visitor may change some of the titles, and select these.
	Bulk bool
}

// A filterLink is a link to the titles in a state or from a source.
type filterLink struct {
	Label, URL string
	Current    bool
}

// A column is a column of the table.
type column struct {
	Name, Label string
	// URL is that of the table sorted by the column. It is empty if it cannot be.
	URL string
	// Order is the value of aria-sort, empty if the table is not sorted by the column.
	Order string
	fixed bool // the table cannot be sorted by it
}

// columns are the columns in their order. The first is the one that the table is sorted by at first.
var columns = []column{
	{Name: "name", Label: "Name"},
	{Name: "publisher", Label: "Publisher"},
	{Name: "version", Label: "Version"},
	{Name: "released", Label: "Released", fixed: true},
	{Name: "changed", Label: "Updated"},
	{Name: "source", Label: "Source"},
	{Name: "state", Label: "State", fixed: true},
}

// titlePages are the pages that show titles.
type titlePages struct{ *visit }

// table shows the table of the titles.
func (p titlePages) table() {
	q := p.r.URL.Query()
	t := table{Query: strings.TrimSpace(q.Get("q")), Sort: q.Get("sort")}
	name, descending := strings.CutPrefix(t.Sort, "-")
	if !slices.ContainsFunc(columns, func(c column) bool { return c.Name == name && !c.fixed }) && name != "author" {
		name, descending, t.Sort = "name", false, "name"
	}
	number, _ := strconv.Atoi(q.Get("page")) // an invalid number is the first page
	query := parseQuery(t.Query)
	o := PageOptions{
		Query:     query.Text,
		Publisher: query.Publisher,
		Bundle:    query.Bundle,
		Source:    query.Source,
		State:     query.State,
		Order:     name,
		Reverse:   descending,
		Number:    max(number-1, 0),
		Size:      pageSize,
	}
	if query.State == "failing" || query.State == "draft" {
		o.Only = p.visitor.MayChange // these states are told to those who may change the title
		if !p.visitor.SignedIn && p.api != nil {
			query.Problem = "Sign in to see which titles are in this state."
		}
	}
	if t.Message = query.Problem; t.Message != "" {
		o = PageOptions{Size: pageSize, Order: name, Only: func(Title) bool { return false }}
	}
	page := p.h.catalog.Page(o)
	t.Titles, t.Matches, t.Total = page.Titles, page.Matches, page.Total
	if t.Matches > 0 {
		t.From = page.Number*pageSize + 1
	}
	t.To = min((page.Number+1)*pageSize, t.Matches)
	if page.Number > 0 {
		t.Previous = p.tableURL(t.Query, t.Sort, page.Number-1)
	}
	if t.To < t.Matches {
		t.Next = p.tableURL(t.Query, t.Sort, page.Number+1)
	}
	t.Columns = p.columns(&t, name, descending)
	p.addFilters(&t, query)
	t.Bulk = slices.ContainsFunc(t.Titles, p.visitor.MayChange)
	p.show(http.StatusOK, "titles", "Titles", t)
}

// addFilters adds the links to the titles in each state and from each source.
func (p titlePages) addFilters(t *table, q titleQuery) {
	links := func(name, current string, labels ...string) (all []filterLink) {
		for i := 0; i < len(labels); i += 2 {
			address := p.tableURL(q.With(name, labels[i]), t.Sort, 0)
			all = append(all, filterLink{labels[i+1], address, labels[i] == current})
		}
		return all
	}
	states := []string{"", "All", "warnings", "Warnings", "stale", "Overdue"}
	if p.visitor.SignedIn {
		states = append(states, "failing", "Failing", "draft", "With a draft")
	}
	t.States = links("state", q.State, states...)
	t.Sources = links("source", q.Source, "", "Any source", "manual", "Manual", "watched", "Release feed",
		"followed", "Followed")
}

// columns returns the columns of a table that is sorted by one of them. The link of that one reverses the order.
func (p titlePages) columns(t *table, sorted string, descending bool) (all []column) {
	for _, c := range columns {
		if !c.fixed {
			c.URL = p.tableURL(t.Query, c.Name, 0)
		}
		switch {
		case c.Name != sorted:
		case descending:
			c.Order = "descending"
		default:
			c.Order, c.URL = "ascending", p.tableURL(t.Query, "-"+sorted, 0)
		}
		all = append(all, c)
	}
	return all
}

// tableURL returns the address of a page of the table.
func (p titlePages) tableURL(query, sort string, page int) string {
	q := url.Values{}
	if query != "" {
		q.Set("q", query)
	}
	if sort != "name" {
		q.Set("sort", sort)
	}
	if page > 0 {
		q.Set("page", strconv.Itoa(page+1))
	}
	return p.h.base + "/?" + q.Encode()
}
