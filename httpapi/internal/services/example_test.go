package services_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/sync/webhook"
)

// A service becomes one of package httpapi, and its errors become errors of package httpapi.
func ExampleWebhooks() {
	ctx := context.Background()
	service, err := webhook.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = services.Webhooks(service).Delete(ctx, "unknown")
	fmt.Println(errors.Is(err, httpapi.ErrNoWebhook))
	// Output:
	// true
}
