package server

import (
	"net/http/httptest"
	"testing"
	"time"
)

// Remembering reads costs no memory while clients ask again and again.
func TestReadsAllocateNothing(t *testing.T) {
	now := time.Now()
	reads, err := newReads(&Config{TrustedProxies: []string{"10.0.0.0/8"}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	for _, from := range []string{"127.0.0.1:1234", "[::1]:1234", "192.0.2.7:1234", "10.0.0.1:1234"} {
		r := httptest.NewRequest("GET", "/jamf/v1/software", nil)
		r.RemoteAddr = from
		r.Header.Set("X-Forwarded-For", "192.0.2.8")
		r.Header.Set("User-Agent", "Java/17")
		if n := testing.AllocsPerRun(100, func() { reads.note(r) }); n > 0 {
			t.Errorf("a read from %s makes %v allocations", from, n)
		}
	}
}

func BenchmarkReads(b *testing.B) {
	reads, err := newReads(&Config{Now: time.Now})
	if err != nil {
		b.Fatal(err)
	}
	for _, from := range []string{"127.0.0.1:1234", "192.0.2.7:1234"} {
		b.Run(from, func(b *testing.B) {
			r := httptest.NewRequest("GET", "/jamf/v1/software", nil)
			r.RemoteAddr = from
			for b.Loop() {
				reads.note(r)
			}
		})
	}
}
