package s3storetest_test

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/storetest"
)

// The servers of the tests, which are started at first use.
var (
	gofakes3  = sync.OnceValues(func() (*s3storetest.Server, error) { return untilEnd(s3storetest.Start()) })
	versitygw = sync.OnceValues(func() (*s3storetest.Server, error) { return untilEnd(s3storetest.StartVersity()) })
)

// servers are all servers with their names.
var servers = []struct {
	name  string
	start func() (*s3storetest.Server, error)
}{{"gofakes3", gofakes3}, {"versitygw", versitygw}}

// started are the servers to be stopped after all tests.
var started []*s3storetest.Server

// untilEnd has a server stopped after all tests.
func untilEnd(s *s3storetest.Server, err error) (*s3storetest.Server, error) {
	if err == nil {
		started = append(started, s)
	}
	return s, err
}

// work makes calls if this process is a worker of a test, and otherwise returns. It is set on Unix.
var work = func() {}

func TestMain(m *testing.M) {
	work()
	code := m.Run()
	for _, s := range started {
		s.Stop()
	}
	os.Exit(code)
}

// server returns the server of most tests, or skips the test.
func server(t testing.TB) *s3storetest.Server {
	t.Helper()
	s, err := gofakes3()
	s3storetest.Check(t, err)
	return s
}

var prefixes atomic.Int64

// newPrefix returns a prefix that no other test uses.
func newPrefix() string { return fmt.Sprintf("test/%d", prefixes.Add(1)) }

// open opens a store over a client, which the test closes.
func open(t testing.TB, client s3store.Client, opts *s3store.Options) *s3store.Store {
	t.Helper()
	s, err := s3store.Open(t.Context(), client, s3storetest.Bucket, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestStore(t *testing.T) {
	eachServer(t, func(t *testing.T, server *s3storetest.Server) {
		prefixOf := map[store.Store]string{}
		again := func(t *testing.T, prefix string) store.Store {
			s := open(t, server.Client(), &s3store.Options{Prefix: prefix, PollInterval: 100 * time.Millisecond})
			prefixOf[s] = prefix
			return s
		}
		storetest.Run(t, storetest.Backend{
			New:    func(t *testing.T) store.Store { return again(t, newPrefix()) },
			Reopen: func(t *testing.T, s store.Store) store.Store { return again(t, prefixOf[s]) },
			Second: func(t *testing.T, s store.Store) store.Store { return again(t, prefixOf[s]) },
		})
	})
}
