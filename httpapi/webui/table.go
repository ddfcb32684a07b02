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

// pageSize is how many titles one page of the table has.
const pageSize = 100

// A table is one page of the titles.
type table struct {
	Query, Sort    string
	Titles         []Title
	Total, Matches int
	From, To       int
	Columns        []column
	Previous, Next string // addresses; empty: there is none
}

// A column is one that the table can be sorted by.
type column struct {
	Name, Label, URL string
	// Order is what aria-sort says.
	Order string
}

// A row is a title with what it is sorted by, made once.
type row struct {
	Title
	key     string
	version patch.Version
}

// orders compare rows by a column; keys make what they compare, if it has to be made.
var (
	orders = map[string]func(a, b *row) int{
		"name":      func(a, b *row) int { return cmp.Compare(a.key, b.key) },
		"publisher": func(a, b *row) int { return cmp.Compare(a.key, b.key) },
		"author":    func(a, b *row) int { return cmp.Compare(a.key, b.key) },
		"version":   func(a, b *row) int { return a.version.Order(b.version) },
		"changed":   func(a, b *row) int { return b.Changed.Compare(a.Changed) }, // the latest first
		"source":    func(a, b *row) int { return cmp.Compare(a.key, b.key) },
	}
	keys = map[string]func(t *Title) string{
		"name":      func(t *Title) string { return strings.ToLower(t.Name) },
		"publisher": func(t *Title) string { return strings.ToLower(t.Publisher) },
		"author":    func(t *Title) string { return strings.ToLower(t.Author) },
		"source": func(t *Title) string { // what fails first, what follows nothing last
			switch {
			case t.Trouble != "":
				return "1"
			case t.Follows != "":
				return "2"
			}
			return "3"
		},
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

// titles shows the table.
func (v *visit) titles() {
	q := v.r.URL.Query()
	t := table{Query: q.Get("q"), Sort: q.Get("sort")}
	name, descending := strings.CutPrefix(t.Sort, "-")
	if orders[name] == nil {
		name, descending, t.Sort = "name", false, "name"
	}
	rows := v.choose(&t, name)
	t.Matches = len(rows)
	slices.SortFunc(rows, func(a, b *row) int {
		c := orders[name](a, b)
		if descending {
			c = -c
		}
		return cmp.Or(c, cmp.Compare(a.ID, b.ID))
	})
	last := max(0, (t.Matches-1)/pageSize)
	page, _ := strconv.Atoi(q.Get("page")) // what is no number is the first page
	page = min(max(page-1, 0), last)
	t.From, t.To = page*pageSize, min((page+1)*pageSize, t.Matches)
	for _, one := range rows[t.From:t.To] {
		t.Titles = append(t.Titles, one.Title)
	}
	if t.Matches > 0 {
		t.From++ // counted from 1
	}
	if page > 0 {
		t.Previous = v.tableAt(t.Query, t.Sort, page-1)
	}
	if page < last {
		t.Next = v.tableAt(t.Query, t.Sort, page+1)
	}
	for _, c := range columns {
		c.URL = v.tableAt(t.Query, c.Name, 0)
		if c.Name == name {
			c.Order = "ascending"
			if descending {
				c.Order = "descending"
			} else {
				c.URL = v.tableAt(t.Query, "-"+name, 0)
			}
		}
		t.Columns = append(t.Columns, c)
	}
	v.show(http.StatusOK, "titles", "Titles", t)
}

// choose returns the titles that match what is searched for, with what they are sorted
// by.
func (v *visit) choose(t *table, by string) (rows []*row) {
	wanted := strings.ToLower(strings.TrimSpace(t.Query))
	for title := range v.h.cat.Titles() {
		t.Total++
		if wanted != "" &&
			!strings.Contains(
				strings.ToLower(title.Name+"\n"+title.ID+"\n"+title.Publisher+"\n"+title.Author),
				wanted,
			) {
			continue
		}
		one := &row{Title: title}
		if key := keys[by]; key != nil {
			one.key = key(&title)
		}
		if by == "version" {
			one.version = patch.ParseVersion(title.Version)
		}
		rows = append(rows, one)
	}
	return rows
}

// tableAt is the address of a page of the table.
func (v *visit) tableAt(query, sort string, page int) string {
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
	return v.h.base + "/?" + q.Encode()
}
