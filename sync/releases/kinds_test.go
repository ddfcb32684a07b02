package releases

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

// linesKind is a kind of an embedding program: a version in each line.
type linesKind struct{}

func (linesKind) Request(f recipe.Feed, _ bool) (Request, error) { return feedRequest(f) }

func (linesKind) Read(_ recipe.Feed, a Answer) ([]recipe.Release, *Request, error) {
	return list(strings.Fields(string(a.Body))...), nil, nil
}

func TestNew(t *testing.T) {
	for name, kind := range map[string]Kind{
		"sparkle": linesKind{}, "Lines": linesKind{}, "": linesKind{}, "lines": nil,
	} {
		if _, err := New(map[string]Kind{name: kind}); err == nil {
			t.Errorf("New accepts the kind %q, %v", name, kind)
		}
	}
}

func TestExtraKind(t *testing.T) {
	kinds, err := New(map[string]Kind{"lines": linesKind{}})
	if err != nil {
		t.Fatal(err)
	}
	f := recipe.Feed{Kind: "lines", URL: "https://Vendor.example:8443/versions"}
	if err := kinds.Check(recipe.Watch{Feed: f}); err != nil {
		t.Error(err)
	}
	if got := kinds.Host(f); got != "vendor.example:8443" {
		t.Errorf("Host = %q", got)
	}
	if !kinds.Restricted(f) {
		t.Error("an extra kind is not restricted")
	}
	found, _, err := kinds.Read(f, Answer{Body: []byte("1.0 2.0")})
	if err != nil || len(found) != 2 {
		t.Errorf("Read = %+v, %v", found, err)
	}
	for name, body := range map[string]string{
		"no release": " ", "too many releases": strings.Repeat("1 ", MaxReleases+1),
	} {
		if _, _, err := kinds.Read(f, Answer{Body: []byte(body)}); !errors.Is(err, ErrUnreadable) {
			t.Errorf("%s: Read returned %v", name, err)
		}
	}
}

// faultyKind panics.
type faultyKind struct{ inRequest bool }

func (k faultyKind) Request(f recipe.Feed, _ bool) (Request, error) {
	if k.inRequest {
		panic("a fault in Request")
	}
	return feedRequest(f)
}

func (faultyKind) Read(recipe.Feed, Answer) ([]recipe.Release, *Request, error) {
	var none []recipe.Release
	return none[:1], nil, nil
}

// A panic in a Kind is an error of the feed, and the log has the stack.
func TestPanicInKind(t *testing.T) {
	kinds, err := New(map[string]Kind{"faulty": faultyKind{}, "worse": faultyKind{inRequest: true}})
	if err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	kinds = kinds.WithLogger(slog.New(slog.NewTextHandler(&log, nil)))
	f := recipe.Feed{Kind: "faulty", URL: "https://vendor.example/versions"}
	if err := kinds.Check(recipe.Watch{Feed: f}); err != nil {
		t.Errorf("Check: %v", err)
	}
	_, _, err = kinds.Read(f, Answer{Body: []byte("1.0")})
	if !errors.Is(err, ErrUnreadable) || !strings.Contains(err.Error(), `the kind "faulty"`) {
		t.Errorf("Read: %v", err)
	}
	if !strings.Contains(log.String(), "out of range") || !strings.Contains(log.String(), "faultyKind.Read") {
		t.Errorf("the log has no stack: %s", log.String())
	}
	f.Kind = "worse"
	if _, err := kinds.Request(f, false); !errors.Is(err, ErrUnreadable) {
		t.Errorf("Request: %v", err)
	}
	if err := kinds.Check(recipe.Watch{Feed: f}); !errors.Is(err, patch.ErrInvalid) {
		t.Errorf("Check: %v, want a failure of /feed", err)
	}
	if host := kinds.Host(f); host != "" {
		t.Errorf("Host = %q", host)
	}
}

func TestRestricted(t *testing.T) {
	kinds, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	for kind := range builtInKinds {
		want := strings.Contains(" json xml plist text redirect ", " "+kind+" ")
		if got := kinds.Restricted(recipe.Feed{Kind: kind}); got != want {
			t.Errorf("Restricted(%s) = %v, want %v", kind, got, want)
		}
	}
}

func TestCheckListsAllFailures(t *testing.T) {
	kinds, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		watch recipe.Watch
		paths []string
	}{
		{recipe.Watch{}, []string{"/feed/kind"}},
		{recipe.Watch{Feed: recipe.Feed{Kind: "nope", URL: "https://vendor.example/"}}, []string{"/feed/kind"}},
		{recipe.Watch{Feed: recipe.Feed{Kind: "sparkle"}}, []string{"/feed/url"}},
		{
			recipe.Watch{Feed: recipe.Feed{Kind: "github", Repo: "x", Include: "("}, Policy: recipe.Policy{Mode: "x"}},
			[]string{"/feed/include", "/policy/mode", "/feed/repo"},
		},
		{
			recipe.Watch{Feed: recipe.Feed{Kind: "sparkle", URL: "https://vendor.example/", Match: "("}},
			[]string{"/feed/match"},
		},
	}
	for _, tt := range tests {
		var v *patch.ValidationError
		if err := kinds.Check(tt.watch); !errors.As(err, &v) || !errors.Is(err, patch.ErrInvalid) {
			t.Errorf("Check(%+v): %v", tt.watch, err)
			continue
		}
		seen := map[string]bool{}
		for _, f := range v.Failures {
			seen[f.Path] = true
		}
		for _, p := range tt.paths {
			if !seen[p] {
				t.Errorf("Check(%+v) = %v, want a failure of %s", tt.watch, v.Failures, p)
			}
		}
		if len(seen) != len(v.Failures) {
			t.Errorf("Check(%+v) reports a member twice: %v", tt.watch, v.Failures)
		}
	}
}

// Requests never have credentials, whatever a feed says.
func TestRequestHeaders(t *testing.T) {
	f := recipe.Feed{
		Kind: "sparkle", URL: "https://vendor.example/a.xml", UserAgent: "curl", Referer: "https://vendor.example/",
	}
	kinds, err := New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := kinds.Request(f, true)
	got := fmt.Sprint(r.Header)
	if want := "map[Referer:[https://vendor.example/] User-Agent:[curl/8.7.1]]"; err != nil || got != want {
		t.Errorf("the headers are %s, %v, want %s", got, err, want)
	}
}
