package catalog_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

func Example() {
	ctx := context.Background()
	cat, err := catalog.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer cat.Close()
	cat.Subscribe(func(e catalog.Event) { fmt.Println(e.Kind, e.Title.ID, e.Title.CurrentVersion) })

	yes := true
	def := &patch.Definition{
		ID: "Composer", Name: "Composer", Publisher: "Jamf",
		Requirements: []patch.Criterion{
			{
				Name:     "Application Bundle ID",
				Operator: "is",
				Value:    "com.jamfsoftware.Composer",
				Type:     "recon",
				And:      &yes,
			},
		},
		Patches: []patch.Patch{{Version: "10.1", ReleaseDate: "2018-02-02T17:39:58Z"}},
	}
	if _, err := cat.Create(ctx, def, nil); err != nil {
		fmt.Println(err)
		return
	}
	next := patch.Patch{Version: "10.2", ReleaseDate: "2018-03-02T17:39:58Z"}
	if _, err := cat.AddVersions(ctx, "composer", patch.Ordered(), []patch.Patch{next}, nil); err != nil {
		fmt.Println(err)
		return
	}
	_, err = cat.AddVersions(ctx, "composer", patch.Position{}, []patch.Patch{next}, nil)
	fmt.Println(errors.Is(err, patch.ErrVersionExists))
	// Output:
	// created Composer 10.1
	// updated Composer 10.2
	// true
}
