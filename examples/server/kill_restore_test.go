package main

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// The server is killed at random moments of a restore. After a restart, all titles are restored, or none is.
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
				def := definition(fmt.Sprint("T", i))
				_, err = io.WriteString(w, strings.Replace(def, `"version":"0"`, `"version":"`+version+`"`, 1))
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
		t.Fatalf("got status %d: %s", status, body)
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
			t.Fatalf("the list: got status %d, %v", status, err)
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
			t.Fatalf("after kill %d: got %d titles of the versions %v; acknowledged: %v",
				round+1, len(list), count, acknowledged)
		}
	}
	t.Logf("%d kills: %d restores were rolled back, %d completed", rounds, before, after)
}
