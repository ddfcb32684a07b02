package recipe_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

func TestParse(t *testing.T) {
	got := parse(t, []byte(rectangle))
	want := &recipe.Recipe{
		ID: "Rectangle", Name: "Rectangle", Publisher: "Ryan Hanson", AppName: "Rectangle.app",
		BundleID: "com.knollsoft.Rectangle", MinimumOperatingSystem: "10.15",
		Feed:   recipe.Feed{Kind: "github", Repo: "rxhanson/Rectangle", Asset: `\.dmg$`},
		Policy: recipe.Policy{Mode: recipe.Add, Hold: recipe.Duration(48 * 60 * 60 * 1e9)},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Every word of a recipe is read.
func TestParseEveryMember(t *testing.T) {
	for _, c := range []struct{ path, value string }{
		{"killApps", `[{"bundleId":"b","appName":"a"}]`},
		{"requirements", `[{"name":"n","operator":"is","value":"v","type":"recon","and":true}]`},
		{"extensionAttributes", `[{"key":"k","value":"IyEvYmluL3NoCg==","displayName":"d"}]`},
		{"feed/url", `"https://vendor.example:8443/a?b=c"`},
		{"feed/name", `"jetbrains:CL"`},
		{"feed/source", `"releases"`},
		{"feed/tag", `"^v(?P<version>[0-9.]+)$"`},
		{"feed/assetMatch", `"A-([0-9]+)"`},
		{"feed/channel", `"beta"`},
		{"feed/from", `"url"`},
		{"feed/items", `"$[*]"`},
		{"feed/version", `"$.version"`},
		{"feed/build", `"$.build"`},
		{"feed/date", `"$.date"`},
		{"feed/minOS", `"$.os"`},
		{"feed/rollout", `"$.fraction"`},
		{"feed/fields", `{"major":"$.Major","minor":"$.Minor"}`},
		{"feed/match", `"(?i)version (?P<version>\\d+)"`},
		{"feed/as", `"{version} ({build})"`},
		{"feed/pick", `"lowest"`},
		{"feed/header", `"x-amz-meta-version"`},
		{"feed/parts", `3`},
		{"feed/prereleases", `true`},
		{"feed/include", `"^1"`},
		{"feed/exclude", `"b"`},
		{"feed/major", `11`},
		{"feed/method", `"POST"`},
		{"feed/userAgent", `"browser"`},
		{"feed/referer", `"https://vendor.example/"`},
		{"policy/mode", `"propose"`},
		{"policy/hold", `"48h"`},
		{"policy/minRollout", `0`},
		{"policy/expect", `"^1"`},
		{"policy/interval", `"5m"`},
		{"policy/backfill", `50`},
		{"policy/patch", template},
	} {
		t.Run(c.path, func(t *testing.T) {
			r := parse(t, with(t, c.path, c.value))
			again := parse(t, marshal(t, r))
			if diff := cmp.Diff(r, again); diff != "" {
				t.Errorf("written and read again: %s", diff)
			}
			name := c.path[strings.IndexByte(c.path, '/')+1:]
			if !strings.Contains(string(marshal(t, r)), `"`+name+`"`) {
				t.Errorf("%s is lost", c.path)
			}
		})
	}
}

// Each failure has its place and a sentence with a remedy.
func TestParseFailures(t *testing.T) {
	long := func(n int) string { return `"` + strings.Repeat("a", n) + `"` }
	for _, c := range []struct{ name, path, value, want string }{
		{"no kind", "feed/kind", "null", "/feed/kind: is missing: add the kind of the feed: github, gitlab"},
		{"an empty kind", "feed/kind", `""`, "/feed/kind: must not be empty"},
		{"no feed", "feed", "null", `/feed: is missing: add the release feed, such as {"kind": "sparkle"`},
		{"a feed that is a string", "feed", `"github"`, "/feed: must be an object, not a string"},
		{"a file", "feed/url", `"file:///etc/passwd"`, "/feed/url: must be a whole address that begins with https://"},
		{"a host alone", "feed/url", `"vendor.example/a.xml"`, "/feed/url: must be a whole address"},
		{"no host", "feed/url", `"https:///a.xml"`, "/feed/url: must have a host"},
		{"a port that is none", "feed/url", `"https://a:b/"`, "/feed/url: is not an address: invalid port"},
		{"a line feed", "feed/userAgent", `"a\nb"`, "/feed/userAgent: has the control character U+000A at byte 1"},
		{"a long word", "feed/items", long(5000), "/feed/items: must have at most 4096 bytes, not 5000"},
		{"a parenthesis", "feed/match", `"("`, `/feed/match: has a ( without its ): add it`},
		{"look-ahead", "feed/match", `"a(?!b)"`, "/feed/match: has a look-ahead or look-behind, which RE2 does not"},
		{"look-behind", "feed/match", `"(?<=a)b"`, "/feed/match: has a look-ahead or look-behind"},
		{"a back reference", "feed/tag", `"(a)\\1"`, "/feed/tag: has a back reference"},
		{"a long expression", "feed/include", long(2000), "/feed/include: must have at most 1024 bytes, not 2000"},
		{"nested repetition", "feed/exclude", `"((a{1,30}){1,30})x"`, "/feed/exclude: is too large: it has "},
		{"a long word of an expression", "feed/match", long(600), "/feed/match: is too large: it has 602 steps"},
		{"many classes", "feed/asset", `"(?i)` + strings.Repeat(`\\pL`, 90) + `"`, "/feed/asset: is too costly"},
		{"a form without a name", "feed/as", `"1.2"`, `/feed/as: must have a name in braces, such as "{version}"`},
		{"an open brace", "feed/as", `"{version"`, `/feed/as: must have names in pairs of braces`},
		{"a closed brace", "feed/as", `"version}"`, `/feed/as: must have names in pairs of braces`},
		{"a name of a field", "feed/fields", `{"a b":"$"}`, "/feed/fields/a b: must have a name of letters"},
		{"an empty path", "feed/fields", `{"a":""}`, "/feed/fields/a: must not be empty: it is a path"},
		{"fields that are a list", "feed/fields", `[]`, "/feed/fields: must be an object of paths, not an array"},
		{"a method", "feed/method", `"DELETE"`, `/feed/method: must be GET, HEAD or POST, not "DELETE"`},
		{"pick", "feed/pick", `"first"`, `/feed/pick: must be highest or lowest, not "first"`},
		{"a header", "feed/header", `"a: b"`, `/feed/header: must be the name of a header`},
		{"negative parts", "feed/parts", `-1`, "/feed/parts: must be from 0 to 1000000, not -1"},
		{"parts that are no whole number", "feed/parts", `1.5`, "/feed/parts: must be a whole number without"},
		{"parts that are text", "feed/parts", `"3"`, "/feed/parts: must be a whole number, such as 3, not a string"},
		{"a huge major", "feed/major", `1e99`, "/feed/major: must be a whole number"},
		{"null in Go's place", "feed/prereleases", `"yes"`, "/feed/prereleases: must be true or false, not a string"},
		{"another spelling", "feed/useragent", `"x"`, "/feed/useragent: is not a member of a feed: write userAgent"},
		{"a slip", "feed/chanel", `"x"`, "/feed/chanel: is not a member of a feed: write channel"},
		{"another word", "feed/regex", `"x"`, "/feed/regex: is not a member of a feed: write match"},
		{"an unknown member", "policy/~", `"x"`, "/policy/~0: is not a member of a policy: remove it, or use"},
		{"the name of the facts", "minimumOS", `"12"`, "/minimumOS: is not a member of a recipe: write minimumOper"},
		{"a mode", "policy/mode", `"auto"`, `/policy/mode: must be add, propose or off, not "auto"`},
		{"hours without a unit", "policy/hold", `48`, `/policy/hold: must be a string with a unit, such as "48h"`},
		{"a hold without a unit", "policy/hold", `"48"`, `/policy/hold: "48" is not a duration, such as 48h, 30m`},
		{"a negative hold", "policy/hold", `"-1h"`, `/policy/hold: must be from "0h" to "8760h" (a year), not "-1h"`},
		{"no whole days", "policy/hold", `"1.5d"`, `/policy/hold: "1.5d" is not a number of days`},
		{"a short interval", "policy/interval", `"1m"`, `/policy/interval: must be from "5m" to "720h" (30 days)`},
		{"a percentage", "policy/minRollout", `50`, "/policy/minRollout: must be from 0 to 1, such as 0.5 for half"},
		{"an expectation", "policy/expect", `"["`, "/policy/expect: is not a regular expression of RE2: missing"},
		{"backfill", "policy/backfill", `51`, "/policy/backfill: must be from 0 to 50, not 51"},
		{"no bundle id", "bundleId", "null", "/bundleId: must not be empty: it is the application's CFBund"},
		{"an empty name", "name", `""`, "/name: must not be empty"},
		{"an id with a space", "id", `"a b"`, "/id: must be 1 to 255 of A-Z"},
		{"an app without .app", "appName", `"Rectangle"`, `/appName: must be the file name of the application, such`},
		{"a name of macOS", "minimumOperatingSystem", `"Big Sur"`, `/minimumOperatingSystem: must be a version`},
		{"a kill app that is text", "killApps", `["com.a"]`, "/killApps/0: must be an object, not a string"},
		{"a kill app without a name", "killApps", `[{"bundleId":"a"}]`, "/killApps/0/appName: is missing: add it"},
		{"a requirement without and", "requirements", `[{"name":"a","operator":"is","value":"b","type":"recon"}]`,
			"/requirements/0/and: is missing: add it"},
		{"a script that is not base64", "extensionAttributes", `[{"key":"k","value":"#!/bin/sh","displayName":"d"}]`,
			"/extensionAttributes/0/value: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := recipe.Parse(with(t, c.path, c.value))
			got := failures(t, err)
			if len(got) != 1 || !strings.HasPrefix(got[0], c.want) {
				t.Errorf("got %q, want one failure that begins with %q", got, c.want)
			}
		})
	}
}

// One pass lists the failures of all parts.
func TestParseAllFailures(t *testing.T) {
	_, err := recipe.Parse([]byte(`{"feed":{"url":3,"match":"(","Kind":"x"},"policy":{"mode":"x","patch":{}},
		"killApps":3}`))
	var paths []string
	for _, line := range failures(t, err) {
		path, _, _ := strings.Cut(line, ":")
		paths = append(paths, path)
	}
	for _, want := range []string{
		"/name", "/bundleId", "/killApps", "/feed/url", "/feed/match", "/feed/Kind", "/feed/kind", "/policy/mode",
		"/policy/patch/version",
	} {
		if !strings.Contains(strings.Join(paths, "\n")+"\n", want+"\n") {
			t.Errorf("no failure at %s: %q", want, paths)
		}
	}
}

func TestParseRefusesText(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       error
		message    string
	}{
		{"no JSON", `kind: github`, patch.ErrInvalid, "line 1"},
		{"a member twice", `{"feed":{"kind":"a","kind":"b"}}`, patch.ErrInvalid, `the member "kind" twice`},
		{"text after the end", rectangle + "x", patch.ErrInvalid, "after the end"},
		{"an array", `[]`, patch.ErrInvalid, "must be an object, not an array"},
		{"too large", `{"name":"` + strings.Repeat("a", recipe.MaxBytes) + `"}`, patch.ErrTooLarge, "1048576"},
		{"too deep", strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100), patch.ErrInvalid, "deeper than 64"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := recipe.Parse([]byte(c.text))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.message) {
				t.Errorf("Parse: %v, want %v with %q", err, c.want, c.message)
			}
			if _, err := recipe.ParseWatch([]byte(c.text)); !errors.Is(err, c.want) {
				t.Errorf("ParseWatch: %v, want %v", err, c.want)
			}
		})
	}
}

func TestParseWatch(t *testing.T) {
	w, err := recipe.ParseWatch([]byte(`{"feed":{"kind":"sparkle","url":"https://a.example/"},
		"policy":{"mode":"off"}}`))
	if err != nil || w.Feed.Kind != "sparkle" || w.Policy.Mode != recipe.Off {
		t.Errorf("ParseWatch = %+v, %v", w, err)
	}
	_, err = recipe.ParseWatch([]byte(`{"name":"A","feed":{"kind":"sparkle"}}`))
	want := []string{"/name: is not a member of a watch: remove it, or use one of feed, policy"}
	if diff := cmp.Diff(want, failures(t, err)); diff != "" {
		t.Error(diff)
	}
}

func TestParsePartial(t *testing.T) {
	r, err := recipe.ParsePartial([]byte(`{"feed":{"kind":"sparkle","url":"https://a.example/"}}`))
	if err != nil || r.Feed.URL != "https://a.example/" {
		t.Errorf("ParsePartial = %+v, %v", r, err)
	}
	_, err = recipe.ParsePartial([]byte(`{"id":"a b","bundleId":3,"feed":{"kind":"text","match":"("}}`))
	if got := failures(t, err); len(got) != 2 ||
		!strings.HasPrefix(got[0], "/bundleId: must be a string, not a number") ||
		!strings.HasPrefix(got[1], "/feed/match: ") {
		t.Errorf("the failures are %q, want those of bundleId's type and of match", got)
	}
}

// Failures are limited, and say so.
func TestParseLimitsFailures(t *testing.T) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, `"x%d":0,`, i)
	}
	_, err := recipe.Parse([]byte(`{` + b.String() + `"feed":{}}`))
	var invalid *patch.ValidationError
	if !errors.As(err, &invalid) || len(invalid.Failures) != patch.MaxFailures || !invalid.Truncated {
		t.Errorf("Parse: %v, want %d failures and more", err, patch.MaxFailures)
	}
}
