package releases

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/patchsource/patchsource/patch/recipe"
)

// jsonKind reads JSON documents by paths (RFC 9535): items is the path of the list of releases, and version, build,
// date, minOS, rollout and fields are relative to an item, or to the document.
type jsonKind struct{}

// Request implements [Kind].
func (jsonKind) Request(f recipe.Feed, _ bool) (Request, error) {
	return pathRequest(f, compileJSONPath, "application/json, */*;q=0.5")
}

// pathRequest returns the request for a feed with paths, once they compile.
func pathRequest(f recipe.Feed, compile func(string) (query, error), accept string) (Request, error) {
	r, err := feedRequest(f)
	_, wrong := compileQueries(f, compile)
	if err = joinInvalid(err, wrong); err != nil {
		return Request{}, err
	}
	r.Header.Set("Accept", accept)
	return r, nil
}

// Read implements [Kind].
func (jsonKind) Read(f recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	if err := checkStatus(a); err != nil {
		return nil, nil, err
	}
	q, err := compileQueries(f, compileJSONPath)
	if err != nil {
		return nil, nil, err
	}
	document, err := readJSON(a.Body)
	if err != nil {
		return nil, nil, err
	}
	found, err := readItems(f, q, document)
	return found, nil, err
}

// A jsonQuery is a JSON path as a query.
type jsonQuery struct{ *jsonPath }

func compileJSONPath(text string) (query, error) {
	p, err := parseJSONPath(text)
	return jsonQuery{p}, err
}

func (q jsonQuery) nodes(from any, s *steps) ([]any, error) { return q.find(from, s) }

func (q jsonQuery) texts(from any, s *steps) ([]string, error) {
	values, err := q.find(from, s)
	if err != nil {
		return nil, err
	}
	var list []string
	for _, v := range values {
		text, ok := textOf(v)
		if err := s.spend(len(text) / bytesPerStep); err != nil {
			return nil, err
		}
		if ok {
			list = append(list, text)
		}
	}
	return list, nil
}

// textOf returns a JSON value that is a text, a number or a boolean as a text. Numbers keep their notation: 1.10 is a
// version.
func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return strings.TrimSpace(v), true
	case json.Number:
		return v.String(), true
	case bool:
		return strconv.FormatBool(v), true
	}
	return "", false
}
