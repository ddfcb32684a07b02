package s3store_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/auth"
)

// A muteClient cannot write the head while it is mute.
type muteClient struct {
	*fake
	mute atomic.Bool
}

func (c *muteClient) PutObject(
	ctx context.Context, in *s3.PutObjectInput, o ...func(*s3.Options),
) (*s3.PutObjectOutput, error) {
	if *in.Key == headName && c.mute.Load() {
		return nil, apiError(http.StatusInternalServerError, "InternalError")
	}
	return c.fake.PutObject(ctx, in, o...)
}

// A server revokes a token, cannot write the head, and dies. The revocation is effective everywhere once it is repeated
// on another server, which finds the token revoked.
func TestRevocationWithoutAHead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		mute := &muteClient{fake: f}
		service := func(c *auth.Service, err error) *auth.Service {
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		here := service(auth.Open(t.Context(), open(t, f, nil), nil))
		there := service(auth.Open(t.Context(), open(t, mute, nil), nil))
		token, id, err := there.Issue(t.Context(), auth.Grant{Kind: auth.Administrator})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { here.Follow(ctx); close(done) }()
		defer func() { cancel(); <-done }()
		wait(2 * time.Second)
		mute.mute.Store(true)
		for range 2 {
			if err := there.Revoke(t.Context(), id); !errors.Is(err, auth.ErrUnavailable) {
				t.Errorf("Revoke without a head: %v, want ErrUnavailable", err)
			}
		}
		third := service(auth.Open(t.Context(), open(t, f, nil), nil))
		if err := third.Revoke(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("Revoke on another server: %v, want ErrNotFound", err)
		}
		wait(2 * time.Second)
		if _, err := here.Authenticate(t.Context(), token); !errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("the token two seconds later: %v, want ErrUnauthorized", err)
		}
	})
}
