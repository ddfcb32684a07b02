package webui_test

import (
	"encoding/base64"
	"errors"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/httpapi/webui"
	"github.com/patchsource/patchsource/patch"
)

func TestNew(t *testing.T) {
	for _, site := range []string{":", "patches.example.com", "https://patches.example.com:x", "/prefix"} {
		if _, err := webui.New(oneTitle(), &webui.Options{Site: site}); err == nil {
			t.Errorf("New accepts the site %q", site)
		}
	}
	if _, err := webui.New(nil, nil); err == nil {
		t.Error("New accepts a nil catalog")
	}
}

// Without an API, the page can only be read.
func TestReadOnly(t *testing.T) {
	h := newPage(oneTitle(), &webui.Options{Publishing: true})
	w := sendAsAdmin(h, "GET", "/titles/x", "")
	wantPage(t, w, 200)
	wantTexts(t, w, map[string]bool{"Sign in": false, "Delete": false})
	for request, want := range map[string]int{
		"GET /signin":             404,
		"POST /signin":            404,
		"POST /titles/x/delete":   404,
		"GET /titles/x/edit":      404,
		"POST /publish":           405,
		"GET /tokens":             404,
		"GET /titles/x/history/1": 404,
	} {
		method, path, _ := strings.Cut(request, " ")
		if w := send(h, method, path, ""); w.Code != want {
			t.Errorf("%s has status %d, want %d", request, w.Code, want)
		}
	}
}

// hostile is text that would be a script if it were not escaped.
const hostile = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`

func hostileCatalog() *fakeCatalog {
	c := patch.Criterion{Name: hostile, Operator: hostile, Value: hostile, Type: "recon"}
	return &fakeCatalog{
		titles: []webui.Title{{
			ID:        "x",
			Name:      hostile,
			Publisher: hostile,
			Author:    hostile,
			Version:   hostile,
			Follows:   "javascript:alert(1)",
			Trouble:   hostile,
		}},
		def: &patch.Definition{
			ID:           "x",
			Name:         hostile,
			Requirements: []patch.Criterion{c},
			ExtensionAttributes: []patch.ExtensionAttribute{
				{Key: hostile, DisplayName: hostile, Value: base64.StdEncoding.EncodeToString([]byte(hostile))},
				{Key: "y", Value: "!"},
			},
			Patches: []patch.Patch{{
				Version:                hostile,
				ReleaseDate:            hostile,
				MinimumOperatingSystem: hostile,
				Components:             []patch.Component{{Name: hostile, Criteria: []patch.Criterion{c, c}}},
				Capabilities:           []patch.Criterion{c},
				KillApps:               []patch.KillApp{{AppName: hostile}},
			}},
		},
	}
}

// Everything that authors have written is text.
func TestHostileTitles(t *testing.T) {
	c := hostileCatalog()
	for _, path := range []string{
		"/",
		"/titles/x",
		"/?q=%22%3E%3Cscript%3Ealert(1)",
		"/titles/%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
	} {
		w := readOnly(c, path)
		for _, text := range []string{"<script>", "<img", `href="javascript:`, " style=", " onclick="} {
			if strings.Contains(w.Body.String(), text) {
				t.Errorf("%s contains %s: %s", path, text, w.Body)
			}
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") ||
			w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s has the header %v", path, w.Header())
		}
	}
	// The script of the extension attribute is shown.
	wantPage(t, readOnly(c, "/titles/x"), 200, "&lt;script&gt;alert(1)")
}

// No page loads anything from another host.
func TestNoOtherHosts(t *testing.T) {
	links := regexp.MustCompile(`(?:src|href|action)="([^"]*)"`)
	for _, path := range []string{"/", "/titles/x", "/publish", "/nope"} {
		for _, m := range links.FindAllStringSubmatch(readOnly(oneTitle(), path).Body.String(), -1) {
			link := m[1]
			if !strings.HasPrefix(link, "/") && !strings.HasPrefix(link, "#") || strings.HasPrefix(link, "//") {
				t.Errorf("%s has a link to %s", path, link)
			}
			if !strings.HasPrefix(link, "/ui/") {
				continue
			}
			w := readOnly(oneTitle(), link)
			if w.Code != 200 || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s has status %d and the header %v", link, w.Code, w.Header())
			}
		}
	}
}

// Assets are the same for all visitors, so the API is not asked who the visitor is.
func TestAssets(t *testing.T) {
	api := &fakeAPI{}
	h := newPage(oneTitle(), &webui.Options{API: api})
	assets := regexp.MustCompile(`"(/ui/[^"]*)"`)
	found := assets.FindAllStringSubmatch(send(h, "GET", "/", "").Body.String(), -1)
	if len(found) != 3 {
		t.Errorf("the page loads %v, want 3 assets", found)
	}
	for _, m := range found {
		w := send(h, "GET", m[1], "", "Cookie", "patchsource_token=ended")
		if w.Code != 200 || len(w.Result().Cookies()) > 0 ||
			!strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s has status %d and the header %v", m[1], w.Code, w.Header())
		}
	}
	if len(api.requests) > 0 {
		t.Errorf("the API was asked %v", api.requests)
	}
}

func TestStatuses(t *testing.T) {
	c := oneTitle()
	for path, want := range map[string]int{
		"/titles/nope": 404, "/titles/": 404, "/ui/nope.css": 404, "/publish": 200, "/titles/x": 200,
	} {
		w := readOnly(c, path)
		if w.Code != want || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
			t.Errorf("%s has status %d, want %d, and the header %v", path, w.Code, want, w.Header())
		}
	}
	h := newPage(c, nil)
	if w := send(h, "POST", "/", ""); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("POST / has status %d and the header %v", w.Code, w.Header())
	}
	if w := send(h, "HEAD", "/", ""); w.Code != 200 || w.Body.Len() != 0 || w.Header().Get("Content-Length") == "" {
		t.Errorf("HEAD / has status %d, the header %v and %d bytes", w.Code, w.Header(), w.Body.Len())
	}
	c.err = errors.New("dial db: password hunter2 refused")
	w := readOnly(c, "/titles/x")
	wantPage(t, w, 503)
	wantTexts(t, w, map[string]bool{"hunter2": false})
}

// A request with a method that a page does not have is answered with those that it has.
func TestMethods(t *testing.T) {
	h := newPage(oneTitle(), &webui.Options{API: &fakeAPI{}})
	for _, test := range []struct {
		method, path string
		status       int
		allow        string
	}{
		{"POST", "/", 405, "GET, HEAD"},
		{"DELETE", "/titles/x", 405, "GET, HEAD"},
		{"PUT", "/signin", 405, "GET, HEAD, POST"},
		{"GET", "/signout", 405, "POST"},
		{"HEAD", "/titles/x/sync", 405, "POST"},
		{"GET", "/titles/x/nope", 404, ""},
		{"GET", "/titles//x", 404, ""},
		{"GET", "/titles/x/", 404, ""},
		{"GET", "/titles/../titles/x", 404, ""},
		{"HEAD", "/titles/x", 200, ""},
	} {
		w := send(h, test.method, test.path, "")
		if w.Code != test.status || w.Header().Get("Allow") != test.allow {
			t.Errorf("%s %s has status %d and allows %q, want %d and %q",
				test.method, test.path, w.Code, w.Header().Get("Allow"), test.status, test.allow)
		}
	}
}

func TestServes(t *testing.T) {
	for _, test := range []struct {
		path, accept string
		want         bool
	}{
		{"/", "text/html,application/xhtml+xml,*/*;q=0.8", true},
		{"/", "", true},
		{"/", "*/*", true},
		{"/", "application/json", false},
		{"/", "application/json, text/html", true},
		{"/jamf/v1/software", "text/html", false},
		{"/software", "text/html", false},
		{"/patch/x", "text/html", false},
		{"/api/v1/titles", "text/html", false},
		{"/subscribe", "text/html", false},
		{"/titles", "", true},
		{"/titles/x", "application/json", true},
		{"/titlesx", "", false},
		{"/publish", "", true},
		{"/tokens", "", true},
		{"/feeds/new", "", true},
		{"/proposals", "", true},
		{"/ui/x", "", true},
		{"/api/v1/contributors/verify", "text/html", true},
		{"/api/v1/contributors/verify", "*/*", false},
	} {
		r := httptest.NewRequest("GET", test.path, nil)
		r.Header.Set("Accept", test.accept)
		if got := webui.Serves(r); got != test.want {
			t.Errorf("Serves(%s) with Accept %q is %v", test.path, test.accept, got)
		}
	}
}

// Under a prefix, all links have the prefix.
func TestPrefix(t *testing.T) {
	h := newPage(oneTitle(), &webui.Options{
		API: &fakeAPI{}, Site: "https://p.example.com/patch/", Publishing: true,
	})
	links := regexp.MustCompile(`(?:src|href|action|formaction)="([^"]*)"`)
	for _, path := range []string{
		"/", "/titles/x", "/publish", "/signin", "/upload", "/titles/x/version", "/titles/x/edit", "/backup", "/nope",
		"/?q=x&sort=version", "/feeds", "/feeds/new", "/titles/x/watch", "/titles/x/watch/end",
	} {
		w := sendAsAdmin(h, "GET", path, "")
		found := links.FindAllStringSubmatch(w.Body.String(), -1)
		for _, m := range found {
			if !strings.HasPrefix(m[1], "/patch/") && !strings.HasPrefix(m[1], "#") {
				t.Errorf("%s has a link to %s", path, m[1])
			}
		}
		if len(found) < 8 || !strings.Contains(w.Body.String(), ">p.example.com/patch/jamf/v1</code>") {
			t.Errorf("%s has %d links: %s", path, len(found), w.Body)
		}
	}
	w := sendAsAdmin(h, "POST", "/titles/x/delete", "")
	if got := w.Header().Get("Location"); got != "/patch/" {
		t.Errorf("deleting a title leads to %q, want /patch/", got)
	}
}

// The page shows what to enter in Jamf Pro, field by field.
func TestJamfFields(t *testing.T) {
	copyButton := regexp.MustCompile(` <button[^>]*>Copy</button>`)
	for site, want := range map[string]string{
		"https://p.example.com":       "Server <code>p.example.com/jamf/v1</code>, port 443, with SSL",
		"https://p.example.com/patch": "Server <code>p.example.com/patch/jamf/v1</code>, port 443, with SSL",
		"http://p.example.com:8080":   "Server <code>p.example.com/jamf/v1</code>, port 8080, without SSL",
		"http://[2001:db8::1]":        "Server <code>[2001:db8::1]/jamf/v1</code>, port 80, without SSL",
		// The host of the request.
		"": "Server <code>example.com/jamf/v1</code>, port 80, without SSL",
	} {
		body := send(newPage(oneTitle(), &webui.Options{Site: site}), "GET", "/titles/x", "").Body.String()
		if body = copyButton.ReplaceAllString(body, ""); !strings.Contains(body, want) {
			t.Errorf("the page of the site %q does not contain %q: %s", site, want, body)
		}
	}
}
