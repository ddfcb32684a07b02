package setup

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/httpapi/webui"
)

func TestAddress(t *testing.T) {
	itself := serve(t, Recognize(key, http.NotFoundHandler()))
	encrypted := serveTLS(t, Recognize(key, http.NotFoundHandler()), (*authority)(nil).issue(t, nil))
	other := serve(t, Recognize([]byte("another key"), http.NotFoundHandler()))
	redirecting := serve(t, http.RedirectHandler("https://elsewhere.example/", http.StatusMovedPermanently))
	const name = "http://patches.example.com"
	notInDNS := func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: "patches.example.com", IsNotFound: true}
	}
	for _, test := range []struct {
		name, base, origin string
		dial               func(context.Context, string, string) (net.Conn, error)
		state              webui.SetupState
		texts              []string
	}{
		{
			"no base URL", "", "https://p.example.org", nil, webui.SetupTodo,
			[]string{"not set", "http://machine:8080", "--base-url https://p.example.org",
				"PATCHSOURCE_BASE_URL=https://p.example.org"},
		},
		{
			"no base URL, on this machine", "", "http://127.0.0.1:8080", nil, webui.SetupTodo,
			[]string{"--base-url https://patches.example.com"},
		},
		{"found", name, name, dialing(itself), webui.SetupDone, []string{"reaches itself"}},
		{
			"found at the port by default", name + ":80", "HTTP://Patches.example.com", dialing(itself),
			webui.SetupDone, nil,
		},
		{
			"found with a certificate that is not trusted", "https://patches.example.com",
			"https://patches.example.com",
			dialing(encrypted), webui.SetupDone, nil,
		},
		{
			"found on this machine", itself, itself, nil, webui.SetupWarning,
			[]string{"this machine only", "--addr :8080"},
		},
		{
			"the browser is elsewhere", name, "https://patches.example.com", dialing(itself), webui.SetupWarning,
			[]string{"opened this page at https://patches.example.com", "--base-url https://patches.example.com"},
		},
		{
			"another server", name, name, dialing(other), webui.SetupFailed,
			[]string{"another server answers (status 404)", "reverse proxy"},
		},
		{
			"a redirect", name, name, dialing(redirecting), webui.SetupFailed,
			[]string{"redirect to https://elsewhere.example/ (status 301)", "does not follow"},
		},
		{"not reachable", unused(t), name, nil, webui.SetupFailed, []string{"refused", "patchsource doctor"}},
		{"not in DNS", name, name, notInDNS, webui.SetupFailed, []string{"patches.example.com does not exist in DNS"}},
		{
			"a password", "https://user:secret@patches.example.com", name, nil, webui.SetupFailed,
			[]string{"cannot use this base URL"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{BaseURL: test.base, Fallback: "http://machine:8080", Key: key, Dial: test.dial}
			f := check(t, c, "address", webui.SetupVisit{Origin: test.origin})
			want(t, f, test.state, test.texts...)
			if strings.Contains(words(f), "secret") {
				t.Errorf("the finding shows a password: %s", words(f))
			}
		})
	}
}

// A check ends in time, and when the visitor hangs up, although the server does not answer.
func TestHangingServer(t *testing.T) {
	release := make(chan struct{})
	hanging := serve(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(release) })
	setup := New(Config{BaseURL: hanging, Key: key, Titles: func() int { return 1 }})
	for _, id := range []string{"address", "certificate", "title", "report"} {
		t.Run(id, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			begun := time.Now()
			want(t, stepOf(t, setup, id).Check(ctx, webui.SetupVisit{}), webui.SetupFailed)
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("the check took %s", took)
			}
		})
	}
}

// Only challenges are answered, and only where they belong.
func TestRecognize(t *testing.T) {
	h := Recognize(key, http.NotFoundHandler())
	for _, test := range []struct {
		name, path, challenge string
		answered              bool
	}{
		{"a challenge", "/healthz", "abc", true},
		{"none", "/healthz", "", false},
		{"too long", "/healthz", strings.Repeat("x", maxChallenge+1), false},
		{"another path", "/jamf/v1/software", "abc", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", test.path, nil)
			r.Header.Set(selfHeader, test.challenge)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if answer := w.Header().Get(selfHeader); (answer != "") != test.answered || answer == test.challenge &&
				answer != "" {
				t.Errorf("the answer is %q", answer)
			}
		})
	}
}
