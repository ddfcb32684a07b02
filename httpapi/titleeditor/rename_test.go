package titleeditor_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/auth"
)

// A token for one title must not take another id, and must not learn which ids hidden drafts have.
func TestRenameByTitleToken(t *testing.T) {
	f := newFixture(t, nil)
	f.create("Hidden")
	path := f.create("Draft", []string{}...)
	title, err := f.catalog.Lookup("Draft")
	if err != nil {
		t.Fatal(err)
	}
	token := f.as(f.issue(auth.Grant{Kind: auth.TitleToken, Titles: []string{title.UID}}))
	if w := token.send("POST", "/v2/softwaretitles", bare("GoogleChrome")); w.Code != 403 {
		t.Fatalf("creating: status %d, want 403", w.Code)
	}
	if w := token.send("PUT", path, members{"id": "GoogleChrome"}); w.Code != 403 {
		t.Errorf("taking the id GoogleChrome: status %d, want 403, as for creating it", w.Code)
	}
	if w := token.send("PUT", path, members{"id": "Hidden"}); w.Code != 403 {
		t.Errorf("the id of a hidden draft: status %d, want 403: %s", w.Code, w.Body)
	}
}

// A change that is refused changes nothing, not the id either.
func TestRenameIsHalfMade(t *testing.T) {
	f := newFixture(t, nil)
	path := f.create("Old")
	if w := f.send("PUT", path, members{"id": "New", "enabled": true}); w.Code != 400 {
		t.Fatalf("status %d, want 400", w.Code)
	}
	if _, err := f.catalog.Lookup("Old"); err != nil {
		t.Errorf("after a change that was refused: %v", err)
	}
}

// A contributor's title cannot be enabled under a name without the contributor's.
func TestNameOfContributor(t *testing.T) {
	f := newFixture(t, nil)
	c := f.as(f.issue(auth.Grant{Kind: auth.Contributor, Contributor: "ann"}))
	path := c.create("Foo")
	c.ok("POST", path+"/patches", whole("1.0"))
	patches := list(c.ok("GET", path, nil), "patches")
	c.ok("PUT", pathOf("patches", "patchId", patches[0]), members{"enabled": true})
	w := c.send("PUT", path, members{"name": "Google Chrome", "enabled": true})
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"name": "Google Chrome (ann)"`) {
		t.Errorf("status %d: enabled under a name without the contributor's: %.300s", w.Code, w.Body)
	}
}
