package filestore

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// A pending record with a long id is listed once, although its file, which has the id, cannot be read.
func TestListOfPendingLongID(t *testing.T) {
	s := openSlow(t)
	id := strings.Repeat("x", 300)
	s.put(t, id)
	s.change(t, id, 1)
	open := s.openFile
	s.openFile = func(root *os.Root, name string) (*os.File, error) {
		if strings.HasPrefix(name, hashPrefix) {
			return nil, syscall.EMFILE
		}
		return open(root, name)
	}
	if ids := s.ids(t); len(ids) != 1 {
		t.Errorf("List yields the record %d times", len(ids))
	}
}
