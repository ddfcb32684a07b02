package patchsync_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/recipe"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/releases"
)

// A title follows the release feed of its vendor. Runner.Run would ask the feed every hour. Here, an answer is tried
// out without a network.
func ExampleWatches() {
	ctx, s := context.Background(), memstore.New()
	c, err := catalog.Open(ctx, s, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	runner, err := patchsync.New(c, s, nil)
	if err != nil {
		log.Fatal(err)
	}
	def, err := patch.NewDefinition(patch.Application{
		Name:      "Some App",
		BundleID:  "com.example.some",
		Version:   "1.0",
		MinimumOS: "13.0",
		Released:  time.Date(2024, 5, 1, 0, 0, 0, 0, time.UTC),
	})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := c.Create(ctx, def, nil); err != nil {
		log.Fatal(err)
	}

	feed := recipe.Feed{
		Kind:  "text",
		URL:   "https://example.com/some-app/releases",
		Match: `Some App (?P<version>\d+\.\d+)`,
	}
	watches := runner.Watches()
	page := &releases.Answer{Status: http.StatusOK, Body: []byte("<h1>Some App 1.1</h1> <h1>Some App 1.0</h1>")}
	trial, err := watches.Try(ctx, feed, page, false)
	if err != nil {
		log.Fatal(err)
	}
	for _, r := range trial.Selection.Releases {
		fmt.Println("release", r.Version)
	}

	policy := recipe.Policy{Mode: recipe.Propose, Hold: recipe.Duration(48 * time.Hour)}
	err = watches.Set(ctx, "SomeApp", recipe.Watch{Feed: feed, Policy: policy}, patchsync.WatchOptions{By: "admin"})
	if err != nil {
		log.Fatal(err)
	}
	for state := range watches.All() {
		fmt.Println(state.Title, state.Status, state.Watch.Policy.Hold)
	}
	// Output:
	// release 1.1
	// release 1.0
	// SomeApp ok 48h
}
