package doctor

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/patchsource/patchsource/patch"
)

// unknownID is the id of a title that no source has.
const unknownID = "patchsource-doctor-no-such-title"

// maxSelected is the number of titles of the selections that are requested.
const maxSelected = 3

// checkSelections checks the list of several titles, as Jamf Pro asks for those that it subscribes to.
func (e *examination) checkSelections(ctx context.Context, titles []patch.Summary) {
	var ids []string
	for _, t := range titles {
		if len(ids) < maxSelected && patch.ValidID(t.ID) {
			ids = append(ids, t.ID)
		}
	}
	if len(ids) > 0 {
		e.checkSelection(ctx, CheckSelection, ids, ids)
		e.checkSelection(ctx, CheckUnknownIDs, append([]string{unknownID}, ids[0]), ids[:1])
	}
	e.checkSelection(ctx, CheckUnknownIDs, []string{unknownID}, nil)
	if len(ids) > 0 && !e.failed(CheckSelection) {
		e.addf(CheckSelection, OK, "the list of %s has exactly these", plural(len(ids), "selected title"))
	}
	if !e.failed(CheckUnknownIDs) {
		e.add(CheckUnknownIDs, OK, "unknown ids are left out of the list")
	}
}

// checkSelection requests the list of some ids, and compares it with the ids that are wanted.
func (e *examination) checkSelection(ctx context.Context, check string, ids, want []string) {
	path := "/software/" + strings.Join(ids, ",")
	a, err := e.get(ctx, path, maxListBytes)
	switch {
	case err != nil:
		e.addf(check, Error, "%s: %s", e.base+path, describe(err))
		return
	case a.redirected():
		return
	case a.status != http.StatusOK:
		e.addf(check, Error, "%s has status %d, want 200 and a list without the titles that do not exist: Jamf Pro "+
			"asks for all titles that it subscribes to at once", a.url, a.status)
		return
	}
	titles, ok := e.selection(check, a)
	if !ok {
		return
	}
	var got []string
	for _, t := range titles {
		got = append(got, t.ID)
	}
	slices.Sort(got)
	want = slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		e.addf(check, Error, "%s lists %s, want exactly %s: see how the server reads several ids", a.url,
			quote(strings.Join(got, ", ")), quote(strings.Join(want, ", ")))
	}
}

// selection parses the answer to the list of some ids.
func (e *examination) selection(check string, a *answer) (titles []patch.Summary, ok bool) {
	body, err := a.decode(maxListBytes)
	if err == nil {
		err = patch.CheckSyntax(body, &patch.ParseOptions{MaxBytes: maxListBytes})
	}
	if err != nil {
		e.addf(check, Error, "%s is not the JSON that Jamf Pro reads: %s", a.url, describeSyntax(err))
		return nil, false
	}
	return e.parseList(check, a.url, body)
}

// checkHead compares the answers to HEAD and GET.
func (e *examination) checkHead(ctx context.Context, list *answer) {
	a, err := e.request(ctx, http.MethodHead, list.url, "identity", maxListBytes)
	switch {
	case err != nil:
		e.addf(CheckHead, Warning, "HEAD %s: %s", list.url, describe(err))
	case a.redirected():
	case a.status != list.status:
		e.addf(CheckHead, Warning, "HEAD %s has status %d, and GET has %d: let the server answer both alike, for "+
			"monitoring and proxies", list.url, a.status, list.status)
	case a.header.Get("Content-Type") != list.header.Get("Content-Type"):
		e.addf(CheckHead, Warning, "HEAD %s has the Content-Type %s, and GET has %s: let the server answer both alike",
			list.url, quote(a.header.Get("Content-Type")), quote(list.header.Get("Content-Type")))
	case a.length >= 0 && list.length >= 0 && a.length != list.length && e.unchanged(ctx, list):
		e.addf(CheckHead, Warning, "HEAD %s has the Content-Length %d, and GET has %d: let the server answer both "+
			"alike",
			list.url, a.length, list.length)
	default:
		e.add(CheckHead, OK, "HEAD and GET agree")
	}
}

// unchanged reports whether the list is still the same, so that a difference is not due to a change.
func (e *examination) unchanged(ctx context.Context, list *answer) bool {
	again, err := e.get(ctx, "/software", maxListBytes)
	return err == nil && bytes.Equal(again.body, list.body)
}

// checkSlashes checks the path that results from an address with a slash at its end.
func (e *examination) checkSlashes(ctx context.Context, list *answer) {
	a, err := e.get(ctx, "//software", maxListBytes)
	const remedy = "type the address without a slash at its end, or let the server ignore doubled slashes"
	switch {
	case err != nil:
		e.addf(CheckSlashes, Warning, "%s//software: %s", e.base, describe(err))
	case a.redirected():
		e.addf(CheckSlashes, Warning, "doubled slashes are redirected: %s", remedy)
	case a.status != http.StatusOK:
		e.addf(CheckSlashes, Warning, "%s has status %d, want 200: %s", a.url, a.status, remedy)
	case !bytes.Equal(a.body, list.body) && e.unchanged(ctx, list):
		e.addf(CheckSlashes, Warning, "%s is not the list: %s", a.url, remedy)
	default:
		e.add(CheckSlashes, OK, "doubled slashes are ignored")
	}
}

// checkCompression compares the compressed list with the other one.
func (e *examination) checkCompression(ctx context.Context, list *answer) {
	a, err := e.request(ctx, http.MethodGet, list.url, "gzip", maxListBytes)
	var body []byte
	if err == nil && a.status == http.StatusOK {
		body, err = a.decode(maxListBytes)
	}
	plain, plainErr := list.decode(maxListBytes)
	switch {
	case err != nil:
		e.addf(CheckCompression, Error, "the list cannot be read if gzip is accepted (%v): switch compression off at "+
			"the server and its proxy, or repair it", err)
	case a.redirected():
	case a.status != http.StatusOK:
		e.addf(CheckCompression, Error, "the list has status %d, want 200, if gzip is accepted: repair the "+
			"compression of the server or its proxy", a.status)
	case plainErr == nil && !bytes.Equal(body, plain) && e.unchanged(ctx, list):
		e.add(CheckCompression, Error, "the compressed list differs from the other one: clear the cache of the proxy, "+
			"and let the server send Vary: Accept-Encoding")
	case e.failed(CheckCompression):
	case a.header.Get("Content-Encoding") == "":
		e.add(CheckCompression, OK, "the list is not compressed")
	default:
		e.add(CheckCompression, OK, "the compressed list equals the other one")
	}
}

// checkUnknownTitle checks the answer for a title that does not exist.
func (e *examination) checkUnknownTitle(ctx context.Context) {
	a, err := e.get(ctx, "/patch/"+url.PathEscape(unknownID), maxDefinitionBytes)
	switch {
	case err != nil:
		e.addf(CheckUnknownTitle, Error, "%s/patch/%s: %s", e.base, unknownID, describe(err))
	case a.redirected():
	case a.status != http.StatusNotFound:
		e.addf(CheckUnknownTitle, Error, "%s has status %d, want 404: Jamf Pro would read the answer as a definition",
			a.url, a.status)
	default:
		e.add(CheckUnknownTitle, OK, "a title that does not exist has status 404")
	}
}
