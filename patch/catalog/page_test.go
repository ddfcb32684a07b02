package catalog_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// ids returns the ids of titles.
func ids(titles []catalog.Title) string {
	var all []string
	for _, t := range titles {
		all = append(all, t.ID)
	}
	return strings.Join(all, " ")
}

// Titles are found by each field of a filter, and pages have them in each order.
func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, memstore.New(), nil)
		for _, one := range []struct {
			id, publisher, version string
			opts                   catalog.CreateOptions
		}{
			{"c", "Zeta", "2.10", catalog.CreateOptions{Author: "Ann", Contributor: "ann", Account: "x"}},
			{"a", "alpha", "2.9", catalog.CreateOptions{Author: "ann", Mailbox: []byte(`"m"`)}},
			{"B", "Alpha", "1", catalog.CreateOptions{Follows: "https://example.com", Source: "s"}},
			{"d", "beta", "3", catalog.CreateOptions{Contributor: "ann", Account: "y"}},
		} {
			d := definition(one.id, one.version)
			d.Publisher = one.publisher
			if _, err := c.Create(t.Context(), d, &one.opts); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		yes, no := true, false
		notB := func(t catalog.Title) bool { return t.ID != "B" }
		for _, one := range []struct {
			opts catalog.PageOptions
			want string
		}{
			{catalog.PageOptions{}, "B a c d"},
			{catalog.PageOptions{Reverse: true}, "d c a B"},
			{catalog.PageOptions{Order: catalog.ByName}, "a B c d"},
			{catalog.PageOptions{Order: catalog.ByPublisher}, "B a d c"},
			{catalog.PageOptions{Order: catalog.ByPublisher, Reverse: true}, "c d B a"},
			{catalog.PageOptions{Order: catalog.ByAuthor}, "B d a c"},
			{catalog.PageOptions{Order: catalog.ByVersion}, "B a c d"},
			{catalog.PageOptions{Order: catalog.ByChanged}, "d B a c"},
			{catalog.PageOptions{Order: catalog.ByChanged, Reverse: true}, "c a B d"},
			{catalog.PageOptions{Order: catalog.BySource}, "B a c d"},
			{catalog.PageOptions{Order: catalog.BySource, Reverse: true}, "a c d B"},
			{catalog.PageOptions{Order: catalog.BySource, First: []string{"D", "C", "none"}}, "c d B a"},
			{catalog.PageOptions{Order: catalog.BySource, First: []string{"d"}, Reverse: true}, "a c B d"},
			{catalog.PageOptions{Only: notB}, "a c d"},
			{catalog.PageOptions{Only: notB, Order: catalog.ByChanged}, "d a c"},
			{catalog.PageOptions{Only: notB, Order: catalog.ByName, First: []string{"d", "b"}}, "d a c"},
			{catalog.PageOptions{Only: notB, Order: catalog.ByName, First: []string{"d"}, Reverse: true}, "c a d"},
			{catalog.PageOptions{Only: notB, Filter: catalog.Filter{Publisher: "ALPHA"}}, "a"},
			{catalog.PageOptions{Filter: catalog.Filter{Publisher: "ALPHA"}}, "B a"},
			{catalog.PageOptions{Filter: catalog.Filter{Author: "ANN"}}, "a c"},
			{catalog.PageOptions{Filter: catalog.Filter{AuthorLike: "4nn"}}, ""},
			{catalog.PageOptions{Filter: catalog.Filter{AuthorLike: "A-N-N"}}, "a c"},
			{catalog.PageOptions{Filter: catalog.Filter{Contributor: "ann"}}, "c d"},
			{catalog.PageOptions{Filter: catalog.Filter{Contributor: "ann", Author: "ann"}}, "c"},
			{catalog.PageOptions{Filter: catalog.Filter{Account: "y"}}, "d"},
			{catalog.PageOptions{Filter: catalog.Filter{Mailbox: `"m"`}}, "a"},
			{catalog.PageOptions{Filter: catalog.Filter{Source: "s"}}, "B"},
			{catalog.PageOptions{Filter: catalog.Filter{Synced: &yes}}, "B"},
			{catalog.PageOptions{Filter: catalog.Filter{Synced: &no}}, "a c d"},
			{catalog.PageOptions{Filter: catalog.Filter{Query: "ALPHA"}, Reverse: true}, "a B"},
			{catalog.PageOptions{Filter: catalog.Filter{Query: "ann"}}, ""},
			{catalog.PageOptions{Filter: catalog.Filter{Query: "ANN", QueryAuthor: true}}, "a c"},
			{catalog.PageOptions{Filter: catalog.Filter{Query: "a app\nalpha"}}, ""},
			{catalog.PageOptions{Filter: catalog.Filter{Query: "\n", QueryAuthor: true}}, ""},
		} {
			one.opts.Limit = -1
			p := c.Page(&one.opts)
			if got := ids(p.Titles); got != one.want || p.Matches != len(p.Titles) || p.Total != 4 {
				t.Errorf("%+v: got %q of %d and %d, want %q", one.opts, got, p.Matches, p.Total, one.want)
			}
			if got := c.Count(one.opts.Filter); got != p.Matches && one.opts.Only == nil {
				t.Errorf("%+v: Count returns %d, want %d", one.opts.Filter, got, p.Matches)
			}
			all := p.Titles
			for offset := range 6 {
				one.opts.Offset, one.opts.Limit = offset, 2
				p := c.Page(&one.opts)
				want := all[min(offset, len(all)):min(offset+2, len(all))]
				if got := ids(p.Titles); got != ids(want) || p.Matches != len(all) {
					t.Errorf("%+v: got %q, want %q", one.opts, got, ids(want))
				}
			}
		}
		if p := c.Page(nil); len(p.Titles) != 0 || p.Matches != 4 {
			t.Errorf("without options: %d titles of %d, want none of 4", len(p.Titles), p.Matches)
		}
		got := ""
		for id, n := range c.ContributorTitles() {
			got += fmt.Sprint(id, " ", n, ";")
		}
		if got != "ann 2;" {
			t.Errorf("the contributors' titles are %q, want ann with 2", got)
		}
	})
}

// The newest versions are a page.
func ExampleCatalog_Page() {
	ctx := context.Background()
	c, err := catalog.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for _, id := range []string{"Firefox", "Chrome", "Edge"} {
		if _, err := c.Create(ctx, definition(id, "1"), nil); err != nil {
			fmt.Println(err)
		}
	}
	p := c.Page(&catalog.PageOptions{Order: catalog.ByName, Limit: 2})
	for _, t := range p.Titles {
		fmt.Println(t.Name, t.CurrentVersion)
	}
	fmt.Println(p.Matches)
	// Output:
	// Chrome App 1
	// Edge App 1
	// 3
}
