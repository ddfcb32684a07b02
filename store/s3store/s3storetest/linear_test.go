//go:build unix

package s3storetest_test

import (
	"bytes"
	"context"
	"io"
	"path"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/internal/linear"
	"github.com/patchsource/patchsource/store/s3store"
	"github.com/patchsource/patchsource/store/s3store/s3storetest"
	"github.com/patchsource/patchsource/store/storetest"
)

// nativeDelete is the fault of a worker that deletes with the condition of DeleteObject, which gofakes3 ignores.
const nativeDelete = "native delete"

func init() {
	work = func() { linear.Main(openWorker) }
}

// openWorker opens the store of a worker. args are an endpoint and a prefix.
func openWorker(ctx context.Context, fault string, args []string) (store.Store, error) {
	var client s3store.Client = s3storetest.Client(args[0])
	if fault == nativeDelete {
		client = nativeDeleter{client}
	}
	opts := &s3store.Options{Prefix: args[1], Timeout: linear.WorkerTimeout}
	return s3store.Open(ctx, client, s3storetest.Bucket, opts)
}

// A nativeDeleter is a client that deletes an object in place of replacing it with a tombstone.
type nativeDeleter struct{ s3store.Client }

func (c nativeDeleter) PutObject(
	ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options),
) (*s3.PutObjectOutput, error) {
	body, err := io.ReadAll(in.Body)
	if err != nil {
		return nil, err
	}
	isTombstone := bytes.HasPrefix(body, []byte(`{"nonce"`)) && !bytes.Contains(body, []byte(`"id"`))
	if in.IfMatch == nil || !isTombstone {
		in.Body = bytes.NewReader(body)
		return c.Client.PutObject(ctx, in, opts...)
	}
	deletion := &s3.DeleteObjectInput{Bucket: in.Bucket, Key: in.Key, IfMatch: in.IfMatch}
	_, err = c.Client.DeleteObject(ctx, deletion, opts...)
	return &s3.PutObjectOutput{ETag: in.IfMatch}, err
}

// newCluster returns a cluster of workers over a server, and its prefix.
func newCluster(s *s3storetest.Server) (c *linear.Cluster, prefix string) {
	prefix = newPrefix()
	return &linear.Cluster{
		Network: "tcp", Address: s.Addr(),
		Args:        func(p *storetest.Proxy) []string { return []string{"http://" + p.Addr().String(), prefix} },
		RacyDeletes: true,
	}, prefix
}

// All calls of several processes have the results that they would have one after the other, whatever happens to the
// processes and their connections. A server that watches the records sees all changes, also of processes that were
// killed before they announced them.
func TestLinearizable(t *testing.T) {
	eachServer(t, func(t *testing.T, server *s3storetest.Server) {
		duration := 15 * time.Second
		if testing.Short() {
			duration = 8 * time.Second
		}
		c, prefix := newCluster(server)
		// versitygw deletes objects without the lock that it holds during a conditional write: of a Put and a Delete
		// that both succeed, the Put may be the last, although its condition does not hold after the Delete.
		c.ConditionalDeletes = path.Base(t.Name()) == "versitygw"
		s := open(t, server.Client(), &s3store.Options{Prefix: prefix, CheckInterval: time.Second})
		seen := linear.NewMirror(t, s, linear.Kind)
		c.Test(t, duration)
		seen.Await(t, s)
	})
}

// The check finds stores that are not linearizable: one that deletes with the condition of DeleteObject, which gofakes3
// ignores, and one that checks the condition of a Put itself.
func TestBrokenStoresAreNotLinearizable(t *testing.T) {
	for _, fault := range []string{nativeDelete, "late"} {
		t.Run(fault, func(t *testing.T) {
			c, _ := newCluster(server(t))
			c.TestFault(t, fault)
		})
	}
}
