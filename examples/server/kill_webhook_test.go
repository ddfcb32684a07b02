package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The server is killed before or during the delivery of events. In the end it has delivered an event for each change
// that it acknowledged, and the events of a title in order.
func TestKilledBeforeDelivery(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	var mu sync.Mutex
	var order []string // the delivered events, each once
	delivered := map[string]bool{}
	var refuse atomic.Bool
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct{ ID, Event, Version, Title string }
		data, err := io.ReadAll(r.Body)
		if err == nil {
			data = bytes.Replace(data, []byte(`"software_title"`), []byte(`"Title"`), 1)
			err = json.Unmarshal(data, &e)
		}
		if err != nil || refuse.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if !delivered[e.ID] {
			delivered[e.ID] = true
			order = append(order, e.Title+" "+e.Event+" "+e.Version)
		}
	}))
	defer receiver.Close()

	dir := t.TempDir()
	s := start(t, dir, "--allow-private-networks")
	if status, body := s.do("POST", "/api/v1/webhooks", `{"url":"`+receiver.URL+`"}`); status != 201 {
		t.Fatalf("got status %d: %s", status, body)
	}
	events := []string{"new_title 0", "title_updated 1", "title_deleted 1"} // and the version after them
	var acked []string
	for round := range rounds {
		refuse.Store(round%2 == 0) // in every other round, all events are pending when the server is killed
		const writers = 3
		var group sync.WaitGroup
		begun := make(chan bool, writers)
		for w := range writers {
			group.Go(func() {
				for n := 0; ; n++ {
					id := fmt.Sprintf("T%d-%d-%d", round, w, n)
					for step, call := range []func() (int, []byte){
						func() (int, []byte) { return s.do("POST", "/api/v1/title", definition(id)) },
						func() (int, []byte) { return s.do("POST", "/api/v1/title/"+id+"/version", versionJSON("1")) },
						func() (int, []byte) { return s.do("DELETE", "/api/v1/title/"+id, "") },
					} {
						status, _ := call()
						if status/100 != 2 {
							return
						}
						mu.Lock()
						acked = append(acked, id+" "+events[step])
						mu.Unlock()
						select {
						case begun <- true:
						default:
						}
					}
				}
			})
		}
		<-begun
		time.Sleep(time.Duration(rand.IntN(80)) * time.Millisecond)
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		group.Wait()
		s.client.CloseIdleConnections()
		s = start(t, dir, "--allow-private-networks")
	}
	refuse.Store(false)
	missing := func() (left []string) {
		mu.Lock()
		defer mu.Unlock()
		for _, a := range acked {
			if !slices.Contains(order, a) {
				left = append(left, a)
			}
		}
		return left
	}
	for end := time.Now().Add(60 * time.Second); len(missing()) > 0 && time.Now().Before(end); {
		time.Sleep(100 * time.Millisecond)
	}
	if left := missing(); len(left) > 0 {
		t.Errorf("%d of %d acknowledged changes have no event: %v", len(left), len(acked), left[:min(5, len(left))])
	}
	last := map[string]int{}
	for _, o := range order {
		id, event, _ := strings.Cut(o, " ")
		step := slices.Index([]string{"new_title", "title_updated", "title_deleted"}, strings.Fields(event)[0])
		if step < last[id] {
			t.Errorf("an event is out of order: %s", o)
		}
		last[id] = step
	}
	t.Logf("%d kills, %d acknowledged changes, %d events", rounds, len(acked), len(order))
	if len(acked) < rounds {
		t.Error("too few changes for this test")
	}
}
