package main

import (
	"archive/zip"
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

// Killed between a change and its delivery, or during it, the server tells of every
// change that it has acknowledged, and the changes of a title in order.
func TestKilledBeforeDelivery(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	var mu sync.Mutex
	var order []string // what was told, each once
	told := map[string]bool{}
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
		if !told[e.ID] {
			told[e.ID] = true
			order = append(order, e.Title+" "+e.Event+" "+e.Version)
		}
	}))
	defer receiver.Close()

	dir := t.TempDir()
	s := start(t, dir, "--allow-private-networks")
	if status, body := s.do("POST", "/api/v1/webhooks", `{"url":"`+receiver.URL+`"}`); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	var acked []string
	for round := range rounds {
		refuse.Store(round%2 == 0) // in every other one, all is still waiting when it is killed
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
						acked = append(
							acked,
							id+" "+[]string{"new_title 0", "title_updated 1", "title_deleted 1"}[step],
						)
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
		t.Errorf("%d of %d acknowledged changes were never told: %v", len(left), len(acked), left[:min(5, len(left))])
	}
	last := map[string]int{}
	for _, o := range order {
		id, event, _ := strings.Cut(o, " ")
		step := slices.Index([]string{"new_title", "title_updated", "title_deleted"}, strings.Fields(event)[0])
		if step < last[id] {
			t.Errorf("out of order: %s", o)
		}
		last[id] = step
	}
	t.Logf("%d kills, %d acknowledged changes, %d told", rounds, len(acked), len(order))
	if len(acked) < rounds {
		t.Error("too few changes were made: the test hardly tests")
	}
}

// Killed at any moment of a restore, the server comes back with all of it or nothing.
func TestKilledDuringARestore(t *testing.T) {
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	const titles = 300
	backup := func(version string) []byte {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for i := range titles {
			w, err := z.Create(fmt.Sprintf("patch_archive/T%d.json", i))
			if err == nil {
				_, err = io.WriteString(
					w,
					strings.Replace(definition(fmt.Sprint("T", i)), `"version":"0"`, `"version":"`+version+`"`, 1),
				)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	dir := t.TempDir()
	s := start(t, dir)
	if status, body := s.do("POST", "/api/v1/restore", string(backup("1000"))); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	version, before, after := "1000", 0, 0
	for round := range rounds {
		next := fmt.Sprint(1001 + round)
		data := string(backup(next))
		done := make(chan int, 1)
		go func() {
			status, _ := s.do("POST", "/api/v1/restore?mode=replace", data)
			done <- status
		}()
		time.Sleep(time.Duration(rand.IntN(1200)) * time.Millisecond)
		_ = s.cmd.Process.Kill()
		_ = s.cmd.Wait()
		acknowledged := <-done == 201
		s.client.CloseIdleConnections()
		s = start(t, dir)
		status, data2 := s.do("GET", "/jamf/v1/software", "")
		var list []struct{ CurrentVersion string }
		if err := json.Unmarshal(data2, &list); status != 200 || err != nil {
			t.Fatalf("%d %v", status, err)
		}
		count := map[string]int{}
		for _, title := range list {
			count[title.CurrentVersion]++
		}
		switch {
		case len(list) == titles && count[version] == titles && !acknowledged:
			before++
		case len(list) == titles && count[next] == titles:
			version = next
			after++
		default:
			t.Fatalf("after kill %d: %d titles, %v; acknowledged: %v", round+1, len(list), count, acknowledged)
		}
	}
	t.Logf("%d kills: %d restores were undone, %d finished", rounds, before, after)
}
