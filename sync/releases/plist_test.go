package releases_test

import (
	"testing"

	"github.com/patchsource/patchsource/patch/recipe"
)

const (
	plistHead = `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0">`
	plistTail = `</plist>`
)

func TestPropertyList(t *testing.T) {
	version := func(path string) recipe.Feed { return recipe.Feed{Kind: "plist", Version: path} }
	const updates = plistHead + `<array><dict>
	<key>Application ID</key><string>NOTE2019</string>
	<key>Baseline Version</key><string>16.113.26081216</string>
	<key>Title</key><string>Vendor Note Update 16.113.4 (26100421)</string>
	<key>Update Version</key><string>16.113.26100421</string>
	<key>Date</key><date>2026-10-04T08:00:00Z</date>
	<key>Count</key><integer>3</integer><key>Scale</key><real>1.50</real><key>Full</key><true/>
	<key>Hash</key><data>AAECAw==</data><key>Triggers</key><dict/>
</dict></array>` + plistTail
	const products = plistHead + `<dict>
	<key>Protect</key><string>5356</string><key>quickcheck</key><string>1.09</string>
	<key>macOS26</key><string>6.2</string></dict>` + plistTail
	runFeedTests(t, []feedTest{
		{"the build and not the short version", version("$[0]['Update Version']"), updates, "16.113.26100421"},
		{"the short version in a title", recipe.Feed{
			Kind: "plist", Items: "$[*]", Version: "$.Title", Date: "$.Date",
			Match: `(?P<version>\d+\.\d+(?:\.\d+)?) \((?P<build>\d+)\)$`,
		}, updates, "16.113.4 (26100421) 2026-10-04"},
		{"a filter", version("$[?@['Application ID']=='NOTE2019' && @.Full==true && @.Count>2]['Update Version']"),
			updates,
			"16.113.26100421"},
		{"an integer", version("$[0].Count"), updates, "3"},
		{"a real number keeps its notation", version("$[0].Scale"), updates, "1.50"},
		{"a key among other products", version("$.quickcheck"), products, "1.09"},
		{"a key that is gone is not another", version("$.slowcheck"), products,
			"error: the path version, $.slowcheck, finds no text in the answer"},
		{"descendants", recipe.Feed{Kind: "plist", Version: "$..Short", Build: "$..Build"},
			plistHead + `<dict><key>a</key><array><dict><key>Short</key><string>2.0</string>` +
				`<key>Build</key><string>20</string></dict></array></dict>` + plistTail,
			"2.0 (20)"},
		{"a binary property list", version("$.a"), "bplist00\xd1\x01\x02",
			"error: the answer is a binary property list, and only those in XML are read"},
		{"a page of maintenance", version("$.a"), "<html><p>maintenance</p></html>",
			`error: the answer is no property list: its root element is "html"`},
		{"no value", version("$.a"), "<plist/>", "error: the property list is empty"},
		{"two values", version("$.a"), "<plist><dict/><dict/></plist>",
			"error: the property list has more than one value"},
		{"a value without a key", version("$.a"), "<plist><dict><string>a</string></dict></plist>",
			`error: the property list has a value without a key: "string"`},
		{"a key without a value", version("$.a"), "<plist><dict><key>a</key></dict></plist>",
			`error: the property list has a key without a value: "a"`},
		{"an unknown element", version("$.a"), "<plist><dict><key>a</key><version>1</version></dict></plist>",
			`error: the property list has an element "version", which is no value`},
		{"an element within a text", version("$.a"), "<plist><dict><key>a</key><string>1<b/></string></dict></plist>",
			`error: the property list has an element "b" within "string"`},
		{"an old property list", version("$.a"), `{ a = "1.0"; }`, "error: the answer is not XML: "},
	})
}
