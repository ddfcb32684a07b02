package webui

import (
	"cmp"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch"
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

// A row is a title and the keys that it is sorted by.
type row struct {
	Title
	key     string
	version patch.Version
}

func compareKeys(a, b *row) int { return cmp.Compare(a.key, b.key) }

var (
	// comparisons compare rows by a column.
	comparisons = map[string]func(a, b *row) int{
		"name":      compareKeys,
		"publisher": compareKeys,
		"author":    compareKeys,
		"version":   func(a, b *row) int { return a.version.Order(b.version) },
		"changed":   func(a, b *row) int { return b.Changed.Compare(a.Changed) }, // the latest first
		"source":    compareKeys,
	}
	// keys return the keys for compareKeys.
	keys = map[string]func(t *Title) string{
		"name":      func(t *Title) string { return strings.ToLower(t.Name) },
		"publisher": func(t *Title) string { return strings.ToLower(t.Publisher) },
		"author":    func(t *Title) string { return strings.ToLower(t.Author) },
		"source":    sourceKey,
	}
	columns = []column{
		{Name: "name", Label: "Name"},
		{Name: "publisher", Label: "Publisher"},
		{Name: "author", Label: "Author"},
		{Name: "version", Label: "Version"},
		{Name: "changed", Label: "Changed"},
		{Name: "source", Label: "Source"},
	}
)

// sourceKey sorts failing titles first and titles that follow nothing last.
func sourceKey(t *Title) string {
	switch {
	case t.Trouble != "":
		return "1"
	case t.Follows != "":
		return "2"
	}
	return "3"
}

// titlePages are the pages that show titles.
type titlePages struct{ *visit }

// table shows the table of the titles.
func (p titlePages) table() {
	q := p.r.URL.Query()
	t := table{Query: q.Get("q"), Sort: q.Get("sort")}
	name, descending := strings.CutPrefix(t.Sort, "-")
	if comparisons[name] == nil {
		name, descending, t.Sort = "name", false, "name"
	}
	rows := p.matches(&t, name)
	t.Matches = len(rows)
	slices.SortFunc(rows, func(a, b *row) int {
		c := comparisons[name](a, b)
		if descending {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.ID, b.ID))
	})
	last := max(0, (t.Matches-1)/pageSize)
	page, _ := strconv.Atoi(q.Get("page")) // an invalid number is the first page
	page = min(max(page-1, 0), last)
	t.From, t.To = page*pageSize, min((page+1)*pageSize, t.Matches)
	for _, r := range rows[t.From:t.To] {
		t.Titles = append(t.Titles, r.Title)
	}
	if t.Matches > 0 {
		t.From++ // counted from 1
	}
	if page > 0 {
		t.Previous = p.tableURL(t.Query, t.Sort, page-1)
	}
	if page < last {
		t.Next = p.tableURL(t.Query, t.Sort, page+1)
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

// matches returns the titles that match the query of a table, with the keys of the column that they are sorted by. It
// also counts all titles.
func (p titlePages) matches(t *table, sorted string) (rows []*row) {
	query := strings.ToLower(strings.TrimSpace(t.Query))
	for title := range p.h.catalog.Titles() {
		t.Total++
		text := title.Name + "\n" + title.ID + "\n" + title.Publisher + "\n" + title.Author
		if query != "" && !strings.Contains(strings.ToLower(text), query) {
			continue
		}
		r := &row{Title: title}
		if key := keys[sorted]; key != nil {
			r.key = key(&title)
		}
		if sorted == "version" {
			r.version = patch.ParseVersion(title.Version)
		}
		rows = append(rows, r)
	}
	return rows
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
