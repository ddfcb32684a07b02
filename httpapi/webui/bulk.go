package webui

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// bulkPages are the pages about several titles that were selected in the table.
type bulkPages struct{ *visit }

// A bulkPage asks whether titles are to be deleted, or shows what was done with them.
type bulkPage struct {
	Titles []Title
	// Asked is true for the question.
	Asked    bool
	Done     []string
	Failures []string
}

// choose does with the selected titles what the pressed button says.
func (p bulkPages) choose() {
	if !p.signedIn() || !p.readForm() {
		return
	}
	titles, ok := p.selected()
	if !ok {
		return
	}
	switch p.value("do") {
	case "check":
		p.report("Checked", titles, p.check)
	case "export":
		p.export(titles)
	case "delete":
		p.show(http.StatusOK, "bulk", "Delete titles", bulkPage{Titles: titles, Asked: true})
	case "delete for good":
		p.report("Deleted", titles, func(ctx context.Context, t Title) (string, error) {
			_, err := p.api.Delete(ctx, t.ID, nil)
			return "", err
		})
	default:
		p.fail(http.StatusBadRequest, unreadable)
	}
}

// selected returns the selected titles. If it cannot, or the visitor may not change one of them, it shows an error and
// returns false.
func (p bulkPages) selected() (titles []Title, ok bool) {
	ids := slices.Compact(slices.Sorted(slices.Values(p.r.PostForm["id"])))
	switch {
	case len(ids) == 0:
		p.redirect("/", "No title was selected. Select titles in the table first.")
		return nil, false
	case len(ids) > pageSize:
		p.fail(http.StatusBadRequest, fmt.Sprintf("Select at most %d titles.", pageSize))
		return nil, false
	}
	for _, id := range ids {
		t, found := p.h.catalog.Find(id)
		if !found {
			p.fail(http.StatusNotFound, "The title "+id+" does not exist. It may have been deleted.")
			return nil, false
		}
		if !p.mayChange(t) {
			return nil, false
		}
		titles = append(titles, t)
	}
	return titles, true
}

// report does something with each title and shows the outcome. It stops when the visitor leaves.
func (p bulkPages) report(done string, titles []Title, do func(context.Context, Title) (string, error)) {
	var page bulkPage
	for _, t := range titles {
		result, err := do(p.r.Context(), t)
		if p.r.Context().Err() != nil {
			return
		}
		if err != nil {
			page.Failures = append(page.Failures, t.Name+": "+p.refusalOf(err).Message)
			continue
		}
		if result != "" {
			result = ": " + result
		}
		page.Done = append(page.Done, t.Name+result)
	}
	p.show(http.StatusOK, "bulk", done, page)
}

// check asks the source or the release feed of a title for changes.
func (p bulkPages) check(ctx context.Context, t Title) (string, error) {
	switch {
	case t.Follows != "":
		_, err := p.api.Sync(ctx, t.ID)
		return "its source will be asked in a moment", err
	case t.Watched:
		result, err := p.api.CheckWatch(ctx, t.ID, nil)
		switch {
		case err != nil:
			return "", err
		case len(result.Added) > 0:
			return "added " + strings.Join(result.Added, ", "), nil
		}
		return "nothing new", nil
	}
	return "nothing to check: it follows no release feed and no source", nil
}

// export answers with the definitions as a JSON array, as POST /api/v1/titles/import takes it.
func (p bulkPages) export(titles []Title) {
	var b bytes.Buffer
	b.WriteString("[")
	for i, t := range titles {
		def, _, err := p.api.Definition(p.r.Context(), t.ID)
		var data []byte
		if err == nil {
			data, err = def.MarshalJSON()
		}
		if err != nil {
			p.refused(err)
			return
		}
		if i > 0 {
			b.WriteString(",\n")
		}
		b.Write(data)
	}
	b.WriteString("]\n")
	header := p.w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Disposition", `attachment; filename="titles.json"`)
	header.Set("Cache-Control", "no-store")
	_, _ = p.w.Write(b.Bytes()) // an error means that the visitor has gone
}
