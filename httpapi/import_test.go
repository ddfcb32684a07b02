package httpapi_test

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

func TestImportByHTTP(t *testing.T) {
	one := definition("New", "1")
	pretty := strings.ReplaceAll(one, ",", ",\n")
	for _, c := range []struct {
		name, query, body string
		status            int
		want              string // item, id and result of each
		titles            string
	}{
		{"an array", "?replace=1", "[" + definition("A", "2") + ",\n" + definition("B", "1") + "," + one + `,{"id":"x"}]`, 200, "/0 A updated, /1 B unchanged, /2 New created, /3  refused", "A 2 B 1 New 1"},
		{"lines", "?replace=1", definition("A", "2") + "\n\n{broken\n" + one, 200, "line 1 A updated, line 3  refused, line 4 New created", "A 2 B 1 New 1"},
		{"one with line breaks", "", pretty, 200, "line 1 New created", "A 1 B 1 New 1"},
		{"a zip", "?replace=1", zipped(t, "x/A.json", definition("A", "2"), "bad.json", "{}", "N.json", one), 200, "x/A.json A updated, bad.json  refused, N.json New created", "A 2 B 1 New 1"},
		{"without leave to replace", "", "[" + definition("A", "2") + "," + definition("B", "1") + "," + one + "]", 200, "/0 A refused, /1 B unchanged, /2 New created", "A 1 B 1 New 1"},
		{"dry, without leave to replace", "?dry_run=1", "[" + definition("A", "2") + "]", 200, "/0 A refused", "A 1 B 1"},
		{"dry", "?dry_run=1&replace=1", "[" + definition("A", "2") + "," + definition("B", "1") + "," + one + "," + definition("Synced", "9") + "]", 200, "/0 A updated, /1 B unchanged, /2 New created, /3 Synced refused", "A 1 B 1"},
		{"what follows a source", "", "[" + definition("Synced", "9") + "]", 200, "/0 Synced refused", "A 1 B 1"},
		{"an array that breaks off", "?replace=1", "[" + definition("A", "2") + ",{", 200, "/0 A updated, /1  refused", "A 2 B 1"},
		{"an empty array", "", "[]", 200, "", "A 1 B 1"},
		{"nothing", "", " ", 400, "", "A 1 B 1"},
		{"with a mark in front", "", "\ufeff[" + one + "]", 200, "/0 New created", "A 1 B 1 New 1"},
		{"lines with a mark in front", "?replace=1", "\ufeff" + one + "\n" + definition("A", "2"), 200, "line 1 New created, line 2 A updated", "A 2 B 1 New 1"},
		{"something after the array", "", "[" + one + "] x", 200, "/0 New created, /1  refused", "A 1 B 1 New 1"},
		{"a zip with other files", "", zipped(t, "README.txt", "x", "N.json", one), 200, "README.txt  refused, N.json New created", "A 1 B 1 New 1"},
		{"no JSON", "", "<html>", 415, "", "A 1 B 1"},
		{"dry, or what", "?dry_run=x", "[]", 400, "", "A 1 B 1"},
		{"one that is too large", "?replace=1", "[" + definition("A", "2") + `,{"x":"` + strings.Repeat("x", 200_000) + `"},` + one + "]", 200, "/0 A updated, /1  refused", "A 2 B 1"},
		{"a line that is too long", "?replace=1", definition("A", "2") + "\n" + strings.Repeat(" ", 200_000) + one + "\n" + one, 200, "line 1 A updated, line 2  refused, line 3 New created", "A 2 B 1 New 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, memstore.New())
			b.handler = newHandler(t, b.cat, &httpapi.Options{Tokens: b.auth, MaxBodyBytes: 50_000})
			b.create("A", "B")
			if _, err := b.cat.Create(t.Context(), parse(t, definition("Synced", "1")), &catalog.CreateOptions{Follows: "https://example.com"}); err != nil {
				t.Fatal(err)
			}
			if w := b.do("POST", "/api/v1/titles/import"+c.query, c.body); w.Code != 401 {
				t.Errorf("without a token: %d", w.Code)
			}
			w := b.asAdmin("POST", "/api/v1/titles/import"+c.query, c.body)
			if w.Code != c.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			var got []string
			if w.Code == 200 {
				for dec := json.NewDecoder(w.Body); ; {
					var line struct{ Item, ID, Result, Message string }
					if err := dec.Decode(&line); err == io.EOF {
						break
					} else if err != nil {
						t.Fatal(err)
					}
					got = append(got, line.Item+" "+line.ID+" "+line.Result)
					if line.Result == "refused" &&
						(line.Message == "" || strings.Contains(line.Message, "within the server")) {
						t.Errorf("%+v", line)
					}
				}
			}
			if strings.Join(got, ", ") != c.want {
				t.Errorf("%v, want %s", got, c.want)
			}
			got = nil
			for title := range b.cat.Find(catalog.Filter{}) {
				if title.ID != "Synced" {
					got = append(got, title.ID, title.CurrentVersion)
				}
			}
			if strings.Join(got, " ") != c.titles {
				t.Errorf("%v, want %s", got, c.titles)
			}
		})
	}
}

// A title may be called import.
func TestATitleCalledImport(t *testing.T) {
	b := newBench(t, memstore.New())
	b.create("import")
	if w := b.do("GET", "/api/v1/titles/import", ""); w.Code != 200 ||
		!strings.Contains(w.Body.String(), `"id":"import"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := b.asAdmin("DELETE", "/api/v1/titles/import", ""); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
