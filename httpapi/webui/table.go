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
	Titles         []Title
	Total, Matches int
	From, To       int // counted from 1
	Columns        []column
	Previous, Next string // addresses; empty: there is none
}

// A column is a column of the table, by which it can be sorted.
type column struct {
	Name, Label, URL string
	// Order is the value of aria-sort, empty if the table is not sorted by the column.
	Order string
}

// columns are the columns in their order. The first is the one that the table is sorted by at first.
var columns = []column{
	{Name: "name", Label: "Name"},
	{Name: "publisher", Label: "Publisher"},
	{Name: "author", Label: "Author"},
	{Name: "version", Label: "Version"},
	{Name: "changed", Label: "Changed"},
	{Name: "source", Label: "Source"},
}

// titlePages are the pages that show titles.
type titlePages struct{ *visit }

// table shows the table of the titles.
func (p titlePages) table() {
	q := p.r.URL.Query()
	t := table{Query: q.Get("q"), Sort: q.Get("sort")}
	name, descending := strings.CutPrefix(t.Sort, "-")
	if !slices.ContainsFunc(columns, func(c column) bool { return c.Name == name }) {
		name, descending, t.Sort = "name", false, "name"
	}
	number, _ := strconv.Atoi(q.Get("page")) // an invalid number is the first page
	page := p.h.catalog.Page(PageOptions{
		Query:   strings.TrimSpace(t.Query),
		Order:   name,
		Reverse: descending,
		Number:  max(number-1, 0),
		Size:    pageSize,
	})
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
	p.show(http.StatusOK, "titles", "Titles", t)
}

// columns returns the columns of a table that is sorted by one of them. The link of that one reverses the order.
func (p titlePages) columns(t *table, sorted string, descending bool) (all []column) {
	for _, c := range columns {
		c.URL = p.tableURL(t.Query, c.Name, 0)
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
