package s3store_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/patchsource/patchsource/store/s3store"
)

// A fake is an S3 server in memory, and a client of it.
type fake struct {
	// before, if not nil, is called before a request is carried out. If it returns an error, the request is not carried
	// out and fails with it.
	before func(r request) error
	// after, if not nil, is called after a request was carried out. If it returns an error, the answer is lost: the
	// request fails with it.
	after func(r request) error
	// ignores are conditions that the server ignores: "If-Match", "If-None-Match".
	ignores []string
	// pageSize is the number of objects in a page of a list. The default is 1000.
	pageSize int

	mu       sync.Mutex
	objects  map[string]fakeObject
	requests map[string]int // by the kind of request
}

// A fakeObject is an object that a fake keeps.
type fakeObject struct {
	body     []byte
	modified time.Time
}

// A request is one that a fake receives. Its body is that of a put.
type request struct {
	call, key, body string
	conditional     bool
}

func newFake() *fake { return &fake{objects: map[string]fakeObject{}, requests: map[string]int{}} }

// etag returns the ETag of a body, as S3 computes it.
func etag(body []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(body)) }

// apiError returns an error as the SDK returns it.
func apiError(status int, code string) error {
	response := &smithyhttp.Response{Response: &http.Response{StatusCode: status}}
	return &smithy.OperationError{
		ServiceID: "S3",
		Err: &smithyhttp.ResponseError{
			Response: response,
			Err:      &smithy.GenericAPIError{Code: code, Message: http.StatusText(status)},
		},
	}
}

// serve carries out a request, with the hooks around it. f.mu is held while do runs.
func (f *fake) serve(ctx context.Context, r request, do func() error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	f.mu.Lock()
	f.requests[r.call]++
	before, after := f.before, f.after
	f.mu.Unlock()
	if before != nil {
		if err := before(r); err != nil {
			return err
		}
	}
	f.mu.Lock()
	err := do()
	f.mu.Unlock()
	if err == nil && after != nil {
		return after(r)
	}
	return err
}

// hook sets the hooks.
func (f *fake) hook(before, after func(r request) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before, f.after = before, after
}

// count returns how many requests of a kind there were.
func (f *fake) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests[call]
}

// set stores an object.
func (f *fake) set(key, body string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.objects[key] = fakeObject{[]byte(body), time.Now()}
}

// body returns an object.
func (f *fake) body(key string) (body string, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.objects[key]
	return string(o.body), ok
}

// GetObject implements s3store.Client.
func (f *fake) GetObject(
	ctx context.Context, in *s3.GetObjectInput, _ ...func(*s3.Options),
) (*s3.GetObjectOutput, error) {
	var out *s3.GetObjectOutput
	r := request{call: "get", key: *in.Key, conditional: in.IfNoneMatch != nil}
	err := f.serve(ctx, r, func() error {
		o, ok := f.objects[*in.Key]
		switch {
		case !ok:
			return &types.NoSuchKey{}
		case in.IfNoneMatch != nil && *in.IfNoneMatch == etag(o.body):
			return apiError(http.StatusNotModified, "NotModified")
		}
		body := bytes.Clone(o.body)
		out = &s3.GetObjectOutput{Body: io.NopCloser(bytes.NewReader(body)), ETag: aws.String(etag(body))}
		return nil
	})
	return out, err
}

// PutObject implements s3store.Client.
func (f *fake) PutObject(
	ctx context.Context, in *s3.PutObjectInput, _ ...func(*s3.Options),
) (*s3.PutObjectOutput, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	conditional := in.IfMatch != nil || in.IfNoneMatch != nil
	err = f.serve(ctx, request{"put", *in.Key, string(body), conditional}, func() error {
		o, exists := f.objects[*in.Key]
		switch {
		case in.IfNoneMatch != nil && exists && !slices.Contains(f.ignores, "If-None-Match"):
			return apiError(http.StatusPreconditionFailed, "PreconditionFailed")
		case in.IfMatch != nil && slices.Contains(f.ignores, "If-Match"):
		case in.IfMatch != nil && !exists:
			return apiError(http.StatusNotFound, "NoSuchKey")
		case in.IfMatch != nil && *in.IfMatch != etag(o.body):
			return apiError(http.StatusPreconditionFailed, "PreconditionFailed")
		}
		f.objects[*in.Key] = fakeObject{body, time.Now()}
		return nil
	})
	return &s3.PutObjectOutput{ETag: aws.String(etag(body))}, err
}

// DeleteObject implements s3store.Client.
func (f *fake) DeleteObject(
	ctx context.Context, in *s3.DeleteObjectInput, _ ...func(*s3.Options),
) (*s3.DeleteObjectOutput, error) {
	err := f.serve(ctx, request{call: "delete", key: *in.Key}, func() error {
		delete(f.objects, *in.Key)
		return nil
	})
	return &s3.DeleteObjectOutput{}, err
}

// ListObjectsV2 implements s3store.Client.
func (f *fake) ListObjectsV2(
	ctx context.Context, in *s3.ListObjectsV2Input, _ ...func(*s3.Options),
) (*s3.ListObjectsV2Output, error) {
	out := &s3.ListObjectsV2Output{}
	err := f.serve(ctx, request{call: "list", key: *in.Prefix}, func() error {
		var keys []string
		for key := range f.objects {
			if strings.HasPrefix(key, *in.Prefix) && key > aws.ToString(in.ContinuationToken) {
				keys = append(keys, key)
			}
		}
		slices.Sort(keys)
		size := f.pageSize
		if size == 0 {
			size = 1000
		}
		if len(keys) > size {
			keys = keys[:size]
			out.IsTruncated, out.NextContinuationToken = aws.Bool(true), aws.String(keys[size-1])
		}
		for _, key := range keys {
			o := f.objects[key]
			out.Contents = append(out.Contents, types.Object{
				Key: aws.String(key), ETag: aws.String(etag(o.body)), Size: aws.Int64(int64(len(o.body))),
				LastModified: aws.Time(o.modified),
			})
		}
		return nil
	})
	return out, err
}

// open opens a store over a client, which the test closes.
func open(t testing.TB, client s3store.Client, opts *s3store.Options) *s3store.Store {
	t.Helper()
	s, err := s3store.Open(t.Context(), client, "bucket", opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// errSilent is the error of a hook that leaves a request to a silentClient without an answer.
var errSilent = errors.New("no answer")

// A silentClient waits for its context if a hook returns errSilent.
type silentClient struct{ *fake }

func (c silentClient) GetObject(
	ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options),
) (*s3.GetObjectOutput, error) {
	out, err := c.fake.GetObject(ctx, in, o...)
	return out, c.wait(ctx, err)
}

func (c silentClient) PutObject(
	ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options),
) (*s3.PutObjectOutput, error) {
	out, err := c.fake.PutObject(ctx, in, o...)
	return out, c.wait(ctx, err)
}

// wait waits for ctx if err is errSilent.
func (c silentClient) wait(ctx context.Context, err error) error {
	if errors.Is(err, errSilent) {
		<-ctx.Done()
		return ctx.Err()
	}
	return err
}
