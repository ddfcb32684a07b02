package survey_test

import (
	"context"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/survey"
	"github.com/patchsource/patchsource/store/memstore"
)

func Example() {
	ctx := context.Background()
	titles, err := catalog.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer titles.Close()
	composer, err := patch.Parse([]byte(`{"id": "Composer", "name": "Composer", "publisher": "Example",
		"appName": "Composer.app", "bundleId": "com.example.composer",
		"requirements": [{"name": "Application Bundle ID", "operator": "is", "value": "com.example.composer",
			"type": "recon", "and": true}],
		"patches": [{"version": "2.0", "releaseDate": "2026-03-01T00:00:00Z", "standalone": true, "reboot": false,
			"minimumOperatingSystem": "12", "killApps": [], "components": [], "capabilities": []}],
		"extensionAttributes": []}`), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := titles.Create(ctx, composer, nil); err != nil {
		fmt.Println(err)
		return
	}

	s := survey.New(titles, nil)
	if err := s.Update(ctx); err != nil { // a server calls Run in the background
		fmt.Println(err)
		return
	}
	for t := range titles.Find(catalog.Filter{}) {
		f, _ := s.Facts(t)
		fmt.Println(t.ID, f.Released.Format(time.DateOnly), f.HasBundle("com.example.Composer"), f.Warnings > 0)
	}
	// Output: Composer 2026-03-01 true true
}
