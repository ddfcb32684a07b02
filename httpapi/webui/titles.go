package webui

import (
	"cmp"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/patchsource/patchsource/patch"
)

// pageSize is how many titles one page of the table has.
const pageSize = 100

// functions are what the templates call.
var functions = template.FuncMap{
	"utc":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"day":   func(t time.Time) string { return t.UTC().Format("2006-01-02") },
	"words": words,
	"join":  strings.Join,
}

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
	key string
}

// orders compare rows by a column; keys make what they compare, if it has to be made.
var (
	orders = map[string]func(a, b *row) int{
		"name":      func(a, b *row) int { return cmp.Compare(a.key, b.key) },
		"publisher": func(a, b *row) int { return cmp.Compare(a.key, b.key) },
		"author":    func(a, b *row) int { return cmp.Compare(a.key, b.key) },
		"version":   func(a, b *row) int { return patch.OrderVersions(a.Version, b.Version) },
		"changed":   func(a, b *row) int { return b.Changed.Compare(a.Changed) }, // the latest first
	}
	keys = map[string]func(t *Title) string{
		"name":      func(t *Title) string { return strings.ToLower(t.Name) },
		"publisher": func(t *Title) string { return strings.ToLower(t.Publisher) },
		"author":    func(t *Title) string { return strings.ToLower(t.Author) },
	}
)

// titles shows the table.
func (h *handler) titles(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	t := table{Query: q.Get("q"), Sort: q.Get("sort")}
	name, descending := strings.CutPrefix(t.Sort, "-")
	if orders[name] == nil {
		name, descending, t.Sort = "name", false, "name"
	}
	wanted := strings.ToLower(strings.TrimSpace(t.Query))
	var rows []*row
	for title := range h.cat.Titles() {
		t.Total++
		if wanted != "" && !strings.Contains(strings.ToLower(title.Name+"\n"+title.ID+"\n"+title.Publisher+"\n"+title.Author), wanted) {
			continue
		}
		one := &row{Title: title}
		if key := keys[name]; key != nil {
			one.key = key(&title)
		}
		rows = append(rows, one)
	}
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
	at := func(sort string, page int) string {
		v := url.Values{}
		for name, value := range map[string]string{"q": t.Query, "sort": sort} {
			if value != "" && !(name == "sort" && value == "name") {
				v.Set(name, value)
			}
		}
		if page > 0 {
			v.Set("page", strconv.Itoa(page+1))
		}
		return "/?" + v.Encode()
	}
	if page > 0 {
		t.Previous = at(t.Sort, page-1)
	}
	if page < last {
		t.Next = at(t.Sort, page+1)
	}
	for _, c := range []column{{Name: "name", Label: "Name"}, {Name: "publisher", Label: "Publisher"}, {Name: "author", Label: "Author"}, {Name: "version", Label: "Version"}, {Name: "changed", Label: "Changed"}} {
		c.URL = at(c.Name, 0)
		if c.Name == name {
			c.Order = "ascending"
			if descending {
				c.Order = "descending"
			} else {
				c.URL = at("-"+name, 0)
			}
		}
		t.Columns = append(t.Columns, c)
	}
	if t.Matches > 0 {
		t.From++ // counted from 1
	}
	h.render(w, r, http.StatusOK, "titles", "Titles", t)
}

// A details is a title's own page.
type details struct {
	Title
	Definition *patch.Definition
	Scripts    []script
	Warnings   []patch.Warning
	Editions   []Edition
}

// A script is an extension attribute as people read it.
type script struct{ Key, Name, Text string }

// title shows a title.
func (h *handler) title(w http.ResponseWriter, r *http.Request) {
	id := strings.TrimPrefix(r.URL.Path, "/titles/")
	t, def, err := h.cat.Title(r.Context(), id)
	var editions []Edition
	if err == nil {
		editions, err = h.cat.History(r.Context(), id)
	}
	switch {
	case errors.Is(err, ErrNotFound):
		h.fail(w, r, http.StatusNotFound, "There is no such title. It may have been deleted.")
		return
	case err != nil:
		if r.Context().Err() == nil {
			h.log.Error("a title cannot be shown", "title", id, "error", err)
		}
		w.Header().Set("Retry-After", "5")
		h.fail(w, r, http.StatusServiceUnavailable, "The title cannot be read at the moment. Try again in a while.")
		return
	}
	d := details{Title: t, Definition: def, Warnings: patch.Lint(def, nil), Editions: editions}
	for _, ea := range def.ExtensionAttributes {
		s := script{Key: ea.Key, Name: ea.DisplayName, Text: "(not text)"}
		if data, err := base64.StdEncoding.DecodeString(ea.Value); err == nil && utf8.Valid(data) {
			s.Text = string(data)
		}
		d.Scripts = append(d.Scripts, s)
	}
	h.render(w, r, http.StatusOK, "title", t.Name, d)
}

// words says criteria as a smart group's rows are read.
func words(criteria []patch.Criterion) []string {
	var all []string
	for i, c := range criteria {
		text := fmt.Sprintf("%s %s “%s”", c.Name, c.Operator, c.Value)
		if i > 0 {
			joined := "and "
			if c.And != nil && !*c.And {
				joined = "or "
			}
			text = joined + text
		}
		all = append(all, text)
	}
	return all
}
