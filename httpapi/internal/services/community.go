package services

import (
	"context"
	"errors"

	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/httpapi"
	"github.com/patchsource/patchsource/httpapi/wire"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
)

// Community returns s as a service of package httpapi. It returns nil if s is nil.
func Community(s *community.Service) httpapi.Community {
	if s == nil {
		return nil
	}
	return publisher{s}
}

type publisher struct{ service *community.Service }

func (p publisher) Publish(ctx context.Context, pub wire.Publication) (catalog.Result, error) {
	res, err := p.service.Publish(ctx, community.Publication{
		AuthorName:  pub.AuthorName,
		AuthorEmail: pub.AuthorEmail,
		Definition:  pub.Definition,
		URL:         pub.URL,
	})
	return res, placed(err, "/author_name", "/author_email")
}

func (p publisher) Create(
	ctx context.Context, contributor string, def *patch.Definition, opts *catalog.CreateOptions,
) (catalog.Result, error) {
	res, err := p.service.Create(ctx, contributor, def, opts)
	return res, placed(err, "/id", "")
}

func (p publisher) Own(
	ctx context.Context, contributor string, create func(owner catalog.CreateOptions) (id string, err error),
) error {
	return placed(p.service.Own(ctx, contributor, create), "/id", "")
}

func (p publisher) Contributor(id string) (wire.ContributorListing, bool) {
	c, ok := p.service.Contributor(id)
	return listing(c), ok
}

func (p publisher) ContributorID(name string) (id string, ok bool) {
	return p.service.ContributorID(name)
}

func (p publisher) Contributors() (all []wire.ContributorListing) {
	for _, c := range p.service.Contributors() {
		all = append(all, listing(c))
	}
	return all
}

func listing(c community.Contributor) wire.ContributorListing {
	return wire.ContributorListing{ID: c.ID, Name: c.Name, Titles: c.Titles}
}

func (p publisher) Register(ctx context.Context, name, email string) error {
	return placed(p.service.Register(ctx, name, email), "/name", "/email")
}

func (p publisher) Verify(ctx context.Context, id, code string) (wire.ContributorListing, error) {
	c, err := p.service.Verify(ctx, id, code)
	return listing(c), translate(err)
}

func (p publisher) Release(ctx context.Context, name string) error {
	return placed(p.service.Release(ctx, name), "", "")
}

func (p publisher) Reset(ctx context.Context, title, email string) error {
	return placed(p.service.Reset(ctx, title, email), "", "/author_email")
}

func (p publisher) ResetContributor(ctx context.Context, email string) error {
	return placed(p.service.ResetContributor(ctx, email), "", "/email")
}

// placed returns an error with the place of a wrong name or address in the body of the request.
func placed(err error, name, address string) error {
	all := &patch.ValidationError{}
	if errors.Is(err, patch.ErrAuthor) || errors.Is(err, community.ErrName) {
		all.Failures = append(all.Failures, patch.Failure{Path: name, Message: err.Error()})
	}
	if errors.Is(err, mail.ErrAddress) {
		all.Failures = append(all.Failures, patch.Failure{Path: address, Message: err.Error()})
	}
	if len(all.Failures) > 0 {
		return all
	}
	return translate(err)
}
