//go:build unix

package main

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// An eventLog receives webhooks and records them.
type eventLog struct {
	url string
	mu  sync.Mutex
	all map[string][]event // by title, in the order of their arrival
}

// An event is the delivery of a webhook.
type event struct{ id, version string }

// newEventLog starts a receiver of webhooks.
func newEventLog(t *testing.T) *eventLog {
	l := &eventLog{all: map[string][]event{}}
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e struct {
			Title   string `json:"software_title"`
			Version string
		}
		data, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(data, &e)
		}
		if err != nil {
			t.Errorf("webhook: %v", err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.all[e.Title] = append(l.all[e.Title], event{r.Header.Get("webhook-id"), e.Version})
	}))
	t.Cleanup(srv.Close)
	l.url = srv.URL
	return l
}

// versions returns the versions in the events of a title, each event once, in the order of their first deliveries.
func (l *eventLog) versions(title string) (versions []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := map[string]bool{}
	for _, e := range l.all[title] {
		if !seen[e.id] {
			seen[e.id] = true
			versions = append(versions, e.version)
		}
	}
	return versions
}

// repeated returns the number of deliveries of events of a title that had been delivered before.
func (l *eventLog) repeated(title string) int {
	distinct := len(l.versions(title))
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all[title]) - distinct
}

// count returns the number of deliveries.
func (l *eventLog) count() (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for events := range maps.Values(l.all) {
		n += len(events)
	}
	return n
}

// duplicates returns the values that a list has twice.
func duplicates(list []string) (twice []string) {
	seen := map[string]bool{}
	for _, v := range list {
		if seen[v] {
			twice = append(twice, v)
		}
		seen[v] = true
	}
	return twice
}

// eventually waits until a condition holds, or fails the test.
func eventually(t *testing.T, timeout time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(timeout); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("timed out waiting for: %s", what)
		}
	}
}
