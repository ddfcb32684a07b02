package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/store/memstore"
)

// composer returns the definition of an application's first version.
func composer() (*patch.Definition, error) {
	return patch.NewDefinition(patch.Application{
		Name:      "Composer",
		BundleID:  "com.jamfsoftware.Composer",
		Version:   "10.1",
		MinimumOS: "10.13",
		Released:  time.Date(2018, 2, 2, 0, 0, 0, 0, time.UTC),
		Publisher: "Jamf",
	})
}

// A catalog creates a title, adds a version to it and reports both as events.
func Example() {
	ctx := context.Background()
	titles, err := catalog.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer titles.Close()
	titles.Subscribe(func(e catalog.Event) { fmt.Println(e.Kind, e.Title.ID, e.Title.CurrentVersion) })

	def, err := composer()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := titles.Create(ctx, def, nil); err != nil {
		fmt.Println(err)
		return
	}
	next := def.Patches[0].NextVersion("10.2", time.Date(2018, 3, 2, 0, 0, 0, 0, time.UTC))
	if _, err := titles.AddVersions(ctx, "composer", patch.Ordered(), []patch.Patch{next}, nil); err != nil {
		fmt.Println(err)
		return
	}
	_, err = titles.AddVersions(ctx, "composer", patch.Ordered(), []patch.Patch{next}, nil)
	fmt.Println(errors.Is(err, patch.ErrVersionExists))
	// Output:
	// created Composer 10.1
	// updated Composer 10.2
	// true
}

// Edit reads a definition, changes it and writes it, and loses no change that another server makes meanwhile.
func ExampleCatalog_Edit() {
	ctx := context.Background()
	titles, err := catalog.Open(ctx, memstore.New(), nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer titles.Close()
	def, err := composer()
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := titles.Create(ctx, def, nil); err != nil {
		fmt.Println(err)
		return
	}
	res, err := titles.Edit(ctx, "Composer", func(d *patch.Definition) error {
		d.Patches[0].Reboot = true
		return nil
	}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(res.Changed, res.Difference())
	// Output:
	// true reboot of 10.1 changed from false to true
}
