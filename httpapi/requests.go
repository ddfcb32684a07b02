package httpapi

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/gorilla/mux"

	"github.com/patchsource/patchsource/httpapi/internal/listing"
	"github.com/patchsource/patchsource/httpapi/internal/problem"
	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// variable returns the value of {name} in a path. It may be anything: %2F has become a slash.
func variable(r *http.Request, name string) (string, error) {
	v, err := url.PathUnescape(mux.Vars(r)[name])
	if err != nil {
		return "", &problem.RequestError{Message: "the path cannot be read: " + err.Error()}
	}
	return v, nil
}

// boolParam returns a parameter of the query that is true (1, true or empty) or false (0, false or absent).
func boolParam(r *http.Request, name string) (bool, error) {
	q := r.URL.Query()
	if !q.Has(name) {
		return false, nil
	}
	switch q.Get(name) {
	case "", "1", "true":
		return true, nil
	case "0", "false":
		return false, nil
	}
	return false, &problem.RequestError{Message: fmt.Sprintf("the parameter %s must be 1 or 0", name)}
}

// A publication is the body of a client that publishes without an account, as CommunityPatch accepted it.
type publication struct {
	Name       jsontext.Value `json:"author_name"`
	Email      jsontext.Value `json:"author_email"`
	Definition jsontext.Value `json:"definition"`
	URL        jsontext.Value `json:"definition_url"`
}

// publicationIn returns the publication in a body, and nil if it is none: if it is a definition, or no JSON.
func publicationIn(body []byte) *publication {
	var p publication
	if json.Unmarshal(body, &p) != nil || p.Name == nil && p.Email == nil && p.Definition == nil && p.URL == nil {
		return nil
	}
	return &p
}

// parse returns the publication. Its error lists all failures. follows is false if this server follows no URL.
func (p *publication) parse(opts patch.ParseOptions, follows bool) (out wire.Publication, err error) {
	var f form
	out.AuthorName, out.AuthorEmail = f.text(p.Name, "/author_name"), f.text(p.Email, "/author_email")
	switch {
	case p.URL != nil && p.Definition != nil:
		f.fail("/definition_url", "excludes a definition: send one of the two")
	case p.URL != nil && !follows:
		f.fail("/definition_url", "this server follows no URL: send the definition itself")
	case p.URL != nil:
		if out.URL = f.text(p.URL, "/definition_url"); p.URL.Kind() == '"' && out.URL == "" {
			f.fail("/definition_url", "is empty: send the URL of a definition")
		}
	case p.Definition == nil:
		f.fail("/definition", "is missing: add it, or definition_url")
	default:
		opts.At = "/definition"
		out.Definition, err = patch.Parse(p.Definition, &opts)
		if err = f.add(err); err != nil {
			return out, err
		}
	}
	return out, f.err()
}

// idIn returns the id in a body that may be a definition, and an empty string if there is none.
func idIn(body []byte) (id string) {
	var box struct {
		ID jsontext.Value `json:"id"`
	}
	if json.Unmarshal(body, &box) == nil && box.ID.Kind() == '"' {
		_ = json.Unmarshal(box.ID, &id)
	}
	return id
}

// isVersion reports whether a body that is no title is a version.
func isVersion(body []byte) bool {
	var box struct {
		Version jsontext.Value `json:"version"`
		Patches jsontext.Value `json:"patches"`
	}
	return json.Unmarshal(body, &box) == nil && box.Version != nil && box.Patches == nil
}

// parseVersions returns the version in a body, or several in the items of an object, as Patch Server's clients before
// 0.8 send them.
func parseVersions(body []byte, opts patch.ParseOptions) ([]patch.Patch, error) {
	if err := patch.CheckSyntax(body, &opts); err != nil {
		return nil, err
	}
	if jsontext.Value(body).Kind() == '[' {
		return nil, failure("", `must be one version, or several as {"items":[…]}`)
	}
	var box struct {
		Version jsontext.Value `json:"version"`
		Items   jsontext.Value `json:"items"`
	}
	// A body that fails here is no object, and fails as a version as well.
	if json.Unmarshal(body, &box) != nil || box.Items == nil || box.Version != nil {
		p, err := patch.ParsePatch(body, &opts)
		if err != nil {
			return nil, err
		}
		return []patch.Patch{*p}, nil
	}
	var items []jsontext.Value
	if err := json.Unmarshal(box.Items, &items); err != nil || len(items) == 0 {
		return nil, failure("/items", "must be an array of at least one version")
	}
	return parseItems(items, opts)
}

// parseItems returns the versions in an array. The error lists all failures.
func parseItems(items []jsontext.Value, opts patch.ParseOptions) (versions []patch.Patch, err error) {
	var f form
	for i, item := range items {
		opts.At = "/items/" + strconv.Itoa(i)
		p, err := patch.ParsePatch(item, &opts)
		if err := f.add(err); err != nil {
			return nil, err
		}
		if len(f.Failures) >= patch.MaxFailures {
			f.Truncated = f.Truncated || i+1 < len(items)
			break
		}
		if p != nil {
			versions = append(versions, *p)
		}
	}
	return versions, f.err()
}

// position returns where a new version is inserted.
func position(q url.Values) (patch.Position, error) {
	given := 0
	for name, values := range q {
		switch name {
		case "insert", "insert_before", "insert_after":
			given += len(values)
		default:
			if strings.HasPrefix(name, "insert") { // a misspelled parameter must not put the version in front
				return patch.Position{}, &problem.RequestError{Message: fmt.Sprintf(
					"there is no parameter %s: there are insert_before, insert_after and insert", trace.Shorten(name),
				)}
			}
		}
	}
	switch {
	case given == 0:
		return patch.Position{}, nil
	case given > 1:
		return patch.Position{}, &problem.RequestError{
			Message: "the parameters insert_before, insert_after and insert exclude each other: use one of them, once",
		}
	case q.Get("insert") == "ordered":
		return patch.Ordered(), nil
	case q.Has("insert"):
		return patch.Position{}, &problem.RequestError{Message: "the parameter insert must be ordered: insert=ordered"}
	case q.Get("insert_before") != "":
		return patch.Before(q.Get("insert_before")), nil
	case q.Get("insert_after") != "":
		return patch.After(q.Get("insert_after")), nil
	}
	return patch.Position{}, &problem.RequestError{
		Message: "the parameters insert_before and insert_after need a version of the title",
	}
}

// maxLimit is the largest number of titles on a page, and the number without a limit.
const maxLimit = 1000

// listingOf returns which titles a list has, and how many on a page.
func listingOf(q url.Values) (f listing.Filter, limit int, err error) {
	f = listing.Filter{
		Filter: catalog.Filter{Query: q.Get("q"), Publisher: q.Get("publisher"), Author: q.Get("author")},
		Bundle: q.Get("bundle"),
		Source: q.Get("source"),
		State:  q.Get("state"),
	}
	if err := f.Check(); err != nil {
		return f, 0, &problem.RequestError{Message: err.Error()}
	}
	limit = maxLimit
	if q.Has("limit") {
		limit, err = strconv.Atoi(q.Get("limit"))
		if err != nil || limit < 1 || limit > maxLimit {
			return f, 0, &problem.RequestError{Message: fmt.Sprintf("limit must be a number from 1 to %d", maxLimit)}
		}
	}
	if q.Has("synced") {
		synced, err := strconv.ParseBool(q.Get("synced"))
		if err != nil {
			return f, 0, &problem.RequestError{Message: "synced must be true or false"}
		}
		f.Synced = &synced
	}
	if cursor := q.Get("cursor"); cursor != "" {
		after, err := base64.RawURLEncoding.DecodeString(cursor)
		if err != nil || !patch.ValidID(string(after)) {
			return f, 0, &problem.RequestError{Message: "cursor must be the next of an earlier answer"}
		}
		f.After = string(after)
	}
	return f, limit, nil
}

// cursorAfter returns the cursor of the page after a title.
func cursorAfter(id string) *string {
	cursor := base64.RawURLEncoding.EncodeToString([]byte(id))
	return &cursor
}
