package safehttp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A host that does not answer uses up its own limit only, and requests to other hosts go on.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		now, maximum := map[string]int{}, map[string]int{}
		c := New(
			&Options{
				PerHost: 2,
				Total:   3,
				Timeout: time.Minute,
				Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
					mu.Lock()
					for _, k := range []string{r.URL.Host, ""} {
						now[k]++
						maximum[k] = max(maximum[k], now[k])
					}
					mu.Unlock()
					time.Sleep(time.Second)
					mu.Lock()
					now[r.URL.Host]--
					now[""]--
					mu.Unlock()
					return &http.Response{StatusCode: 200, Body: http.NoBody, Request: r}, nil
				}),
			},
		)
		var group sync.WaitGroup
		for i := range 20 {
			group.Go(func() {
				if _, err := c.Do(t.Context(), Request{URL: fmt.Sprintf("https://host%d.example/", i%2)}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		if maximum["host0.example"] != 2 || maximum["host1.example"] != 2 || maximum[""] != 3 {
			t.Errorf("requests in progress: %v", maximum)
		}
		if len(c.limits.hosts) != 0 {
			t.Errorf("%d hosts are left in limits", len(c.limits.hosts))
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(io.EOF)
		if _, err := c.Do(ctx, Request{URL: "https://host.example/"}); !errors.Is(err, io.EOF) {
			t.Errorf("%v, want the context's cause", err)
		}
	})
}

// Negative limits mean no limit.
func TestNoLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		body := make([]byte, defaultMaxBytes+1)
		c := New(&Options{
			Timeout:  -1,
			MaxBytes: -1,
			PerHost:  -1,
			Total:    -1,
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				time.Sleep(time.Hour)
				return &http.Response{StatusCode: 200, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
			}),
		})
		began := time.Now()
		var group sync.WaitGroup
		for range 2 * defaultTotal {
			group.Go(func() {
				res, err := c.Do(t.Context(), Request{URL: "https://host.example/"})
				if err != nil || len(res.Body) != len(body) {
					t.Errorf("got %v, want %d bytes", err, len(body))
				}
			})
		}
		group.Wait()
		if took := time.Since(began); took != time.Hour {
			t.Errorf("the requests took %v, want 1h: they should run at once", took)
		}
	})
}
