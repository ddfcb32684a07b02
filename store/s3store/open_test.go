package s3store_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/patchsource/patchsource/store/s3store"
)

// A namedClient has an endpoint, as *s3.Client has.
type namedClient struct{ *fake }

func (namedClient) Options() s3.Options {
	return s3.Options{BaseEndpoint: aws.String("http://s3.example:9000")}
}

// A server that ignores conditions is refused with an error that names it.
func TestOpenRefusesTheServer(t *testing.T) {
	denied := apiError(http.StatusForbidden, "AccessDenied")
	for _, c := range []struct {
		name    string
		ignores string
		before  func(r request) error
		want    string
	}{
		{name: "no conditions on absence", ignores: "If-None-Match", want: "ignores the header If-None-Match"},
		{name: "no conditions on ETags", ignores: "If-Match", want: "ignores the header If-Match"},
		{
			name: "conditions are not implemented",
			before: func(r request) error {
				if r.conditional {
					return apiError(http.StatusNotImplemented, "NotImplemented")
				}
				return nil
			},
			want: "If-None-Match",
		},
		{
			name:   "no permission to list",
			before: func(r request) error { return denied },
			want:   "s3:ListBucket",
		},
		{
			name: "no bucket",
			before: func(r request) error {
				return apiError(http.StatusNotFound, "NoSuchBucket")
			},
			want: `"bucket"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake()
			f.ignores, f.before = []string{c.ignores}, c.before
			_, err := s3store.Open(t.Context(), namedClient{f}, "bucket", nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v, want an error about %s", err, c.want)
			}
			if c.ignores != "" && !strings.Contains(err.Error(), "http://s3.example:9000") {
				t.Errorf("the error does not name the server: %v", err)
			}
			if len(f.objects) != 0 {
				t.Errorf("%d objects are left", len(f.objects))
			}
		})
	}
}

// A racyClient is a client of a server that checks conditions, but not atomically.
type racyClient struct{ *fake }

func (c racyClient) PutObject(
	ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options),
) (*s3.PutObjectOutput, error) {
	body, exists := c.body(*in.Key)
	switch {
	case in.IfNoneMatch != nil && exists, in.IfMatch != nil && (!exists || *in.IfMatch != etag([]byte(body))):
		return nil, apiError(http.StatusPreconditionFailed, "PreconditionFailed")
	}
	time.Sleep(time.Millisecond)
	in.IfMatch, in.IfNoneMatch = nil, nil
	return c.fake.PutObject(ctx, in, o...)
}

func TestOpenRefusesARacyServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, err := s3store.Open(t.Context(), racyClient{newFake()}, "bucket", nil)
		if err == nil || !strings.Contains(err.Error(), "loses changes") {
			t.Errorf("got %v, want an error about lost changes", err)
		}
	})
}

// An unlistingClient is a client of a server whose lists come late.
type unlistingClient struct{ *fake }

func (c unlistingClient) ListObjectsV2(
	ctx context.Context, in *s3.ListObjectsV2Input, o ...func(*s3.Options),
) (*s3.ListObjectsV2Output, error) {
	out, err := c.fake.ListObjectsV2(ctx, in, o...)
	out.Contents = []types.Object{}
	return out, err
}

func TestOpenRefusesAServerWhoseListsAreLate(t *testing.T) {
	_, err := s3store.Open(t.Context(), unlistingClient{newFake()}, "bucket", nil)
	if err == nil || !strings.Contains(err.Error(), "list") {
		t.Errorf("got %v, want an error about lists", err)
	}
}

// The objects of a probe that was killed are removed by a later one.
func TestOpenRemovesOldProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		f.set("_probe/OLD", "3")
		time.Sleep(30 * time.Minute)
		f.set("_probe/NEW", "3")
		time.Sleep(40 * time.Minute)
		open(t, f, nil)
		if _, ok := f.body("_probe/OLD"); ok {
			t.Error("an object of 70 minutes is left")
		}
		if _, ok := f.body("_probe/NEW"); !ok {
			t.Error("an object of 40 minutes was removed: another server may be opening the store")
		}
		if n := len(f.objects); n != 2 {
			t.Errorf("%d objects, want the head and the newer one", n)
		}
	})
}

func TestOpenRefusesPrefixes(t *testing.T) {
	f := newFake()
	for _, prefix := range []string{"/", "a/", "/a", "a//b", "a b", "..", "a/../b", "é", strings.Repeat("a", 201)} {
		if _, err := s3store.Open(t.Context(), f, "bucket", &s3store.Options{Prefix: prefix}); err == nil {
			t.Errorf("the prefix %q is accepted", prefix)
		}
	}
	if len(f.requests) != 0 {
		t.Errorf("requests were made: %v", f.requests)
	}
}

// Open ends when its context does, and leaves the store usable if it ends later.
func TestContextOfOpen(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s, err := s3store.Open(ctx, newFake(), "bucket", nil)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	put(t, s, thing, "1")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := s3store.Open(ctx, newFake(), "bucket", nil); !errors.Is(err, context.Canceled) {
		t.Errorf("under an ended context: %v", err)
	}
}
