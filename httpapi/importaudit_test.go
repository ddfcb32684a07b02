package httpapi_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/internal/jobs"
	"github.com/patchsource/patchsource/httpapi/internal/services"
	"github.com/patchsource/patchsource/store/memstore"
)

// The audit log has each import that has changed titles, also one that was stopped, with the number of these titles.
func TestStoppedImportIsAudited(t *testing.T) {
	for _, c := range []struct {
		name, action string
		job          bool
		stop         func(hangUp func(), service *jobs.Service) // when some titles are imported
	}{
		{name: "to its end", action: "titles imported"},
		{name: "job to its end", action: "titles imported", job: true},
		{
			name: "the client hangs up", action: "import stopped",
			stop: func(hangUp func(), _ *jobs.Service) { hangUp() },
		},
		{
			name: "the server stops", action: "import stopped", job: true,
			stop: func(_ func(), service *jobs.Service) {
				go service.Close()
				time.Sleep(time.Second)
			},
		},
		{
			name: "a fault", action: "import stopped", job: true,
			stop: func(func(), *jobs.Service) { _ = panicInStore() },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { checkImportAudit(t, c.action, c.job, c.stop) })
		})
	}
}

// checkImportAudit imports titles, calls stop when some are imported, and checks the entry of the audit log.
func checkImportAudit(t *testing.T, action string, job bool, stop func(hangUp func(), service *jobs.Service)) {
	t.Helper()
	const titles = 300
	var body strings.Builder
	for i := range titles {
		body.WriteString(definition(fmt.Sprintf("T%d", i), "1") + "\n")
	}
	ctx, hangUp := context.WithCancel(t.Context())
	defer hangUp()
	service, log := jobs.New(memstore.New(), nil), audit.New(memstore.New(), nil)
	var stopped atomic.Bool
	b := newBench(t, &interceptedStore{Store: memstore.New(), write: func(n int64) error {
		if n > 100 && stop != nil && !stopped.Swap(true) {
			stop(hangUp, service)
		}
		return nil
	}})
	b.handler = newHandler(t, b.catalog, &httpapi.Options{
		Tokens: b.auth, Jobs: services.Jobs(service), Audit: log, MaxBodyBytes: 1 << 20,
	})
	r := httptest.NewRequestWithContext(ctx, "POST", "/api/v1/titles/import", strings.NewReader(body.String()))
	r.Header.Set("Authorization", "Bearer "+b.admin)
	if job {
		r.Header.Set("Prefer", "respond-async")
	}
	b.handler.ServeHTTP(httptest.NewRecorder(), r)
	synctest.Wait()
	service.Close()
	n := b.catalog.Len()
	if n == 0 || (n == titles) != (stop == nil) {
		t.Fatalf("%d titles are imported", n)
	}
	found, _, err := log.Entries(t.Context(), "", 10, nil)
	if err != nil || len(found) != 1 || found[0].Action != action || found[0].Token == "" {
		t.Fatalf("the audit log has %+v, %v; want %q", found, err, action)
	}
	if d := found[0].Details[0]; d.Name != "created" || d.Value != fmt.Sprint(n) {
		t.Errorf("the audit log has %+v, and the catalog %d titles", d, n)
	}
}
