package s3store

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store"
)

const (
	// probeRacers is the number of writers that change one object at once.
	probeRacers = 8
	// maxProbeTries bounds the attempts of each. In each round one of them succeeds.
	maxProbeTries = 10 * probeRacers
	// probeAge is the age at which objects are removed that an earlier probe has left.
	probeAge = time.Hour
)

// probe returns an error unless the server carries out conditional writes.
func (s *Store) probe(ctx context.Context) error {
	name := s.prefix + "_probe/" + rand.Text()
	err := s.probeWrites(ctx, name)
	if err == nil {
		err = s.probeList(ctx, name)
	}
	for _, name := range []string{name, name + "-absent", name + "-race"} {
		_ = s.bucket.remove(ctx, name) // otherwise a later probe removes it
	}
	return err
}

// probeWrites tries the conditions of writes with objects whose names begin with name.
func (s *Store) probeWrites(ctx context.Context, name string) error {
	if _, err := s.bucket.get(ctx, name); !errors.Is(err, errAbsent) {
		return fmt.Errorf("s3store: the server does not say that an object does not exist: check the bucket %q, "+
			"the credentials and that they allow s3:ListBucket: %w", s.bucket.name, err)
	}
	first, err := s.bucket.put(ctx, name, []byte("1"), condition{absent: true})
	if err != nil {
		return fmt.Errorf("s3store: a write with If-None-Match: %w", err)
	}
	if err := s.probeRefusal(ctx, name, condition{absent: true}); err != nil {
		return err
	}
	second, err := s.bucket.put(ctx, name, []byte("2"), condition{tag: first})
	if err != nil {
		return fmt.Errorf("s3store: a write with If-Match and the ETag of the object: %w", err)
	}
	if err := s.probeRefusal(ctx, name, condition{tag: first}); err != nil {
		return err
	}
	if err := s.probeRefusal(ctx, name+"-absent", condition{tag: first}); err != nil {
		return err
	}
	o, err := s.bucket.get(ctx, name)
	if err != nil {
		return err
	}
	if o.tag != second || !bytes.Equal(o.body, []byte("2")) {
		return s.unsuitable("does not return the object that was written last")
	}
	return s.probeRace(ctx, name+"-race")
}

// probeRefusal returns an error unless the server refuses a write whose condition does not hold.
func (s *Store) probeRefusal(ctx context.Context, name string, cond condition) error {
	_, err := s.bucket.put(ctx, name, []byte("3"), cond)
	switch {
	case errors.Is(err, errRefused), errors.Is(err, errAbsent) && !cond.absent:
		return nil
	case err != nil:
		return fmt.Errorf("s3store: a write whose condition does not hold: %w", err)
	case cond.absent:
		return s.unsuitable("ignores the header If-None-Match of PutObject")
	}
	return s.unsuitable("ignores the header If-Match of PutObject")
}

// probeRace returns an error unless no change is lost of several writers that increment a number in one object.
func (s *Store) probeRace(ctx context.Context, name string) error {
	var errs [probeRacers]error
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() { errs[i] = s.probeIncrement(ctx, name) })
	}
	all.Wait()
	if err := errors.Join(errs[:]...); err != nil {
		return err
	}
	o, err := s.bucket.get(ctx, name)
	if err != nil {
		return err
	}
	if sum, _ := strconv.Atoi(string(o.body)); sum != probeRacers {
		return s.unsuitable(fmt.Sprintf("loses changes: after %d writers that each incremented a number on condition "+
			"of its ETag, it is %q", probeRacers, o.body))
	}
	return nil
}

// probeIncrement increments the number in an object, which may not exist yet.
func (s *Store) probeIncrement(ctx context.Context, name string) error {
	for range maxProbeTries {
		o, err := s.bucket.get(ctx, name)
		if err != nil && !errors.Is(err, errAbsent) {
			return err
		}
		n, _ := strconv.Atoi(string(o.body))
		_, err = s.bucket.put(ctx, name, strconv.AppendInt(nil, int64(n)+1, 10), condition{o.tag == "", o.tag})
		if !errors.Is(err, errRefused) && !errors.Is(err, errAbsent) {
			return err
		}
	}
	return s.unsuitable("refuses writes whose condition holds")
}

// probeList returns an error unless a list has an object with its ETag and size. It removes what earlier probes have
// left.
func (s *Store) probeList(ctx context.Context, name string) error {
	written, err := s.bucket.put(ctx, name, []byte("list"), condition{})
	if err != nil {
		return err
	}
	var found entry
	var old []string
	folder := s.prefix + "_probe/"
	for e, err := range s.bucket.list(ctx, folder) {
		if err != nil {
			return err
		}
		if folder+e.name == name {
			found = e
		} else if time.Since(e.modified) > probeAge {
			old = append(old, folder+e.name)
		}
	}
	for _, name := range old {
		_ = s.bucket.remove(ctx, name)
	}
	if found.tag != written || found.size != int64(len("list")) {
		return s.unsuitable("does not list an object that was written, or lists it with another ETag or size")
	}
	return nil
}

// unsuitable returns the error of a server that cannot be used, which names it.
func (s *Store) unsuitable(why string) error {
	server := fmt.Sprintf("the server of the bucket %q", s.bucket.name)
	if software := s.bucket.server.Load(); software != nil && *software != "" {
		server += " (" + *software + ")"
	}
	if c, ok := s.bucket.client.(interface{ Options() s3.Options }); ok {
		if o := c.Options(); o.BaseEndpoint != nil {
			server += " at " + *o.BaseEndpoint
		} else if o.Region != "" {
			server += " in the region " + o.Region
		}
	}
	return fmt.Errorf("s3store: %s %s: use a server that carries out conditional writes, such as Amazon S3",
		server, why)
}

// A compile-time check of what Store implements.
var _ interface {
	store.Store
	store.Watcher
	store.Revisioner
	store.Pinger
} = (*Store)(nil)
