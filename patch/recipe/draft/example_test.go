package draft_test

import (
	"fmt"

	"github.com/patchsource/patchsource/patch/recipe/draft"
)

func ExampleFromCask() {
	d, err := draft.FromCask([]byte(`{
		"token": "example-notes", "name": ["Example Notes"], "version": "2.10.1",
		"url": "https://notes.example/download/Example-Notes-2.10.1.dmg",
		"artifacts": [{"app": ["Example Notes.app"]}, {"uninstall": [{"quit": "com.example.notes"}]}],
		"depends_on": {"macos": {">=": ["12"]}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Recipe.ID, d.Recipe.BundleID, d.Recipe.MinimumOperatingSystem)
	for _, g := range d.Guesses {
		fmt.Println("check", g.Path)
	}
	fmt.Println("add", d.Gaps)
	// Output:
	// ExampleNotes com.example.notes 12
	// check /id
	// check /bundleId
	// check /feed
	// add [/publisher /feed]
}

func ExampleFromApplication() {
	d, err := draft.FromApplication(draft.Application{
		AppName: "Notes.app",
		InfoPlist: []byte(`<plist version="1.0"><dict>
			<key>CFBundleName</key><string>Notes</string>
			<key>CFBundleIdentifier</key><string>com.example.notes</string>
			<key>LSMinimumSystemVersion</key><string>12.0</string>
			<key>SUFeedURL</key><string>https://notes.example/appcast.xml</string>
		</dict></plist>`),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.Recipe.Feed.Kind, d.Recipe.Feed.URL, d.Gaps)
	// Output: sparkle https://notes.example/appcast.xml [/publisher]
}
