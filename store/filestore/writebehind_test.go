package filestore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/patchsource/patchsource/store"
)

// Ping returns an error while changes are refused because files cannot be written, and Faults names the files.
func TestPingWhileChangesAreRefused(t *testing.T) {
	s := openSlow(t)
	s.refuseRenames(syscall.EACCES)
	big := bytes.Repeat([]byte{1}, 50<<20)
	for i := range 2 {
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("Ping: %v, although changes are accepted", err)
		}
		if _, err := s.Put(t.Context(), thing(fmt.Sprint("big", i)), big, store.Condition{}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(t.Context()); !errors.Is(err, syscall.EACCES) {
			t.Fatalf("Flush: %v, want EACCES", err)
		}
	}
	_, err := s.Put(t.Context(), thing("small"), nil, store.Condition{})
	if pingErr := s.Ping(t.Context()); !errors.Is(err, syscall.EACCES) || !errors.Is(pingErr, syscall.EACCES) {
		t.Errorf("Put: %v, Ping: %v, want EACCES", err, pingErr)
	}
	s.wantFaults(t, "big0", "big1")
}

// A full disk is not a fault of the records, which can all be read.
func TestFullDiskIsNoFault(t *testing.T) {
	s := openSlow(t)
	s.refuseRenames(syscall.ENOSPC)
	s.change(t, "a", 1)
	if err := s.Flush(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Flush: %v, want ENOSPC", err)
	}
	s.wantFaults(t)
}

// A file that cannot be written does not stop the changes of other records, and its change is not lost.
func TestFileOfOneRecordCannotBeWritten(t *testing.T) {
	for _, existing := range []bool{false, true} {
		t.Run(fmt.Sprint("existing ", existing), func(t *testing.T) {
			s := openSlow(t)
			if existing {
				s.change(t, "bad", 0)
				s.flush(t)
			}
			rename, remove := s.rename, s.remove
			s.rename = func(root *os.Root, from, to string) error {
				if to == "bad.json" {
					return syscall.EPERM
				}
				return rename(root, from, to)
			}
			s.remove = func(root *os.Root, name string) error {
				if name == "bad.json" {
					return syscall.EPERM
				}
				return remove(root, name)
			}
			for n := 1; n < 6; n++ {
				if n == 4 {
					if err := s.Delete(t.Context(), thing("bad"), store.Condition{}); err != nil {
						t.Fatal(err)
					}
				} else {
					s.change(t, "bad", n)
				}
				s.change(t, "good", n)
				if err := s.Flush(t.Context()); !errors.Is(err, syscall.EPERM) {
					t.Fatalf("Flush: %v, want EPERM", err)
				}
				if len(s.journal.sealed) > 0 {
					t.Error("the journal was not trimmed although the other files were written")
				}
				s.wantFaults(t, "bad")
				after := openTest(t, s.crash(t))
				after.want(t, "good", n)
				if n == 4 {
					if ids := after.ids(t); slices.Contains(ids, "bad") {
						t.Error("the deleted record is back")
					}
				} else {
					after.want(t, "bad", n)
				}
				after.wantFaults(t)
			}
		})
	}
}

// Files are written when there has been no change for a second, when many changes are pending, and at the latest ten
// seconds after the first change.
func TestWriteBehindWaits(t *testing.T) {
	for name, test := range map[string]struct {
		changes int // one every 0.4 s
		busy    time.Duration
		want    time.Duration
	}{
		"one change":       {0, 0, time.Second},
		"three":            {3, 0, 3 * time.Second},
		"without an end":   {100, 0, 10 * time.Second},
		"many are pending": {100, 2100 * time.Millisecond, 2100 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWriteBehind()
				if test.busy > 0 {
					time.AfterFunc(test.busy, func() { notify(w.busy) })
				}
				var changes sync.WaitGroup
				defer changes.Wait()
				changes.Go(func() {
					for range test.changes {
						time.Sleep(400 * time.Millisecond)
						notify(w.dirty)
					}
				})
				begun := time.Now()
				if !w.wait() || time.Since(begun) != test.want {
					t.Errorf("wait returned after %v, want %v", time.Since(begun), test.want)
				}
				close(w.stop)
				if w.wait() && test.changes == 0 {
					t.Error("wait returned true after the store was closed")
				}
			})
		})
	}
}
