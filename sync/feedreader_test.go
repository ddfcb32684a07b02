package patchsync_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/recipe"
	patchsync "github.com/patchsource/patchsource/sync"
	"github.com/patchsource/patchsource/sync/releases"
)

func TestFeedReader(t *testing.T) {
	upstream := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/version.txt" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte("App 1.2.0 and App 1.10.0\n"))
	}))
	defer upstream.Close()
	var asked []int // statuses
	reader, err := patchsync.NewFeedReader(&patchsync.FeedReaderOptions{
		AllowPrivateNetworks: true,
		Observe: func(q releases.Request, a releases.Answer) {
			if q.URL != a.URL {
				t.Errorf("observed an answer of %s to a request for %s", a.URL, q.URL)
			}
			asked = append(asked, a.Status)
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f := recipe.Feed{Kind: "text", URL: upstream.URL + "/version.txt", Match: `App (\S+)`}
	found, err := reader.Read(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	selection := releases.Select(f, found)
	if newest, ok := selection.Newest(); !ok || newest.Version != "1.10.0" {
		t.Errorf("the newest release is %+v, want 1.10.0", newest)
	}

	f.URL = upstream.URL + "/missing"
	var failed *patchsync.FeedError
	if _, err := reader.Read(t.Context(), f); !errors.As(err, &failed) || failed.Status != http.StatusNotFound {
		t.Errorf("a missing page: got %v, want a FeedError with status 404", err)
	}
	if len(asked) != 2 || asked[0] != 200 || asked[1] != 404 {
		t.Errorf("Observe saw answers %v, want 200 and 404", asked)
	}

	f.Match = "("
	if _, err := reader.Read(t.Context(), f); !errors.Is(err, patch.ErrInvalid) || len(asked) != 2 {
		t.Errorf("an invalid feed: got %v, want patch.ErrInvalid before a request", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f.Match = `App (\S+)`
	if _, err := reader.Read(ctx, f); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled context: got %v, want context.Canceled", err)
	}
}

// Without the option for labs, the reader does not contact this machine.
func TestFeedReaderRefusesPrivateNetworks(t *testing.T) {
	upstream := httptest.NewServer(http.NotFoundHandler())
	defer upstream.Close()
	reader, err := patchsync.NewFeedReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	f := recipe.Feed{Kind: "sparkle", URL: upstream.URL}
	var failed *patchsync.FeedError
	if _, err := reader.Read(t.Context(), f); !errors.As(err, &failed) || failed.Status != 0 {
		t.Errorf("got %v, want a FeedError without a status", err)
	}
}
