package s3store

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithymiddleware "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/patchsource/patchsource/store"
)

// The errors of a bucket. After any other error of a write, its outcome is unknown.
var (
	errAbsent    = errors.New("the object does not exist")
	errRefused   = errors.New("the condition does not hold")
	errUnchanged = errors.New("the object has not changed")
	errBusy      = errors.New("the server is busy, and has not carried out the request")
	errInvalid   = errors.New("the server does not accept the request")
)

const (
	// maxBusy bounds how often a request is sent to a server that is busy.
	maxBusy = 8
	// minBusyPause is the first pause before that. It doubles each time.
	minBusyPause = 20 * time.Millisecond
	// maxReads bounds how often an object is requested whose body ends too early or does not fit its ETag.
	maxReads = 3
)

// A bucket makes requests, each bounded in time, and translates their errors.
type bucket struct {
	client  Client
	name    string
	timeout time.Duration
	server  atomic.Pointer[string] // the header Server of the first answer to a write
	md5Tags atomic.Bool            // the server has answered a write with the MD5 of the body as the ETag
}

// A condition is that of a write. The zero condition always holds.
type condition struct {
	absent bool
	tag    store.Revision
}

// put writes an object and returns its tag. It sends the request again only if the server has not carried it out.
func (b *bucket) put(ctx context.Context, name string, body []byte, cond condition) (store.Revision, error) {
	sum := md5.Sum(body)
	input := &s3.PutObjectInput{
		Bucket: &b.name, Key: &name, ContentLength: aws.Int64(int64(len(body))),
		ContentMD5: aws.String(base64.StdEncoding.EncodeToString(sum[:])),
	}
	switch {
	case cond.absent:
		input.IfNoneMatch = aws.String("*")
	case cond.tag != "":
		input.IfMatch = aws.String(quote(cond.tag))
	}
	for pause, try := minBusyPause, 1; ; pause, try = 2*pause, try+1 {
		input.Body = bytes.NewReader(body)
		tag, err := b.putOnce(ctx, input)
		if err == nil && string(tag) == hex.EncodeToString(sum[:]) {
			b.md5Tags.Store(true)
		}
		if !errors.Is(err, errBusy) || try == maxBusy {
			return tag, err
		}
		sleep(ctx, jitter(pause))
	}
}

// putOnce sends one request.
func (b *bucket) putOnce(ctx context.Context, input *s3.PutObjectInput) (store.Revision, error) {
	ctx, cancel := b.bound(ctx)
	defer cancel()
	out, err := b.client.PutObject(ctx, input, noRetries, plainBody)
	if err != nil {
		return "", failure(ctx, "write", *input.Key, err)
	}
	b.noteServer(out.ResultMetadata)
	tag := unquote(out.ETag)
	if tag == "" {
		return "", fmt.Errorf("s3store: write %s: the answer has no ETag", *input.Key)
	}
	return tag, nil
}

// get reads an object.
func (b *bucket) get(ctx context.Context, name string) (object, error) {
	return b.read(ctx, &s3.GetObjectInput{Key: &name}, maxHeader+maxValue, true)
}

// getHeader reads the beginning of an object.
func (b *bucket) getHeader(ctx context.Context, name string) (object, error) {
	return b.read(ctx, &s3.GetObjectInput{Key: &name}, maxHeader, false)
}

// getUnless reads an object unless it has a tag. It does not retry requests that fail, except as read does.
func (b *bucket) getUnless(ctx context.Context, name string, tag store.Revision) (object, error) {
	input := &s3.GetObjectInput{Key: &name}
	if tag != "" {
		input.IfNoneMatch = aws.String(quote(tag))
	}
	return b.read(ctx, input, maxHead, true, noRetries)
}

// read reads at most limit bytes of an object. If whole, it returns an error if there are more. It sends the request up
// to three times if the body ends too early, or if the ETag seems to be that of another body. It accepts such an ETag
// if it comes twice in a row, and otherwise returns an error.
func (b *bucket) read(
	ctx context.Context, input *s3.GetObjectInput, limit int64, whole bool, opts ...func(*s3.Options),
) (o object, err error) {
	ctx, cancel := b.bound(ctx)
	defer cancel()
	input.Bucket = &b.name
	var last store.Revision
	for try := 1; ; try++ {
		out, err := b.client.GetObject(ctx, input, append(opts, plainAnswer)...)
		if err != nil {
			return object{}, failure(ctx, "read", *input.Key, err)
		}
		o = object{tag: unquote(out.ETag)}
		o.body, err = io.ReadAll(io.LimitReader(out.Body, limit+1))
		_ = out.Body.Close()
		switch {
		case err != nil && try < maxReads && ctx.Err() == nil:
			continue
		case err != nil:
			return object{}, failure(ctx, "read", *input.Key, err)
		case o.tag == "":
			return object{}, fmt.Errorf("s3store: read %s: the answer has no ETag", *input.Key)
		case int64(len(o.body)) > limit && whole:
			return object{}, fmt.Errorf("s3store: read %s: the object has more than %d bytes", *input.Key, limit)
		case whole && o.tag != last && b.isMixed(o):
			if try == maxReads {
				return object{}, fmt.Errorf("s3store: read %s: the object was replaced during each of %d readings: "+
					"try again", *input.Key, maxReads)
			}
			last = o.tag
			continue
		}
		return o, nil
	}
}

// isMixed reports whether the ETag of an object seems to be that of another body. versitygw answers so if the object is
// replaced while it is read. An object that is encrypted in some ways has such an ETag, too, and keeps it.
func (b *bucket) isMixed(o object) bool {
	sum := md5.Sum(o.body)
	return b.md5Tags.Load() && len(o.tag) == hex.EncodedLen(len(sum)) && string(o.tag) != hex.EncodeToString(sum[:])
}

// remove deletes an object, or does nothing if it does not exist. It sends one request.
func (b *bucket) remove(ctx context.Context, name string) error {
	ctx, cancel := b.bound(ctx)
	defer cancel()
	_, err := b.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &b.name, Key: &name}, noRetries)
	if err != nil {
		return failure(ctx, "delete", name, err)
	}
	return nil
}

// An entry is an object in a list.
type entry struct {
	name     string // without the prefix of the list
	tag      store.Revision
	size     int64
	modified time.Time
}

// list yields the objects whose names begin with a prefix.
func (b *bucket) list(ctx context.Context, prefix string) iter.Seq2[entry, error] {
	return func(yield func(entry, error) bool) {
		input := &s3.ListObjectsV2Input{Bucket: &b.name, Prefix: &prefix}
		for {
			page, err := b.page(ctx, input)
			if err != nil {
				yield(entry{}, err)
				return
			}
			for _, o := range page.Contents {
				e := entry{
					strings.TrimPrefix(aws.ToString(o.Key), prefix), unquote(o.ETag), aws.ToInt64(o.Size),
					aws.ToTime(o.LastModified),
				}
				if !yield(e, nil) {
					return
				}
			}
			if !aws.ToBool(page.IsTruncated) {
				return
			}
			if input.ContinuationToken = page.NextContinuationToken; input.ContinuationToken == nil {
				yield(entry{}, fmt.Errorf("s3store: list %s: a page ends without a token for the next", prefix))
				return
			}
		}
	}
}

// page requests one page of a list.
func (b *bucket) page(ctx context.Context, input *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	ctx, cancel := b.bound(ctx)
	defer cancel()
	page, err := b.client.ListObjectsV2(ctx, input)
	if err != nil {
		return nil, failure(ctx, "list", *input.Prefix, err)
	}
	return page, nil
}

// bound returns the context of one request.
func (b *bucket) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if b.timeout < 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, b.timeout)
}

// noteServer records the name of the server's software.
func (b *bucket) noteServer(m smithymiddleware.Metadata) {
	if b.server.Load() != nil {
		return
	}
	if r, ok := middleware.GetRawResponse(m).(*smithyhttp.Response); ok {
		server := r.Header.Get("Server")
		b.server.Store(&server)
	}
}

// noRetries turns off the retries of the SDK: this package decides when a request can be sent again.
func noRetries(o *s3.Options) { o.Retryer = aws.NopRetryer{} }

// plainBody turns off the checksum that the SDK adds to a body, which not every server understands. Content-MD5
// protects the body.
func plainBody(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
}

// plainAnswer turns off the check of a checksum that not every server returns, and the warning that there is none. The
// header of a record has a checksum.
func plainAnswer(o *s3.Options) {
	o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
	o.DisableLogOutputChecksumValidationSkipped = true
}

// failure returns the error of a request.
func failure(ctx context.Context, verb, name string, err error) error {
	if ended := ctx.Err(); ended != nil && !errors.Is(err, ended) {
		err = fmt.Errorf("%w: %w", ended, err)
	}
	if kind := classify(err); kind != nil {
		return fmt.Errorf("s3store: %s %s: %w: %w", verb, name, kind, err)
	}
	return fmt.Errorf("s3store: %s %s: %w", verb, name, err)
}

// classify returns the one of a bucket's errors that an error of the SDK is, or nil.
func classify(err error) error {
	var code string
	var api smithy.APIError
	if errors.As(err, &api) {
		code = api.ErrorCode()
	}
	var status int
	var response *smithyhttp.ResponseError
	if errors.As(err, &response) {
		status = response.HTTPStatusCode()
	}
	switch {
	case status == http.StatusNotModified:
		return errUnchanged
	case status == http.StatusPreconditionFailed || code == "PreconditionFailed":
		return errRefused
	case code == "NoSuchKey":
		return errAbsent
	case status == http.StatusConflict || status == http.StatusTooManyRequests || code == "SlowDown":
		return errBusy
	case code == "RequestTimeout" || status == http.StatusRequestTimeout:
		return nil
	case status >= 400 && status < 500 || status == http.StatusNotImplemented:
		return errInvalid
	}
	return nil
}

// quote returns a tag as an ETag.
func quote(tag store.Revision) string { return `"` + string(tag) + `"` }

// unquote returns an ETag as a tag.
func unquote(etag *string) store.Revision {
	return store.Revision(strings.Trim(aws.ToString(etag), `"`))
}

// jitter returns a random time between the half and the whole of d.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2) }

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
