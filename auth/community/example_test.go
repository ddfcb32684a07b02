package community_test

import (
	"bytes"
	"context"
	"fmt"

	"github.com/patchsource/patchsource/auth"
	"github.com/patchsource/patchsource/auth/community"
	"github.com/patchsource/patchsource/auth/mail"
	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// A printer is a Mailer that prints the recipients and subjects.
type printer struct{}

func (printer) Send(_ context.Context, m mail.Message) error {
	fmt.Printf("mail to %s: %s\n", m.To, m.Subject)
	return nil
}

// An author publishes a title and is mailed its token.
func Example() {
	if err := publishExample(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// mail to bryson@example.com: Your token for Xcode_Bryson
	// published Xcode_Bryson
}

func publishExample(ctx context.Context) error {
	records := memstore.New()
	titles, err := catalog.Open(ctx, records, nil)
	if err != nil {
		return err
	}
	defer titles.Close()
	tokens, err := auth.Open(ctx, records, nil)
	if err != nil {
		return err
	}
	secret, err := auth.NewSecret(bytes.Repeat([]byte{7}, 32)) // see also auth.LoadSecret
	if err != nil {
		return err
	}
	service, err := community.Open(ctx, community.Parts{
		Store:   records,
		Catalog: titles,
		Tokens:  tokens,
		Mailer:  printer{},
		Secret:  secret,
	}, nil)
	if err != nil {
		return err
	}
	defer service.Close()
	yes := true
	res, err := service.Publish(ctx, community.Publication{
		AuthorName:  "Bryson",
		AuthorEmail: "bryson@example.com",
		Definition: &patch.Definition{
			ID: "Xcode", Name: "Xcode", Publisher: "Apple",
			Requirements: []patch.Criterion{
				{Name: "Application Bundle ID", Operator: "is", Value: "com.apple.dt.Xcode", Type: "recon", And: &yes},
			},
			Patches: []patch.Patch{{Version: "9.3", ReleaseDate: "2018-03-29T17:00:00Z"}},
		},
	})
	if err != nil {
		return err
	}
	fmt.Println("published", res.Title.ID)
	return nil
}
