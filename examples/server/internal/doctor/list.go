package doctor

import (
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
)

// clockSkew is how far a time may be in the future because clocks differ.
const clockSkew = 5 * time.Minute

// checkList checks the list of all titles. It reports whether the list can be read; otherwise, nothing else can be
// checked.
func (e *examination) checkList(list *answer) (titles []patch.Summary, ok bool) {
	if list.redirected() {
		return nil, false // this is a finding already
	}
	if list.status == http.StatusUnauthorized || list.status == http.StatusForbidden {
		e.addf(CheckStatus, Error, "%s has status %d, want 200: Jamf Pro sends no credentials: serve the feed "+
			"without asking for any", list.url, list.status)
		return nil, false
	}
	if list.status != http.StatusOK {
		e.addf(CheckStatus, Error, "%s has status %d, want 200: check the address, and see the log of the server",
			list.url, list.status)
		return nil, false
	}
	e.add(CheckStatus, OK, "the list has status 200")
	e.checkType(CheckType, "the list", list.header)
	if len(list.body) > largeListBytes {
		e.addf(CheckSize, Warning, "the list has %d MiB, and Jamf Pro reads it again and again: remove titles that "+
			"nobody needs, or split the source", len(list.body)>>20)
	} else {
		e.addf(CheckSize, OK, "the list has %d bytes", len(list.body))
	}
	body, err := list.decode(maxListBytes)
	if err == nil && list.header.Get("Content-Encoding") != "" && !identity(list.header) {
		e.add(CheckCompression, Error, "the list is compressed although the request does not accept that: let the "+
			"server or its proxy respect Accept-Encoding")
	}
	if err == nil {
		err = patch.CheckSyntax(body, &patch.ParseOptions{MaxBytes: maxListBytes})
	}
	if err != nil {
		e.addf(CheckJSON, Error, "the list is not the JSON that Jamf Pro reads: %s", describeSyntax(err))
		return nil, false
	}
	e.add(CheckJSON, OK, "the list is JSON in UTF-8 without duplicate members")
	titles, ok = e.parseList(CheckList, "the list", body)
	if !ok {
		return titles, len(titles) > 0
	}
	if len(titles) == 0 {
		e.add(CheckList, Warning, "the list is empty: publish a title")
		return titles, true
	}
	e.addf(CheckList, OK, "the list has %s", plural(len(titles), "title"))
	e.checkIDs(titles)
	e.checkTimes(titles)
	return titles, true
}

// identity reports whether an answer says that it is not compressed.
func identity(h http.Header) bool {
	return strings.EqualFold(h.Get("Content-Encoding"), "identity")
}

// describeSyntax returns an error of CheckSyntax with its place.
func describeSyntax(err error) string {
	var syntax *patch.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("line %d, column %d: %s", syntax.Line, syntax.Column, syntax.Reason)
	}
	return err.Error()
}

// checkType checks that the content type is that of JSON.
func (e *examination) checkType(check, what string, h http.Header) {
	typed := h.Get("Content-Type")
	media, parameters, err := mime.ParseMediaType(typed)
	charset := parameters["charset"]
	switch {
	case err != nil || media != "application/json":
		e.addf(check, Error, "%s has the Content-Type %s, want application/json: change it at the server",
			what, quote(typed))
	case charset != "" && !strings.EqualFold(charset, "utf-8"):
		e.addf(check, Error, "%s has the charset %s, want utf-8: change it at the server", what, quote(charset))
	case what == "the list":
		e.add(check, OK, "the list has the Content-Type application/json")
	}
}

// members are the members of a summary, all of which are strings.
var members = []string{"id", "name", "publisher", "currentVersion", "lastModified"}

// parseList parses an array of summaries. It skips those that have not the form of one, which are findings, and reports
// whether there are none.
func (e *examination) parseList(check, what string, body []byte) (titles []patch.Summary, ok bool) {
	var entries []json.RawMessage
	if err := json.Unmarshal(body, &entries); err != nil || entries == nil {
		e.addf(check, Error, "%s is not an array of titles but begins with %s: the address is probably not that of a "+
			"patch source", what, quote(string(body[:min(40, len(body))])))
		return nil, false
	}
	ok = true
	for i, entry := range entries {
		title, problem := parseSummary(entry)
		if problem != "" {
			ok = false
			e.addf(check, Error, "entry %d of %s (id %s) %s: it needs the members %s as strings",
				i+1, what, quote(title.ID), problem, strings.Join(members, ", "))
			continue
		}
		titles = append(titles, title)
	}
	return titles, ok
}

// parseSummary parses an entry of the list. The problem is empty if the entry is a summary.
func parseSummary(entry []byte) (title patch.Summary, problem string) {
	var object map[string]any
	if err := json.Unmarshal(entry, &object); err != nil || object == nil {
		return title, "is not an object"
	}
	targets := []*string{&title.ID, &title.Name, &title.Publisher, &title.CurrentVersion, &title.LastModified}
	for i, name := range members {
		value, exists := object[name]
		text, isString := value.(string)
		switch {
		case !exists:
			problem = "has no member " + name
		case !isString:
			problem = "has a member " + name + " that is not a string"
		}
		*targets[i] = text
	}
	return title, problem
}

// checkIDs checks that ids are valid and unique without regard to case.
func (e *examination) checkIDs(titles []patch.Summary) {
	seen := map[string]string{}
	for _, t := range titles {
		folded := strings.ToLower(t.ID)
		other, twice := seen[folded]
		switch seen[folded] = t.ID; {
		case !patch.ValidID(t.ID):
			e.addf(CheckIDs, Error, "the id %s is not valid: use 1 to %d of A-Z a-z 0-9 . _ -",
				quote(t.ID), patch.MaxIDLength)
		case twice && other == t.ID:
			e.addf(CheckIDs, Error, "the id %s is in the list twice: remove one of the titles", quote(t.ID))
		case twice:
			e.addf(CheckIDs, Error, "the ids %s and %s differ only in case: rename one of the titles",
				quote(other), quote(t.ID))
		}
	}
	if !e.failed(CheckIDs) {
		e.add(CheckIDs, OK, "all ids are valid and unique")
	}
}

// checkTimes checks lastModified of the titles.
func (e *examination) checkTimes(titles []patch.Summary) {
	latest := e.now().Add(clockSkew)
	for _, t := range titles {
		modified, err := patch.ParseTime(t.LastModified)
		switch {
		case err != nil:
			e.addf(CheckLastModified, Error, "%s has the lastModified %s, which is not a time: write it as "+
				"2018-02-02T17:39:58Z", quote(t.ID), quote(t.LastModified))
		case modified.After(latest):
			e.addf(CheckLastModified, Error, "%s has the lastModified %s, which is in the future: Jamf Pro may "+
				"miss later changes; check the clock of the server, and save the title again",
				quote(t.ID), quote(t.LastModified))
		}
	}
	if !e.failed(CheckLastModified) {
		e.add(CheckLastModified, OK, "all times of change are valid and not in the future")
	}
}

// summaries returns the entries of a list that have the form of one.
func summaries(body []byte) (titles []patch.Summary) {
	var entries []json.RawMessage
	if json.Unmarshal(body, &entries) != nil {
		return nil
	}
	for _, entry := range entries {
		if title, problem := parseSummary(entry); problem == "" {
			titles = append(titles, title)
		}
	}
	return titles
}
