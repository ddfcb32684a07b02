package filestore

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
)

// Of many writers that name the same revision, exactly one succeeds.
func TestOneWriterWins(t *testing.T) {
	s := openTest(t, filepath.Join(t.TempDir(), "data"))
	rev, err := s.Put(t.Context(), thing("a"), []byte("0"), store.IfAbsent())
	if err != nil {
		t.Fatal(err)
	}
	stop, flushed := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(flushed)
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.Flush(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	}()
	for range 50 {
		var (
			all  sync.WaitGroup
			wins atomic.Int64
			next atomic.Value
		)
		for w := range 16 {
			all.Go(func() {
				got, err := s.Put(t.Context(), thing("a"), []byte(strconv.Itoa(w)), store.IfRevision(rev))
				switch {
				case err == nil:
					wins.Add(1)
					next.Store(got)
				case !errors.Is(err, store.ErrConflict):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := wins.Load(); n != 1 {
			t.Fatalf("%d writers have succeeded, want 1", n)
		}
		rev = next.Load().(store.Revision)
		if r, err := s.Get(t.Context(), thing("a")); err != nil || r.Revision != rev {
			t.Fatalf("Get: revision %q, %v, want %q", r.Revision, err, rev)
		}
	}
	close(stop)
	<-flushed
}

// Every change that a killed process has acknowledged is there when the directory is opened again.
func TestKill(t *testing.T) {
	if dir := os.Getenv("FILESTORE_TEST_WRITER"); dir != "" {
		writeUntilKilled(t, dir)
		return
	}
	dir := filepath.Join(t.TempDir(), "data")
	acknowledged := map[string]int{} // by id: the last value; negative: deleted
	for round := range 8 {
		child := exec.Command(os.Args[0], "-test.run", "^TestKill$")
		child.Env = append(os.Environ(), "FILESTORE_TEST_WRITER="+dir)
		child.Stderr = os.Stderr
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			id, value, ok := strings.Cut(lines.Text(), " ")
			if acknowledged[id], err = strconv.Atoi(value); !ok || err != nil {
				t.Errorf("a line of the writer: %q", lines.Text())
			}
			if n == 200+50*round {
				_ = child.Process.Kill() // and read what it has acknowledged until then
			}
		}
		_ = child.Wait()
		s := openTest(t, dir)
		s.wantFaults(t)
		for id, value := range acknowledged {
			checkAcknowledged(t, s, id, value)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// checkAcknowledged checks that a record has the last acknowledged value, or that of the change after it.
func checkAcknowledged(t *testing.T, s *testStore, id string, value int) {
	t.Helper()
	r, err := s.Get(t.Context(), thing(id))
	if errors.Is(err, store.ErrNotFound) {
		if value > 0 && (value+1)%5 != 0 {
			t.Errorf("%s is deleted, want value %d", id, value)
		}
		return
	}
	got, _, _ := strings.Cut(string(r.Value), "\n")
	n, _ := strconv.Atoi(got)
	if want := max(value, -value); err != nil || n != value && n != want+1 {
		t.Errorf("%s has value %q (%v), want %d or the next one", id, got, err, value)
	}
}

// writeUntilKilled changes records, several at once, and prints each change when it is acknowledged. Every fifth change
// is a deletion.
func writeUntilKilled(t *testing.T, dir string) {
	s := newStore()
	s.behind.delay = 5 * time.Millisecond
	if err := s.start(dir, nil); err != nil {
		t.Fatal(err)
	}
	var print sync.Mutex
	for w := range 8 {
		go func() {
			id := fmt.Sprint("record-", w)
			n := 0
			if r, err := s.Get(t.Context(), thing(id)); err == nil {
				first, _, _ := strings.Cut(string(r.Value), "\n")
				n, _ = strconv.Atoi(first)
			} else if r, err := s.Get(t.Context(), thing(id+"-deleted")); err == nil {
				n, _ = strconv.Atoi(string(r.Value))
			}
			for {
				n++
				value, err := n, error(nil)
				if n%5 == 0 {
					value = -n
					_, _ = s.Put(t.Context(), thing(id+"-deleted"), []byte(strconv.Itoa(n)), store.Condition{})
					err = s.Delete(t.Context(), thing(id), store.Condition{})
					if errors.Is(err, store.ErrNotFound) {
						err = nil
					}
				} else {
					text := strconv.Itoa(n) + "\n" + strings.Repeat("a line that does not change\n", 100)
					_, err = s.Put(t.Context(), thing(id), []byte(text), store.Condition{})
				}
				if err != nil {
					t.Error(err)
				}
				print.Lock()
				fmt.Println(id, value)
				print.Unlock()
			}
		}()
	}
	select {}
}
