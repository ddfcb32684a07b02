package httpapi

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/patchsource/patchsource/httpapi/internal/trace"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
)

func (a *api) addVersions(w http.ResponseWriter, r *http.Request) error {
	who, title, opts, err := a.mayChange(r)
	if err != nil {
		return err
	}
	at, err := position(r.URL.Query())
	if err != nil {
		return err
	}
	body, err := a.readJSON(w, r)
	if err != nil {
		return err
	}
	versions, err := a.parseVersions(body)
	if err != nil {
		return err
	}
	res, err := a.cat.AddVersions(r.Context(), title.ID, at, versions, opts)
	if err != nil {
		return err
	}
	var names []string
	for _, v := range versions[:min(len(versions), mostNamed)] {
		names = append(names, "'"+v.Version+"'")
	}
	word := "Version "
	if len(versions) > 1 {
		word = "Versions "
	}
	if n := len(versions) - len(names); n > 0 {
		names = append(names, fmt.Sprintf("and %d more", n))
	}
	a.log.InfoContext(r.Context(), "versions added", "title", res.Title.ID, "versions", names, "token", who.TokenID)
	a.reply(
		w,
		r,
		http.StatusCreated,
		wire.Answer{
			Message:  fmt.Sprintf("%s%s added to title '%s'", word, strings.Join(names, ", "), res.Title.ID),
			Warnings: res.Warnings,
		},
	)
	return nil
}

// mostNamed is how many versions an answer names.
const mostNamed = 20

func (a *api) removeVersion(w http.ResponseWriter, r *http.Request) error {
	who, title, opts, err := a.mayChange(r)
	if err != nil {
		return err
	}
	version, err := variable(r, "version")
	if err == nil {
		err = a.work(r, int(title.Bytes))
	}
	if err != nil {
		return err
	}
	res, err := a.cat.RemoveVersion(r.Context(), title.ID, version, opts)
	if err != nil {
		return err
	}
	a.log.InfoContext(r.Context(), "version removed", "title", res.Title.ID, "version", version, "token", who.TokenID)
	a.reply(
		w,
		r,
		http.StatusOK,
		wire.Answer{Message: fmt.Sprintf("Version '%s' removed from title '%s'", version, res.Title.ID)},
	)
	return nil
}

// position reads where a new version is to go.
func position(q url.Values) (patch.Position, error) {
	given := 0
	for name, values := range q {
		switch name {
		case "insert", "insert_before", "insert_after":
			given += len(values)
		default:
			if strings.HasPrefix(name, "insert") { // a typing error must not put it in front
				return patch.Position{}, &requestError{
					fmt.Sprintf(
						"there is no parameter %s: there are insert_before, insert_after and insert",
						trace.Shorten(name),
					),
				}
			}
		}
	}
	switch {
	case given == 1 && q.Has("insert") && q.Get("insert") != "ordered":
		return patch.Position{}, &requestError{"the parameter insert can only be ordered: insert=ordered"}
	case given == 0:
		return patch.Position{}, nil
	case given > 1:
		return patch.Position{}, &requestError{
			"the parameters insert_before, insert_after and insert exclude each other: use one of them, once",
		}
	case q.Get("insert") == "ordered":
		return patch.Ordered(), nil
	case q.Get("insert_before") != "":
		return patch.Before(q.Get("insert_before")), nil
	case q.Get("insert_after") != "":
		return patch.After(q.Get("insert_after")), nil
	}
	return patch.Position{}, &requestError{"the parameters insert_before and insert_after need a version of the title"}
}

// parseVersions reads one version, or several in the items of an object, as
// Patch Server's clients before 0.8 send them.
func (a *api) parseVersions(body []byte) ([]patch.Patch, error) {
	opts := patch.ParseOptions{MaxBytes: a.max}
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
	// What fails here is no object, and as a version no better.
	if json.Unmarshal(body, &box) != nil || box.Items == nil || box.Version != nil {
		p, err := patch.ParsePatch(body, &opts)
		if err != nil {
			return nil, err
		}
		return []patch.Patch{*p}, nil
	}
	var items []jsontext.Value
	if err := json.Unmarshal(box.Items, &items); err != nil || len(items) == 0 {
		return nil, &patch.ValidationError{
			Failures: []patch.Failure{{Path: "/items", Message: "must be an array of at least one version"}},
		}
	}
	var versions []patch.Patch
	all := &patch.ValidationError{}
	for i, item := range items {
		opts.At = "/items/" + strconv.Itoa(i)
		p, err := patch.ParsePatch(item, &opts)
		var invalid *patch.ValidationError
		switch {
		case errors.As(err, &invalid):
			all.Failures = append(all.Failures, invalid.Failures...)
			all.Truncated = all.Truncated || invalid.Truncated
		case err != nil:
			return nil, err
		case len(all.Failures) == 0:
			versions = append(versions, *p)
		}
		if len(all.Failures) >= patch.MaxFailures {
			all.Truncated = all.Truncated || i+1 < len(items)
			break
		}
	}
	if n := len(all.Failures); n > 0 {
		all.Truncated = all.Truncated || n > patch.MaxFailures
		all.Failures = all.Failures[:min(n, patch.MaxFailures)]
		return nil, all
	}
	return versions, nil
}

// idIn returns the id in a body that may be a definition, or an empty string.
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
