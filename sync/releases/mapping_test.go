package releases

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
)

func TestVersionOf(t *testing.T) {
	tests := []struct {
		name           string
		feed           recipe.Feed
		subject        string
		groups         map[string]string
		version, build string
		ok             bool
	}{
		{"no words", recipe.Feed{}, " 1.2 ", map[string]string{"build": "7"}, "1.2", "7", true},
		{"empty", recipe.Feed{}, " ", nil, "", "", false},
		{
			"group version", recipe.Feed{Match: `App (?P<build>\d+) (?P<version>[\d.]+)`}, "App 7 1.2", nil, "1.2",
			"7", true,
		},
		{"first group", recipe.Feed{Match: `App ([\d.]+)`}, "App 1.2", nil, "1.2", "", true},
		{"whole match", recipe.Feed{Match: `[\d.]+`}, "App 1.2", nil, "1.2", "", true},
		{"no match", recipe.Feed{Match: `\d`}, "App", nil, "", "", false},
		{"as", recipe.Feed{As: "{version} ({build})"}, "1.2", map[string]string{"build": "7"}, "1.2 (7)", "7", true},
		{"as without a build", recipe.Feed{As: "{version} ({build})"}, "1.2", nil, "", "", false},
		{"as of groups", recipe.Feed{Match: `(?P<a>\d)-(?P<b>\d)`, As: "{a}.{b}"}, "1-2", nil, "1.2", "", true},
		{
			"as of fields", recipe.Feed{As: "{major}.{minor}"}, "", map[string]string{"major": "1", "minor": "2"},
			"1.2", "", true,
		},
		{
			"only a build", recipe.Feed{Match: `Build (?P<build>\d+)`, As: "Build {build}"}, "Build 9", nil, "Build 9",
			"9", true,
		},
		{
			"optional group keeps the value of the feed", recipe.Feed{Match: `(?P<version>[\d.]+)(?:b(?P<build>\d+))?`},
			"1.2", map[string]string{"build": "7"}, "1.2", "7", true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			version, build, ok, err := versionOf(tt.feed, tt.subject, tt.groups)
			if err != nil || version != tt.version && tt.ok || build != tt.build && tt.ok || ok != tt.ok {
				t.Errorf("versionOf = %q, %q, %v, %v, want %q, %q, %v", version, build, ok, err, tt.version, tt.build,
					tt.ok)
			}
		})
	}
}

func TestVersionOfInvalidWords(t *testing.T) {
	for _, f := range []recipe.Feed{{Match: "("}, {As: "{x}"}, {As: "{version"}} {
		if _, _, _, err := versionOf(f, "1.2", nil); err == nil {
			t.Errorf("versionOf(%+v) returned no error", f)
		}
	}
}

// A template with many copies of a long value must not multiply its length.
func TestVersionOfIsBounded(t *testing.T) {
	f := recipe.Feed{As: strings.Repeat("{version}", 100)}
	version, _, _, err := versionOf(f, strings.Repeat("9", 1<<20), nil)
	if err != nil || len(version) != maxVersion+1 {
		t.Errorf("versionOf returned %d bytes, %v", len(version), err)
	}
}
