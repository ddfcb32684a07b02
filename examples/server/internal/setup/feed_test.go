package setup

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/httpapi/webui"
)

// replacing returns a source in whose answers a text is replaced by another.
func replacing(source http.Handler, from, to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := r.Clone(r.Context())
		inner.Header.Del("Accept-Encoding")
		recorder := httptest.NewRecorder()
		source.ServeHTTP(recorder, inner)
		for name, values := range recorder.Header() {
			w.Header()[name] = values
		}
		w.Header().Del("Content-Length")
		w.WriteHeader(recorder.Code)
		_, _ = w.Write([]byte(strings.ReplaceAll(recorder.Body.String(), from, to)))
	})
}

func TestFirstTitle(t *testing.T) {
	one := newSource(t, "App")
	for _, test := range []struct {
		name, base string
		titles     int
		state      webui.SetupState
		texts      []string
	}{
		{"an empty server", serve(t, newSource(t)), 0, webui.SetupTodo, []string{"create the first"}},
		{"a title", serve(t, one), 1, webui.SetupDone, []string{"lists 1 title", "its definition"}},
		{
			"two titles", serve(t, newSource(t, "App", "Other")), 2, webui.SetupDone,
			[]string{"2 titles", "all definitions"},
		},
		{
			"with a certificate that is not trusted", serveTLS(t, one, (*authority)(nil).issue(t, nil)), 1,
			webui.SetupDone,
			nil,
		},
		{
			"a broken definition", serve(t, replacing(one, `"patches":[`, `"patches":["no",`)), 1, webui.SetupFailed,
			[]string{"App is refused by Jamf Pro"},
		},
		{
			"a warning", serve(t, replacing(one, `"capabilities":[{`, `"capabilities":[],"x":[{`)), 1,
			webui.SetupWarning,
			[]string{"warning"},
		},
		{"the feed of another server", serve(t, newSource(t)), 1, webui.SetupFailed, []string{"Another server"}},
		{"no feed", serve(t, http.NotFoundHandler()), 1, webui.SetupFailed, []string{"status 404"}},
		{"not reachable", unused(t), 1, webui.SetupFailed, []string{"refused"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{BaseURL: test.base, Titles: func() int { return test.titles }}
			f := check(t, c, "title", webui.SetupVisit{})
			want(t, f, test.state, test.texts...)
			if len(f.Links) == 0 {
				t.Error("nothing leads to the pages on which titles are made")
			}
			c.BaseURL, c.Local = "", test.base // without a base URL
			want(t, check(t, c, "title", webui.SetupVisit{}), test.state, test.texts...)
		})
	}
}

func TestReport(t *testing.T) {
	one := newSource(t, "App")
	for _, test := range []struct {
		name, base string
		state      webui.SetupState
		texts      []string
	}{
		{
			"sound", serve(t, one), webui.SetupDone, []string{"Jamf Pro can use the feed",
				"done list The list has 1 title."},
		},
		{"empty", serve(t, newSource(t)), webui.SetupWarning, []string{"1 warning", "warning list"}},
		{
			"broken", serve(t, replacing(one, `"patches":[`, `"patches":["no",`)), webui.SetupFailed,
			[]string{"until 1 error is mended", "failed definition"},
		},
		{"not reachable", unused(t), webui.SetupFailed, []string{"cannot be reached"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want(t, check(t, Config{BaseURL: test.base}, "report", webui.SetupVisit{}), test.state, test.texts...)
		})
	}
}

func TestJamfPro(t *testing.T) {
	read := func(agent string, browser bool) *server.Read {
		return &server.Read{At: time.Now(), Client: netip.MustParseAddr("192.0.2.7"), UserAgent: agent,
			Browser: browser}
	}
	for _, test := range []struct {
		name   string
		read   *server.Read
		shared bool
		state  webui.SetupState
		texts  []string
	}{
		{
			"nobody has read the feed", nil, false, webui.SetupTodo,
			[]string{"No client other than this machine", "--trusted-proxies 127.0.0.1/32",
				"Server: patches.example.com/jamf/v1",
				"Port: 443", "Use SSL: select it"},
		},
		{
			"a browser", read("Mozilla/5.0", true), false, webui.SetupTodo,
			[]string{"A browser has read", `"Mozilla/5.0"`},
		},
		{
			"a client", read("Java/17", false), false, webui.SetupDone,
			[]string{"A client has read", "192.0.2.7", `"Java/17"`},
		},
		{"a client without a name", read("", false), false, webui.SetupDone, []string{"does not say what it is"}},
		{"several servers", read("Java/17", false), true, webui.SetupDone, []string{"look at the others"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{BaseURL: "https://patches.example.com", Shared: test.shared,
				LastRead: func() (server.Read, bool) {
					if test.read == nil {
						return server.Read{}, false
					}
					return *test.read, true
				}}
			v := webui.SetupVisit{Server: "patches.example.com/jamf/v1", Port: "443", SSL: true}
			want(t, check(t, c, "jamf-pro", v), test.state, test.texts...)
		})
	}
}
