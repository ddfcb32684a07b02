package patchsync_test

import (
	"strings"
	"testing"
	"time"

	patchsync "github.com/patchsource/patchsource/sync"
)

// New returns an error for missing parts and invalid options, and never panics.
func TestNewErrors(t *testing.T) {
	st := newStore()
	c := openCatalog(t, st)
	if _, err := patchsync.New(nil, st, nil); err == nil {
		t.Error("without a catalog: no error")
	}
	if _, err := patchsync.New(c, nil, nil); err == nil {
		t.Error("without a store: no error")
	}
	source := patchsync.PatchSource(vendor, nil)
	mirrors := func(all ...patchsync.Mirror) patchsync.Options { return patchsync.Options{Mirrors: all} }
	follow := func(s patchsync.Source) patchsync.Options { return mirrors(patchsync.Mirror{Source: s}) }
	address := func(a string) patchsync.Options { return follow(patchsync.PatchSource(a, nil)) }
	for name, o := range map[string]patchsync.Options{
		"a negative interval":        {Interval: -time.Second},
		"a negative lease":           {Lease: -time.Second},
		"no source":                  mirrors(patchsync.Mirror{}),
		"a share above 1":            mirrors(patchsync.Mirror{Source: source, MaxRemoveShare: 1.5}),
		"an invalid author":          mirrors(patchsync.Mirror{Source: source, Author: "///"}),
		"a negative mirror interval": mirrors(patchsync.Mirror{Source: source, Interval: -1}),
		"one source twice":           mirrors(patchsync.Mirror{Source: source}, patchsync.Mirror{Source: source}),
		"one name twice": mirrors(patchsync.Mirror{Source: source, Name: "x"},
			patchsync.Mirror{Source: patchsync.Folder("."), Name: "x"}),
		"an empty address":      address(""),
		"no scheme":             address("vendor.example/jamf/v1"),
		"another scheme":        address("ftp://vendor.example/jamf/v1"),
		"no host":               address("https:///jamf/v1"),
		"a password":            address("https://user:hunter22@vendor.example/v1"),
		"a private address":     address("http://10.0.0.1/v1?hunter22"),
		"an invalid definition": follow(patchsync.Definition("d.json")),
		"a folder without path": mirrors(patchsync.Mirror{Name: "x", Source: patchsync.Folder("")}),
	} {
		_, err := patchsync.New(c, st, &o)
		if err == nil {
			t.Errorf("%s: no error", name)
		} else if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: the error contains the secret: %v", name, err)
		}
	}
}

// Negative limits mean no limit.
func TestNewWithoutLimits(t *testing.T) {
	w := newWorld(t)
	s := open(t, newStore(), w, patchsync.Options{Timeout: -1, MaxBytes: -1, PerHost: -1, Concurrency: -1})
	s.follow(here, definition("App", "1"), nil)
	w.define(here, definition("App", "2"))
	if _, err := s.sync.Sync(t.Context(), "App"); err != nil || s.version("App") != "2" {
		t.Errorf("version %s is served, error %v", s.version("App"), err)
	}
}
