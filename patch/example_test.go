package patch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/patchsource/patchsource/patch"
)

func Example() {
	d, err := patch.Parse([]byte(`{
		"id": "Composer", "name": "Composer", "publisher": "Jamf", "appName": "Composer.app", "bundleId": "com.jamfsoftware.Composer",
		"requirements": [{"name": "Application Bundle ID", "operator": "is", "value": "com.jamfsoftware.Composer", "type": "recon", "and": true}],
		"patches": [{"version": "10.1.1", "releaseDate": "2018-02-02T17:39:58Z", "standalone": true, "minimumOperatingSystem": "10.9", "reboot": false,
			"killApps": [], "components": [], "capabilities": []}],
		"extensionAttributes": []}`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d.Complete(now)

	p := d.Patches[0].Clone()
	p.Version = "10.2"
	if err := d.AddPatches(patch.Ordered(), now.Add(time.Hour), p); err != nil {
		fmt.Println(err)
		return
	}
	summary, _ := json.Marshal(d.Summary())
	fmt.Println(string(summary))
	// Output:
	// {"name":"Composer","publisher":"Jamf","lastModified":"2026-01-02T04:04:05Z","currentVersion":"10.2","id":"Composer"}
}

func ExampleParse_failures() {
	_, err := patch.Parse([]byte(`{"id": "a b", "name": "A", "publisher": "P", "appName": null, "bundleId": null,
		"requirements": [], "patches": [], "extensionAttributes": []}`), nil)
	var invalid *patch.ValidationError
	if errors.As(err, &invalid) {
		for _, f := range invalid.Failures {
			fmt.Println(f.Path)
		}
	}
	// Output:
	// /id
	// /requirements
	// /patches
}

func ExampleOrderVersions() {
	versions := []string{"1.10", "1.9", "1.10b2", "1.10 (4567)", "v1.2"}
	slices.SortFunc(versions, patch.OrderVersions)
	fmt.Println(versions)
	fmt.Println(patch.CompareVersions("1.0b3", "1.0 Beta 3"))
	// Output:
	// [v1.2 1.9 1.10b2 1.10 1.10 (4567)]
	// 0
}
