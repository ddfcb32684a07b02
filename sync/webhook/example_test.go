package webhook_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A webhook is notified that a title was created.
func Example() {
	events := make(chan string, 1)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var event struct {
			Event   string `json:"event"`
			Title   string `json:"software_title"`
			Version string `json:"version"`
		}
		_ = json.NewDecoder(r.Body).Decode(&event)
		events <- fmt.Sprint(event.Event, " ", event.Title, " ", event.Version)
	}))
	defer receiver.Close()

	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s := memstore.New()
	hooks, err := webhook.Open(ctx, s, &webhook.Options{
		Site:                 "https://patches.example.com",
		AllowPrivateNetworks: true, // the receiver of this example is on this machine
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	titles, err := catalog.Open(ctx, s, &catalog.Options{Couriers: []catalog.Courier{hooks}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer titles.Close()
	done := make(chan error)
	go func() { done <- hooks.Run(ctx) }()

	if _, err := hooks.Create(ctx, webhook.Hook{URL: receiver.URL, Enabled: true, VerifySSL: true}); err != nil {
		fmt.Println(err)
		return
	}
	if _, err := titles.Create(ctx, definition("Composer", "10.1.1"), nil); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(<-events)
	stop()
	if err := <-done; err != nil {
		fmt.Println(err)
	}
	// Output: new_title Composer 10.1.1
}
