package answer

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// notModified reports whether the client has the document already, in either encoding, and returns the ETag that it
// sent.
func notModified(r *http.Request, doc Document) (etag string, ok bool) {
	if tags := r.Header["If-None-Match"]; len(tags) > 0 {
		for tag := range EntityTags(tags) {
			// GET compares weakly: W/"x" equals "x".
			tag = strings.TrimPrefix(tag, "W/")
			if tag == "*" {
				return "", true
			}
			if tag == doc.ETag() || tag == doc.GzipETag() {
				return tag, true
			}
		}
		return "", false // If-Modified-Since is ignored if there is an If-None-Match
	}
	lines := r.Header["If-Modified-Since"]
	if len(lines) == 0 {
		return "", false
	}
	since, err := http.ParseTime(lines[0])
	return "", err == nil && !doc.Changed().IsZero() && !doc.Changed().After(since)
}

// EntityTags yields the tags of an If-Match or If-None-Match header.
func EntityTags(lines []string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for _, line := range lines {
			// The tags of this server have no comma; a tag that has one matches nothing, whole or in parts.
			for tag := range strings.SplitSeq(line, ",") {
				if tag = strings.Trim(tag, " \t"); tag != "" && !yield(tag) {
					return
				}
			}
		}
	}
}

// acceptsGzip reports whether a client accepts gzip (RFC 9110, section 12.5.3).
func acceptsGzip(lines []string) bool {
	anything := false
	for _, line := range lines {
		for part := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(part, ";")
			coding = strings.Trim(coding, " \t")
			switch {
			case strings.EqualFold(coding, "gzip"), strings.EqualFold(coding, "x-gzip"):
				return quality(params) > 0
			case coding == "*":
				anything = quality(params) > 0
			}
		}
	}
	return anything
}

// quality returns the q among a coding's parameters, and 1 if there is none.
func quality(params string) float64 {
	name, value, ok := strings.Cut(params, "=")
	if !ok || !strings.EqualFold(strings.Trim(name, " \t"), "q") {
		return 1
	}
	q, err := strconv.ParseFloat(strings.Trim(value, " \t"), 64)
	if err != nil {
		return 0
	}
	return q
}

// wantsPretty reports whether a client asks for indented JSON, by ?pretty or by an indent in its Accept.
func wantsPretty(r *http.Request) bool {
	if strings.Contains(r.URL.RawQuery, "pretty") {
		if q := r.URL.Query(); q.Has("pretty") && q.Get("pretty") != "0" && q.Get("pretty") != "false" {
			return true
		}
	}
	for _, line := range r.Header["Accept"] {
		if !strings.Contains(line, "indent") {
			continue // in nearly every request
		}
		for part := range strings.SplitSeq(line, ",") {
			mediaType, params, err := mime.ParseMediaType(part)
			if err == nil && mediaType == "application/json" && params["indent"] != "" && params["indent"] != "0" {
				return true
			}
		}
	}
	return false
}
