package releases_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
)

func TestXML(t *testing.T) {
	version := func(path string) recipe.Feed { return recipe.Feed{Kind: "xml", Version: path} }
	const catalog = `<?xml version="1.0"?>
<Catalog xmlns:v="https://vendor.example/ns">
	<Installers name="Receiver"><Installer><Version>9.0.0.1</Version></Installer></Installers>
	<Installers name="Workspace">
		<Installer os="12.3"><Version> 25.11.2.47 </Version><v:Build>47</v:Build>
			<Day>Thu, 26 Feb 2026 10:00:00 GMT</Day></Installer>
		<Installer os="11"><Version>25.8.0.12</Version><v:Build>12</v:Build></Installer>
	</Installers>
</Catalog>`
	const atom = `<feed xmlns="http://www.w3.org/2005/Atom">` +
		`<entry><link href="https://vendor.example/App-30.1-1-universal.dmg"/>` +
		`</entry><entry><link href="https://vendor.example/App-30.2-universal.dmg"/></entry></feed>`
	runFeedTests(t, []feedTest{
		{"a predicate and parts", recipe.Feed{
			Kind: "xml", Version: "//Installers[@name='Workspace']/Installer/Version", Parts: 3,
		}, catalog, "25.11.2, 25.8.0"},
		{"items and what is relative to them", recipe.Feed{
			Kind: "xml", Items: "//Installers[@name='Workspace']/Installer", Version: "Version", Build: "v:Build",
			MinOS: "@os", Date: "Day",
		}, catalog, "25.11.2.47 (47) 2026-02-26 macOS 12.3, 25.8.0.12 (12) macOS 11"},
		{"an attribute", recipe.Feed{
			Kind: "xml", Version: "/feed/entry/link/@href",
			Match: `App-(?P<version>\d+(?:\.\d+)+)(?:-\d+)?-universal\.dmg`,
		}, atom, "30.2, 30.1"},
		{"JSON in CDATA", recipe.Feed{
			Kind: "xml", Version: "//entry[@id='app.latest']/data", Match: `"version"\s*:\s*"(?P<version>[\d.]+)"`,
		}, `<c><entry id="app.latest"><data>{<![CDATA["version": ]]>"6.7.0"}</data></entry></c>`, "6.7.0"},
		{"HTML in a description", recipe.Feed{
			Kind: "xml", Items: "/rss/channel/item", Version: "description", Date: "pubDate",
			Match: `Version: (?P<version>\d+\.\d+(?:\.\d+)?) \((?P<build>\d+)\)`,
		}, `<rss><channel><item><description>Auto&lt;br&gt;Version: 16.112.1 (26081720)&lt;br&gt;</description>` +
			`<pubDate>Mon, 17 Aug 2026 00:00:00 +0000</pubDate></item></channel></rss>`,
			"16.112.1 (26081720) 2026-08-17"},
		{"a function", version("concat(/a/major, '.', /a/minor)"), `<a><major>4</major><minor>2</minor></a>`, "4.2"},
		{"a count", version("count(//b)"), `<a><b/><b/></a>`, "2"},
		{"the last one", version("/a/b[last()]"), `<a><b>1</b><b>2</b></a>`, "2"},
		{"names of any namespace", version("//*[local-name()='version']"),
			`<x:a xmlns:x="y"><x:version>1.5</x:version></x:a>`,
			"1.5"},
		{"comments and processing instructions", version("/a"), `<?b c?><a>1<!-- 2 -->.<?b d?>3</a>`, "1.3"},
		{"the five entities and characters", recipe.Feed{Kind: "xml", Version: "/a", Match: `(?P<version>.*)`},
			`<a>1&lt;&gt;&amp;&quot;&apos;&#50;</a>`, `1<>&"'2`},
		{"Latin-1", recipe.Feed{Kind: "xml", Version: "/a", Match: `é(?P<version>.*)`},
			"<?xml version='1.0' encoding='ISO-8859-1'?><a>\xe91.0</a>", "1.0"},
		{"UTF-16", version("/a"), "\xfe\xff\x00<\x00a\x00>\x003\x00<\x00/\x00a\x00>", "3"},
		{"an unknown character set", version("/a"), `<?xml version='1.0' encoding='EBCDIC-X'?><a>1</a>`,
			`error: the answer is not XML: `},
		{"a page of maintenance", version("//v"), "<html><br>maintenance</html>",
			`error: the answer is not XML: the end tag "html" has no start tag ` +
				`(it begins with "<html><br>maintenance</html>")`},
		{"an empty answer", version("//v"), "", "error: the answer is not XML: it has no element (it is empty)"},
		{"text alone", version("//v"), "try later",
			"error: the answer is not XML: it has text outside of its root element"},
		{"a cut answer", version("//v"), "<a><b>", "error: the answer is not XML: it ends within the element b"},
		{"two roots", version("//v"), "<a/><b/>", "error: the answer is not XML: it has more than one root element"},
		{"an HTML entity", version("//v"), "<a>&nbsp;</a>", "error: the answer is not XML: XML syntax error"},
		{"another document", version("//v"), "<a/>", "error: the path version, //v, finds no text in the answer"},
		{"items that are values", recipe.Feed{Kind: "xml", Items: "count(//a)", Version: "."}, "<a/>",
			"error: the path items, count(//a), is a value and no list of elements"},
		{"items that are attributes", recipe.Feed{Kind: "xml", Items: "//@b", Version: "."}, `<a b="1"/>`,
			"error: the path items, //@b, selects attributes: select their elements"},
		{"a function of the wrong type", version("sum('a')"), "<a/>", "error: the path sum('a') cannot be evaluated: "},
	})
}

func TestXMLCheck(t *testing.T) {
	for path, want := range map[string]string{
		"":                                    "/feed/version: is missing",
		"//[":                                 "/feed/version: is not an XPath: ",
		"//a[":                                "/feed/version: is not an XPath: ",
		strings.Repeat("/a", 513):             "/feed/version: is longer than 1024 bytes",
		"//a[.//b]":                           "/feed/version: has a descendant step (//) in a predicate",
		"//a[b[c//d]]":                        "/feed/version: has a descendant step (//) in a predicate",
		"//a[descendant::b]":                  "/feed/version: uses the axis descendant in a predicate",
		"//a[ancestor ::b]":                   "/feed/version: uses the axis ancestor in a predicate",
		"//a/following::b":                    "/feed/version: uses the axis following, which is not supported",
		"//a[matches(., b)]":                  "/feed/version: calls the function matches, which is not supported",
		"replace(//a, 'b', 'c')":              "/feed/version: calls the function replace, which is not supported",
		"//a[@b='//[' and contains(c, '::')]": "",
		"//a[position() = last() or (@b)]":    "",
	} {
		got := failures(t, recipe.Feed{Kind: "xml", Version: path})
		if !strings.HasPrefix(got, want) || want == "" && got != "" {
			t.Errorf("Check of %q:\ngot  %s\nwant %s…", path, got, want)
		}
	}
}

// The readers of trees and of appcasts know the character sets that declarations name, and XML 1.1.
func TestXMLDeclarations(t *testing.T) {
	for declaration, text := range map[string]string{
		`version="1.0" encoding="utf8"`:            "\xc3\xa9",
		`version="1.0" encoding="UTF8"`:            "\xc3\xa9",
		`version="1.1" encoding="UTF-8"`:           "\xc3\xa9",
		`version='1.1'`:                            "\xc3\xa9",
		`version="1.0" encoding="Windows-1251"`:    "\xe9",
		`version="1.0" encoding="iso-8859-2"`:      "\xe9",
		`version="1.0" encoding="GB2312"`:          "\xa8\xa6",
		`version="1.0" encoding="Shift_JIS"`:       "\x82\xa0",
		`version = "1.1" encoding="ISO-8859-15" `:  "\xe9",
		`version="1.0" encoding="x-mac-cyrillic" `: "\x80",
	} {
		body := "<?xml " + declaration + "?>" +
			"<rss><channel><item><title>" + text + "</title>" +
			"<shortVersionString>1.2</shortVersionString></item></channel></rss>"
		for _, f := range []recipe.Feed{
			{Kind: "xml", Version: "//shortVersionString"}, {Kind: "sparkle"},
		} {
			if got := read(t, f, body); got != "1.2" {
				t.Errorf("%s, %s: got %s", f.Kind, declaration, got)
			}
		}
	}
}

// A message about a version without a value names the template of versions, and no match if the feed has none.
func TestMessageAboutMissingValues(t *testing.T) {
	const as = "{version} ({build})"
	runFeedTests(t, []feedTest{
		{"json", recipe.Feed{Kind: "json", Version: "$.v", Build: "$.b", As: as}, `{"v": "1.2"}`,
			`error: the answer has no value for the version: as is "{version} ({build})", ` +
				`and each of its values is needed`},
		{"sparkle", recipe.Feed{Kind: "sparkle", As: as},
			"<rss><item><shortVersionString>1.2</shortVersionString></item></rss>",
			"error: none of the 1 items of the appcast has a version that can be read: as is"},
	})
}
