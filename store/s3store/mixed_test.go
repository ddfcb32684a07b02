package s3store_test

import (
	"context"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/patchsource/patchsource/store"
)

// A mixingClient returns the next ETags of a list in place of those of objects that it reads.
type mixingClient struct {
	*fake
	tags []store.Revision
}

func (c *mixingClient) GetObject(
	ctx context.Context, in *s3.GetObjectInput, o ...func(*s3.Options),
) (*s3.GetObjectOutput, error) {
	out, err := c.fake.GetObject(ctx, in, o...)
	if err == nil && *in.Key == thingName && len(c.tags) > 0 {
		out.ETag = aws.String(`"` + string(c.tags[0]) + `"`)
		c.tags = c.tags[1:]
	}
	return out, err
}

// An object whose ETag is that of an earlier body is read again. An ETag that stays is accepted. If it is another one
// each time, none is known to be that of the body.
func TestMixedAnswers(t *testing.T) {
	client := &mixingClient{fake: newFake()}
	s := open(t, client, nil)
	first := put(t, s, thing, "first")
	second := put(t, s, thing, "second")
	client.tags = []store.Revision{first}
	holds(t, s, "second", second)
	if len(client.tags) > 0 {
		t.Error("the object was not read with the earlier ETag")
	}
	encrypted := store.Revision(strings.Repeat("0e", 16))
	client.tags = []store.Revision{encrypted, encrypted, "more"}
	holds(t, s, "second", encrypted)
	if len(client.tags) != 1 {
		t.Errorf("%d requests too many or too few", len(client.tags)-1)
	}
	client.tags = []store.Revision{first, encrypted, store.Revision(strings.Repeat("1f", 16)), "more"}
	if r, err := s.Get(t.Context(), thing); err == nil {
		t.Errorf("a record with another ETag in each answer: revision %s, want an error", r.Revision)
	}
	if len(client.tags) != 1 {
		t.Errorf("%d requests too many or too few", len(client.tags)-1)
	}
}
