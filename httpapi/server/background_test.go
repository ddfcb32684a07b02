package server_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/patchsource/patchsource/httpapi/server"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
	patchsync "github.com/patchsource/patchsource/sync"
)

// upstream serves one title as a patch source.
func upstream(t *testing.T, id, version string) *httptest.Server {
	t.Helper()
	def, err := patch.Parse([]byte(definition(id, version)), nil)
	if err != nil {
		t.Fatal(err)
	}
	def.Complete(time.Unix(1e9, 0))
	list, err := json.Marshal([]patch.Summary{def.Summary()})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/software") {
			_, _ = w.Write(list)
			return
		}
		_, _ = io.WriteString(w, definition(id, version))
	}))
	t.Cleanup(s.Close)
	return s
}

// Open and Run are all that it takes to follow an upstream and to deliver webhooks.
func TestTitlesFollowAndWebhooksAreDelivered(t *testing.T) {
	source := upstream(t, "Followed", "7")
	delivered := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		delivered <- readAll(t, r)
	}))
	t.Cleanup(receiver.Close)
	s := open(t, server.Config{
		Store:                memstore.New(),
		Secret:               newSecret(t),
		AllowPrivateNetworks: true,
		Mirrors:              []patchsync.Mirror{{Source: patchsync.PatchSource(source.URL+"/v1", nil)}},
	})
	hook := `{"url":"` + receiver.URL + `","enabled":true,"secret":"whsec_MDEyMzQ1Njc4OWFiY2RlZg=="}`
	if w := call(s, "POST", "/api/v1/webhooks", hook, bearer(adminToken(t, s))); w.Code != 201 {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	stop := start(t, s)
	if event := <-delivered; !strings.Contains(event, `"Followed"`) {
		t.Errorf("delivered %s", event)
	}
	if w := call(s, "GET", "/jamf/v1/patch/Followed", "", nil); w.Code != 200 {
		t.Errorf("got status %d: %s", w.Code, w.Body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// Tokens that another server over the same store issues are accepted while Run is in progress.
func TestRunFollowsTokens(t *testing.T) {
	records := memstore.New()
	one := open(t, server.Config{Store: records})
	other := open(t, server.Config{Store: records})
	stop := start(t, one)
	token := adminToken(t, other)
	waitFor(t, "the token is accepted", func() bool {
		return call(one, "GET", "/api/v1/token", "", bearer(token)).Code == 200
	})
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// A recorder is a catalog.Courier that records the titles of the notices.
type recorder chan string

func (r recorder) Wants(string, catalog.EventKind) (notice, definition bool) { return true, false }

func (r recorder) Take(_ context.Context, n catalog.Notice) error {
	r <- n.Title.ID
	return nil
}

func TestSeveralCouriers(t *testing.T) {
	config := full(t)
	first, second := make(recorder, 10), make(recorder, 10)
	config.Couriers = []catalog.Courier{first, second}
	s := open(t, config)
	if w := call(s, "POST", "/api/v1/title", definition("A", "1"), bearer(adminToken(t, s))); w.Code != 201 {
		t.Fatalf("got status %d: %s", w.Code, w.Body)
	}
	for i, r := range []recorder{first, second} {
		if id := <-r; id != "A" {
			t.Errorf("courier %d received a notice of %q", i, id)
		}
	}
}

// Metrics are registered with the program's own, and are not when the server is closed or was not opened.
func TestRegisterer(t *testing.T) {
	registry := prometheus.NewRegistry()
	gather := func() (names []string) {
		families, err := registry.Gather()
		if err != nil {
			t.Error(err)
		}
		for _, f := range families {
			names = append(names, f.GetName())
		}
		return names
	}
	broken := &brokenStore{memstore.New(), "tokens"}
	if s, err := server.Open(t.Context(), server.Config{Store: broken, Registerer: registry}); err == nil {
		_ = s.Close()
		t.Fatal("Open succeeded")
	}
	if names := gather(); names != nil {
		t.Errorf("after a failed Open: %q", names)
	}
	for range 2 {
		s, err := server.Open(t.Context(), server.Config{Store: memstore.New(), Registerer: registry})
		if err != nil {
			t.Fatal(err)
		}
		if names := gather(); !slices.Contains(names, "patchsource_titles") {
			t.Errorf("got %q, want patchsource_titles among them", names)
		}
		if w := call(s, "GET", "/metrics", "", nil); w.Code != 404 {
			t.Errorf("/metrics: got status %d, want 404", w.Code)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if names := gather(); names != nil {
			t.Errorf("after Close: %q", names)
		}
	}
}
