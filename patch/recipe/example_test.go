package recipe_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
)

func Example() {
	r, err := recipe.Parse([]byte(`{
		"name": "Rectangle", "publisher": "Ryan Hanson", "bundleId": "com.knollsoft.Rectangle",
		"feed": {"kind": "github", "repo": "rxhanson/Rectangle", "asset": "\\.dmg$"},
		"policy": {"hold": "2d"}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)
	d, err := r.Definition([]recipe.Release{{Version: "0.87", MinOS: "10.15"}}, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(d.ID, d.CurrentVersion, d.Patches[0].MinimumOperatingSystem)

	w := r.Watch()
	next, err := recipe.NextPatch(&d.Patches[0], &w, recipe.Release{Version: "0.88"}, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(next.Version, next.Components[0].Criteria[1].Value, w.Policy.Hold)
	// Output:
	// Rectangle 0.87 10.15
	// 0.88 0.88 48h
}

func ExampleParse_failures() {
	_, err := recipe.Parse([]byte(`{
		"name": "Some App", "bundleID": "com.example.some",
		"feed": {"kind": "text", "url": "vendor.example/versions.txt", "match": "(?<=v)[0-9.]+"}
	}`))
	var invalid *patch.ValidationError
	if errors.As(err, &invalid) {
		for _, f := range invalid.Failures {
			fmt.Println(f.Path)
		}
	}
	fmt.Println(err)
	// Output:
	// /bundleID
	// /bundleId
	// /feed/url
	// /feed/match
	// /bundleID: is not a member of a recipe: write bundleId (and 3 more)
}

func ExampleFeed_Redacted() {
	f := recipe.Feed{Kind: "json", URL: "https://user:password@vendor.example/v1?os=mac&token=abc"}
	shown := f.Redacted()
	fmt.Println(shown.URL)

	err := shown.KeepSecrets(f)
	fmt.Println(shown.URL == f.URL, err)
	// Output:
	// https://vendor.example/v1?os=mac&token=REDACTED
	// true <nil>
}
