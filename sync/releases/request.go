package releases

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// invalid returns a *patch.ValidationError with one failure.
func invalid(path, format string, args ...any) error {
	return &patch.ValidationError{Failures: []patch.Failure{{Path: path, Message: fmt.Sprintf(format, args...)}}}
}

// agents are the names of User-Agent headers in feeds.
var agents = map[string]string{
	"browser": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) " +
		"Version/18.5 Safari/605.1.15",
	"curl": "curl/8.7.1",
}

// feedRequest returns a request for the URL of a feed with the method and the headers that the feed asks for.
func feedRequest(f recipe.Feed) (Request, error) {
	if err := checkURL(f.URL); err != nil {
		return Request{}, err
	}
	r := Request{Method: f.Method, URL: f.URL, Header: http.Header{}}
	setHeader(&r, f)
	return r, nil
}

// setHeader sets the headers that a feed asks for.
func setHeader(r *Request, f recipe.Feed) {
	if agent, ok := agents[f.UserAgent]; ok {
		r.Header.Set("User-Agent", agent)
	} else if f.UserAgent != "" {
		r.Header.Set("User-Agent", f.UserAgent)
	}
	if f.Referer != "" {
		r.Header.Set("Referer", f.Referer)
	}
}

// checkURL returns a *patch.ValidationError if the URL of a feed is not absolute, or not of HTTP.
func checkURL(text string) error {
	if text == "" {
		return invalid("/feed/url", "is missing: enter the address of the feed")
	}
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || !strings.EqualFold(u.Scheme, "https") && !strings.EqualFold(u.Scheme, "http") {
		return invalid("/feed/url", "must be an absolute address that begins with https:// or http://")
	}
	return nil
}

// checkStatus returns an ErrUnreadable if an answer is none of success. An answer without a status is one of success.
func checkStatus(a Answer) error {
	switch {
	case a.Status == 0, 200 <= a.Status && a.Status < 300:
		return nil
	case 300 <= a.Status && a.Status < 400:
		return unreadable("the server answered %s, a redirect that is not followed", statusText(a.Status))
	}
	return unreadable("the server answered %s", statusText(a.Status))
}

// statusText returns a status code with its name, such as "404 Not Found".
func statusText(code int) string {
	return strings.TrimSpace(fmt.Sprintf("%d %s", code, http.StatusText(code)))
}
