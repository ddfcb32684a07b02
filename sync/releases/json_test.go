package releases_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
)

func TestJSON(t *testing.T) {
	version := func(path string) recipe.Feed { return recipe.Feed{Kind: "json", Version: path} }
	const browser = `{"releases": [
		{"version": "151.0.1.2", "fraction": 1, "serving": {"startTime": "2026-03-01T10:00:00.5Z"}},
		{"version": "152.0.1.2", "fraction": 0.05, "serving": {"startTime": "2026-03-02T10:00:00Z"}},
		{"version": "152.0.1.2", "fraction": 0.01, "serving": {"startTime": "2026-03-01T20:00:00Z"}}]}`
	const suites = `{"packages": [
		{"id": "WRITE", "short": "16.112.0 (26081010)", "min": "14.0", "day": "August 18, 2026"},
		{"id": "COUNT", "short": "16.111.3 (26080215)", "min": "14.0", "day": "August 2, 2026"}]}`
	runFeedTests(t, []feedTest{
		{"a member", version("$.version"), `{"version": "1.2.3"}`, "1.2.3"},
		{"a number keeps its notation", version("$.latest"), `{"latest": 1.10}`, "1.10"},
		{"a number and a form", recipe.Feed{Kind: "json", Version: "$.latest", As: "Build {version}"},
			`{"latest": 4200}`,
			"Build 4200"},
		{"a rollout in parts", recipe.Feed{
			Kind: "json", Items: "$.releases[*]", Version: "$.version", Date: "$.serving.startTime",
			Rollout: "$.fraction",
		}, browser, "152.0.1.2 2026-03-01 5%, 151.0.1.2 2026-03-01"},
		{"a filter on the rollout", recipe.Feed{
			Kind: "json", Items: "$.releases[?@.fraction==1]", Version: "$.version",
		}, browser, "151.0.1.2"},
		{"a filter, a match, a date in words and a minimum", recipe.Feed{
			Kind: "json", Items: `$.packages[?@.id=="WRITE"]`, Version: "$.short", MinOS: "$.min", Date: "$.day",
			Match: `^(?P<version>\d+\.\d+(?:\.[1-9]\d*)?)(?:\.0)? \((?P<build>\d+)\)$`,
		}, suites, "16.112 (26081010) 2026-08-18 macOS 14.0"},
		{"fields and a form", recipe.Feed{
			Kind: "json", Items: "$[*]", Fields: map[string]string{"major": "$.Major", "minor": "$.Minor"},
			As: "20{major}.{minor}",
		}, `[{"Major": 25, "Minor": 1}, {"Major": 26, "Minor": 0}]`, "2026.0, 2025.1"},
		{"items of an array as fields", recipe.Feed{
			Kind: "json", Items: "$.full", Fields: map[string]string{"a": "$.host[0]", "b": "$.host[1]",
				"c": "$.host[2]"},
			As: "{a}.{b}.{c}",
		}, `{"full": {"host": [0, 0, 341]}}`, "0.0.341"},
		{"several versions, and builds as many", recipe.Feed{
			Kind: "json", Version: "$.all[*].v", Build: "$.all[*].b",
		}, `{"all": [{"v": "1.0", "b": 10}, {"v": "1.1", "b": 11}]}`, "1.1 (11), 1.0 (10)"},
		{"several versions, and fewer builds", recipe.Feed{
			Kind: "json", Version: "$.all[*].v", Build: "$.all[*].b",
		}, `{"all": [{"v": "1.0", "b": 10}, {"v": "1.1"}]}`, "1.1, 1.0"},
		{"a name with spaces, and an empty one", version(`$[*].files['Mac Client']['']`),
			`[{"files": {"Mac Client": {"": "3.4"}}}]`, "3.4"},
		{"descendants with a filter", version(`$..[?@.name=='Quiet'].version`),
			`{"a": [{"name": "Loud", "version": "9"}, {"b": {"name": "Quiet", "version": "2"}},
				{"name": "Quiet", "version": "3"}]}`,
			"3, 2"},
		{"a filter with an expression", version(`$.assets[?search(@.name, '-mac\\.zip$')].version`),
			`{"assets": [{"name": "a-win.zip", "version": "3"}, {"name": "a-mac.zip", "version": "2"}]}`, "2"},
		{"a filter on what exists", version(`$[?@.macos && !@.beta].version`),
			`[{"version": "3", "windows": 1}, {"version": "2", "macos": []},
				{"version": "4", "macos": [], "beta": true}]`, "2"},
		{"keys in any order, older values first", version("$.latestVersion"),
			`{"minimumVersion": "1.1.9", "latestVersion": "1.13.7", "beta": {"latestVersion": "1.14.0"}}`, "1.13.7"},
		{"a hash is not the version", version("$.productVersion"),
			`{"version": "eaa41d57", "productVersion": "1.92.1", "timestamp": 1723061900553}`, "1.92.1"},
		{"milliseconds as a number", recipe.Feed{Kind: "json", Version: "$.name", Date: "$.timestamp"},
			`{"name": "1.92.1", "timestamp": 1723061900553}`, "1.92.1 2024-08-07"},
		{"milliseconds as text", recipe.Feed{Kind: "json", Version: "$.name", Date: "$.timestamp"},
			`{"name": "1.92.1", "timestamp": "1723061900553"}`, "1.92.1 2024-08-07"},
		{"seconds", recipe.Feed{Kind: "json", Version: "$.name", Date: "$.timestamp"},
			`{"name": "1.0.5", "timestamp": 1732747065}`, "1.0.5 2024-11-27"},
		{"a date without a zone", recipe.Feed{Kind: "json", Version: "$.name", Date: "$.date"},
			`{"name": "1.0.5", "date": "2026-05-07T02:57:00"}`, "1.0.5 2026-05-07"},
		{"a leading zero stays", version("$.name"), `{"name": "1.126.04524", "productVersion": "1.126.4524.0"}`,
			"1.126.04524"},
		{"a pre-release is told by its spelling", version("$.name"), `{"name": "1.126.04518-insider"}`, ""},
		{"null and empty values do not count", version("$[*].v"), `[{"v": null}, {"v": " "}, {"v": "2.0 "}]`, "2.0"},
		{"a byte order mark", version("$.v"), "\ufeff" + `{"v": "1.0"}`, "1.0"},
		{"the last of two members counts", version("$.v"), `{"v": "1.0", "v": "1.1"}`, "1.1"},
		{"a page of maintenance", version("$.v"), "<html>maintenance",
			`error: the answer is not JSON: invalid character '<' looking for beginning of value ` +
				`(it begins with "<html>maintenance")`},
		{"a cut answer", version("$.v"), `{"v": "1.0"`, `error: the answer is not JSON: it ends too early`},
		{"an empty answer", version("$.v"), ``, `error: the answer is not JSON: it ends too early (it is empty)`},
		{"two values", version("$.v"), `{"v": "1.0"} {}`,
			`error: the answer is not JSON: there is more after the first value`},
		{"another document", version("$.v"), `{"error": "try later"}`,
			"error: the path version, $.v, finds no text in the answer"},
		{"an object in place of a text", version("$.v"), `{"v": {"major": 1}}`,
			"error: the path version, $.v, finds no text in the answer"},
		{"no items", recipe.Feed{Kind: "json", Items: "$.releases[*]", Version: "$.v"}, `{"releases": []}`,
			"error: the path items, $.releases[*], finds nothing in the answer"},
		{"a rollout that is no number", recipe.Feed{Kind: "json", Version: "$.v", Rollout: "$.r"},
			`{"v": "1", "r": "all"}`,
			`error: the rollout "all" is neither a fraction from 0 to 1 nor a percentage`},
		{"a rollout for one of two versions", recipe.Feed{Kind: "json", Version: "$.r[*].v", Rollout: "$.r[*].f"},
			`{"r": [{"v": "2.0", "f": 0.01}, {"v": "1.9"}]}`,
			"error: the path rollout, $.r[*].f, finds 1 value for 2 versions: it must find one for each"},
		{"no rollout", recipe.Feed{Kind: "json", Version: "$.v", Rollout: "$.f"}, `{"v": "2.0"}`,
			"error: the path rollout, $.f, finds 0 values for 1 version"},
		{"an empty list without rollouts", recipe.Feed{Kind: "json", Items: "$[*]", Version: "$.v"}, `[]`,
			"error: the path items, $[*], finds nothing in the answer"},
		{"an item without a version", recipe.Feed{Kind: "json", Items: "$[*]", Version: "$.v", Rollout: "$.f"},
			`[{"f": 1}, {"v": "2.0", "f": 1}]`, "2.0"},
		{"a rollout in percent", recipe.Feed{Kind: "json", Version: "$.v", Rollout: "$.r"}, `{"v": "1", "r": "25%"}`,
			"1 25%"},
		{"a match that fails", recipe.Feed{Kind: "json", Version: "$.v", Match: `^v(\d+)$`}, `{"v": "1.0"}`,
			`error: match finds no version in "1.0"`},
	})
}

func TestJSONCheck(t *testing.T) {
	feed := func(version string) recipe.Feed { return recipe.Feed{Kind: "json", Version: version} }
	for _, tt := range []struct {
		feed recipe.Feed
		want string // the beginning
	}{
		{feed(""), "/feed/version: is missing: enter the path of the version, or fields and as"},
		{feed("$["), "/feed/version: is not a JSON path (RFC 9535): unexpected eof"},
		{feed("version"), "/feed/version: is not a JSON path (RFC 9535): unexpected identifier"},
		{feed("$." + strings.Repeat("a", 1024)), "/feed/version: is longer than 1024 bytes"},
		{feed("$[?@..a]"), "/feed/version: has a descendant segment (..) in a filter"},
		{feed("$[?count(@..*) > 1]"), "/feed/version: has a descendant segment (..) in a filter"},
		{feed("$[?@[?@.a]]"), "/feed/version: has a filter in a filter"},
		{feed("$[?@.a == $.b]"), "/feed/version: has the root ($) in a filter"},
		{feed("$[?@['a','b']]"), "/feed/version: has a list of selectors in a filter"},
		{feed("$[?match(@.a, @.b)]"), "/feed/version: has a regular expression in a filter that is not a literal text"},
		{feed("$[?search(@.a, '(a{30}){30}')]"),
			"/feed/version: has a regular expression in a filter that is too large"},
		{feed(`$[?@.a == '..$?,"' && @['b..$?'] == "[',']"]`), ""},
		{recipe.Feed{Kind: "json", Items: "$[?@..a]", Version: "$.v", Date: "x", Fields: map[string]string{"a": "$["}},
			"/feed/items: has a descendant segment (..) in a filter\n" +
				"/feed/date: is not a JSON path (RFC 9535): unexpected identifier at position 1\n" +
				"/feed/fields/a: is not"},
	} {
		if got := failures(t, tt.feed); !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("Check(%+v):\ngot  %s\nwant %s…", tt.feed, got, tt.want)
		}
	}
}
