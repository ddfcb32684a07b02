package patchsync_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// The list and the one definition of an external patch source.
const (
	exampleList = `[{"id": "Composer", "name": "Composer", "publisher": "Jamf",
		"lastModified": "2018-02-02T17:39:58Z", "currentVersion": "10.1.1"}]`
	exampleDefinition = `{
		"id": "Composer", "name": "Composer", "publisher": "Jamf",
		"appName": "Composer.app", "bundleId": "com.jamfsoftware.Composer",
		"lastModified": "2018-02-02T17:39:58Z", "currentVersion": "10.1.1",
		"requirements": [{"name": "Application Bundle ID", "operator": "is", "value": "com.jamfsoftware.Composer",
			"type": "recon", "and": true}],
		"patches": [{"version": "10.1.1", "releaseDate": "2017-12-20T10:08:38Z", "standalone": true,
			"minimumOperatingSystem": "10.9", "reboot": false, "killApps": [], "components": [], "capabilities": []}],
		"extensionAttributes": []}`
)

// A mirror follows an external patch source: its title is created here.
func Example() {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/jamf/v1/software" {
			fmt.Fprint(w, exampleList)
		} else {
			fmt.Fprint(w, exampleDefinition)
		}
	}))
	defer upstream.Close()

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s := memstore.New()
	c, err := catalog.Open(ctx, s, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	created := make(chan catalog.Event, 1)
	c.Subscribe(func(e catalog.Event) { created <- e })

	runner, err := patchsync.New(c, s, &patchsync.Options{
		Mirrors: []patchsync.Mirror{
			{Name: "vendor", Source: patchsync.PatchSource(upstream.URL+"/jamf/v1", nil)},
		},
		AllowPrivateNetworks: true, // the source of this example is on this machine
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	done := make(chan error)
	go func() { done <- runner.Run(ctx) }()

	e := <-created
	fmt.Println(e.Kind, e.Title.ID, e.Title.CurrentVersion, "from", e.Title.Source)
	stop()
	if err := <-done; err != nil {
		fmt.Println(err)
	}
	// Output: created Composer 10.1.1 from vendor
}
