package releases_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/sync/releases"
)

// maxHostile is the time that a hostile answer may take, with much to spare for slow machines: without limits, most of
// these answers take minutes to years.
const maxHostile = 60 * time.Second

// fill returns as many copies of a text as an answer may have, and fewer if a smaller number is given.
func fill(unit string, number int) string {
	return strings.Repeat(unit, min(number, (releases.MaxBytes-1000)/len(unit)))
}

// numbered returns texts with the numbers below n.
func numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, format, i)
	}
	return b.String()
}

// Hostile answers end with a sentence, or with releases, in a bounded time.
func TestHostileAnswers(t *testing.T) {
	const all = 1 << 30
	text := func(match string) recipe.Feed { return recipe.Feed{Kind: "text", Match: match} }
	json := func(version string) recipe.Feed { return recipe.Feed{Kind: "json", Version: version} }
	xml := func(version string) recipe.Feed { return recipe.Feed{Kind: "xml", Version: version} }
	plist := recipe.Feed{Kind: "plist", Version: "$..v"}
	const steps = "error: the paths of the feed visit too much of the answer: make them more specific"
	const values = "error: the answer has more than 250000 values"
	const nested = "error: the answer is nested more than 200 levels deep"
	const slow = "error: the expressions of the feed take too long"
	large := `(?s)` + strings.Repeat(`[a-z]?`, 80) + `y`
	lists := "[" + strings.Repeat(strings.Repeat("[", 150)+"1"+strings.Repeat("]", 150)+",", 1000) + "1]"
	names := "[" + strings.Repeat(`{"a":"`+strings.Repeat("a", 40)+`"},`, 30_000) + "1]"
	flat := "<r>" + strings.Repeat("<b/>", 200_000) + "</r>"
	tower := strings.Repeat("<a>", 199) + strings.Repeat("<b/>", 100_000) + strings.Repeat("</a>", 199)
	for _, tt := range []feedTest{
		{"a page in which each search goes to the end", text(`(?s)x.*y|x`), fill("x", all),
			"error: match takes too long"},
		{"nested repetitions", text(`(x+x+)+y`), fill("x", all), "error: match finds no version"},
		{"many alternatives", text(`(x|xx|x*x*x*x*x*x*)*y`), fill("x", all), "error: match finds no version"},
		{"a large expression on a large page", text(`(?s)` + strings.Repeat(`[a-z]?`, 80) + `y`), fill("x", all),
			"error: match is too large for an answer of 2047 KiB"},
		{"links without an end", text(`(?i)href=.*?App-([0-9.]+)\.dmg`), fill("href=", all),
			"error: match finds no version"},
		{"empty matches", text(`\d*`), fill("a", all), "error: match matches more than 100000 times"},
		{"many versions", text(`\d+`), numbered(200_000, "%d "), "error: the answer lists more than 10000 releases"},

		{"a huge array", json("$[*]"), "[" + fill("1,", all) + "1]", values},
		{"deep arrays", json("$..*"), strings.Repeat("[", 1_000_000), nested},
		{"deep objects", json("$..*"), strings.Repeat(`{"a":`, 200_000), nested},
		{"descendants of descendants", json("$..*..*..*..v"), lists, steps},
		{"selectors that multiply", json("$" + strings.Repeat("[0,0]", 150)), lists, steps},
		{"a filter on all descendants", json("$..[?@.v == 1]"), lists, steps},
		{"comparisons of all descendants", json("$..[?@ == @ && @ == @ && @ == @]"), lists, steps},
		{"a regular expression for each item", json(`$[?search(@.a, '(a{10}){10}b')].a`), names, steps},
		{"long texts in a filter", json(`$[?search(@.a, 'b')]`), `[{"a":"` + fill("a", all) + `"}]`,
			"error: the path version"},

		{"a large expression on a long text", recipe.Feed{Kind: "json", Version: "$", Match: large},
			`"` + fill("x", all) + `"`, "error: match finds no version"},
		{"a large expression on many texts", recipe.Feed{Kind: "json", Version: "$[*]", Match: large},
			"[" + fill(`"`+strings.Repeat("x", 1000)+`",`, all) + "1]", slow},
		{"a large expression on many items", recipe.Feed{Kind: "sparkle", From: "url", Match: large},
			"<rss><channel>" + fill(`<item><enclosure url="`+strings.Repeat("x", 1000)+`"/></item>`, all) +
				"</channel></rss>", slow},
		{"a large expression on many assets", recipe.Feed{Kind: "github", URL: "https://github.com", Repo: "o/r",
			Asset: large},
			`[{"tag_name": "1", "assets": [` + fill(`{"name": "`+strings.Repeat("x", 1000)+`"},`, all) + "{}]}]", slow},

		{"10 MiB of nested elements", xml("//a"), strings.Repeat("<a>", 10<<20/3),
			"error: the answer has more than 2 MiB"},
		{"nested elements", xml("//a"), fill("<a>", all), nested},
		{"many elements", xml("//a"), "<r>" + fill("<a/>", all), values},
		{"many attributes", xml("//a"), "<r " + fill(`a="" `, all) + "/>", values},
		{"many texts", xml("//a"), "<r>" + fill("a<!---->", all), values},
		{"billion laughs", xml("/a"), `<!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;">]><a>&c;</a>`,
			"error: the answer is not XML: it declares entities"},
		{"an external entity", xml("/a"), `<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>`,
			"error: the answer is not XML: it declares entities"},
		{"an entity that is not declared", xml("/a"), `<a>&lol;</a>`, "error: the answer is not XML: XML syntax error"},
		{"descendants of nested elements", xml("//*//*//*//b"), tower, steps},
		{"texts of nested elements", xml("//*[string(.) = 'x']"), tower, steps},
		{"functions that copy texts", xml("string-length(" + strings.Repeat("normalize-space(", 10) + "concat(" +
			strings.Repeat(".,", 140) + "'')" + strings.Repeat(")", 11)), "<r>" + fill("a b ", 1<<17) + "</r>", steps},
		{"texts that are translated to each other", xml("string-length(translate(., ., concat(., .)))"),
			"<r>" + fill("a b ", all) + "</r>", "2096152"},
		{"strings that are copied for each element", xml("//b[normalize-space('" + strings.Repeat("a ", 450) + "')]"),
			flat, steps},
		{"long texts of nested elements", xml("//a"), strings.Repeat("<a>", 199) + "<b/>" + fill("a", 1<<20) +
			strings.Repeat("</a>", 199), steps},
		{"ancestors of all", xml("//b/ancestor::*"), tower, steps},
		{"all siblings of all", xml("//b/preceding-sibling::b"), flat, steps},
		{"a union", xml("//b | //r"), flat, steps},
		{"positions", xml("//b[position() = last()]"), flat, steps},
		{"a count for each", xml("//b[count(/r/b) > 3]"), flat, steps},

		{"nested arrays of a property list", plist, "<plist>" + fill("<array>", all), nested},
		{"many dictionaries", plist, "<plist><array>" + fill("<dict><key>v</key><true/></dict>", all), values},
		{"entities of a property list", plist, `<!DOCTYPE plist [<!ENTITY b "ha">]><plist><string>&b;</string></plist>`,
			"error: the answer is not XML: it declares entities"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			began := time.Now()
			got := read(t, tt.feed, tt.body)
			if took := time.Since(began); took > maxHostile {
				t.Errorf("took %v", took)
			}
			if !strings.HasPrefix(got, tt.want) || len(got) > 500 {
				t.Errorf("got  %.200s\nwant %s", got, tt.want)
			}
		})
	}
}

// A version of a mebibyte is never selected, and does not hide the others.
func TestVersionsOfAMebibyte(t *testing.T) {
	long := strings.Repeat("1.", 1<<19) + "1"
	runFeedTests(t, []feedTest{
		{"text", recipe.Feed{Kind: "text", Match: `v([\d.]+)`}, "v" + long + " v2.0", "2.0"},
		{"json", recipe.Feed{Kind: "json", Version: "$[*]"}, `["` + long + `", "2.0"]`, "2.0"},
		{"xml", recipe.Feed{Kind: "xml", Version: "//v"}, `<r><v>` + long + `</v><v>2.0</v></r>`, "2.0"},
		{"plist", recipe.Feed{Kind: "plist", Version: "$[*]"}, `<plist><array><string>` + long +
			`</string><string>2.0</string></array></plist>`, "2.0"},
		{"json alone", recipe.Feed{Kind: "json", Version: "$[*]"}, `["` + long + `"]`, ""},
	})
	feed := recipe.Feed{Kind: "redirect", Match: `v([\d.]+)`}
	if got := readAnswer(t, feed, redirected("https://cdn.example/v"+long, 0)); got != "" {
		t.Errorf("redirect: got %.100s", got)
	}
}

// Ten thousand versions are read, and one more is refused.
func TestTenThousandVersions(t *testing.T) {
	for _, tt := range []struct {
		feed   recipe.Feed
		format string
		frame  [2]string
	}{
		{recipe.Feed{Kind: "text", Match: `v(\d+)`}, "v%d ", [2]string{"", ""}},
		{recipe.Feed{Kind: "json", Items: "$[*]", Version: "$.v"}, `{"v": %d},`, [2]string{"[", `{"v": "0"}]`}},
		{recipe.Feed{Kind: "xml", Items: "/r/i", Version: "v"}, "<i><v>%d</v></i>", [2]string{"<r>", "</r>"}},
		{recipe.Feed{Kind: "plist", Version: "$[*]"}, "<integer>%d</integer>", [2]string{"<plist><array>",
			"</array></plist>"}},
	} {
		const n = releases.MaxReleases
		if got := read(t, tt.feed, tt.frame[0]+numbered(n, tt.format)+tt.frame[1]); !strings.HasPrefix(got,
			"9999, 9998, ") {
			t.Errorf("%s: got %.80s", tt.feed.Kind, got)
		}
		got := read(t, tt.feed, tt.frame[0]+numbered(n+1, tt.format)+tt.frame[1])
		if want := "error: the answer lists more than 10000 releases"; !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %.80s, want %s", tt.feed.Kind, got, want)
		}
	}
}
