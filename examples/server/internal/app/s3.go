package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/s3store"
)

const (
	// s3Region is the region for servers that have none.
	s3Region = "us-east-1"
	// minPoll and maxPoll bound the parameter poll. Package s3store reads the head once a second at least, because the
	// tokens are watched with heartbeats.
	minPoll = 50 * time.Millisecond
	maxPoll = time.Second
)

// An s3Spec is a parsed URL of a bucket.
type s3Spec struct {
	bucket, prefix   string
	region, endpoint string // those of the environment if empty
	pathStyle        bool
	poll             time.Duration // the default of package s3store if 0
}

// parseS3 parses a URL such as s3://bucket/prefix?region=eu-central-1&endpoint=http://127.0.0.1:9000&path_style=1&
// poll=500ms. Credentials are not part of it.
func parseS3(name string) (*s3Spec, error) {
	u, query, err := parseStoreURL(name)
	if err != nil {
		return nil, err
	}
	if u.User != nil {
		return nil, errS3Credentials
	}
	if u.Host == "" || u.Port() != "" {
		return nil, errors.New("it must be s3://bucket/prefix; another server than AWS is set by " +
			"endpoint=http://host:port")
	}
	if _, err := parseLease(query); err != nil {
		return nil, err
	}
	query.Del("lease") // see flags.lease
	spec := &s3Spec{bucket: u.Host, prefix: strings.Trim(u.Path, "/")}
	for _, param := range slices.Sorted(maps.Keys(query)) {
		if err := spec.set(param, query.Get(param)); err != nil {
			return nil, err
		}
	}
	return spec, nil
}

var errS3Credentials = errors.New("it must not contain credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, " +
	"or use a profile or the role of the machine, as for other programs that use the AWS SDK")

// set sets the parameter of a URL.
func (s *s3Spec) set(param, value string) (err error) {
	switch param {
	case "region":
		s.region = value
	case "endpoint":
		u, err := url.Parse(value)
		switch {
		case err == nil && u.User != nil:
			return errS3Credentials
		case !isWebURL(value):
			return errors.New("endpoint: it must be a URL such as http://127.0.0.1:9000")
		}
		s.endpoint = value
	case "path_style":
		s.pathStyle, err = parseSwitch(param, value)
	case "poll":
		s.poll, err = time.ParseDuration(value)
		if err != nil || s.poll < minPoll || s.poll > maxPoll {
			return fmt.Errorf("poll=%s: it must be a duration from %v to %v, such as 500ms", value, minPoll, maxPoll)
		}
	default:
		if isSecretName(param) {
			return errS3Credentials
		}
		return fmt.Errorf("there is no parameter %s: the parameters are region, endpoint, path_style, poll and "+
			"lease", param)
	}
	return err
}

// client returns a client of the bucket, with the credentials of the environment, the files or the machine, as the AWS
// SDK finds them.
func (s *s3Spec) client(ctx context.Context) (*s3.Client, error) {
	c, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case s.region != "":
		c.Region = s.region
	case c.Region == "" && s.endpoint != "":
		c.Region = s3Region
	case c.Region == "":
		return nil, errors.New("the region is not known: add region=… to it, or set AWS_REGION")
	}
	return s3.NewFromConfig(c, func(o *s3.Options) {
		if s.endpoint != "" {
			o.BaseEndpoint = &s.endpoint
		}
		o.UsePathStyle = s.pathStyle
	}), nil
}

// openS3 opens a store in a bucket.
func openS3(ctx context.Context, name string, log *slog.Logger) (store.Store, error) {
	spec, err := parseS3(name)
	if err != nil {
		return nil, err
	}
	client, err := spec.client(ctx)
	if err != nil {
		return nil, err
	}
	return s3store.Open(ctx, client, spec.bucket, &s3store.Options{
		Prefix: spec.prefix, PollInterval: spec.poll, Logger: log,
	})
}
