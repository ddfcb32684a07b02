package dump_test

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/dump"
	"github.com/patchsource/patchsource/store/memstore"
)

// The records of a store that does not change are moved to another store.
func Example() {
	ctx := context.Background()
	from, to := memstore.New(), memstore.New()
	for _, key := range []store.Key{{Kind: "titles", ID: "app"}, {Kind: "tokens", ID: "1"}} {
		if _, err := from.Put(ctx, key, []byte(`{"format":1}`), store.IfAbsent()); err != nil {
			fmt.Println(err)
		}
	}

	var backup bytes.Buffer
	z := zip.NewWriter(&backup)
	if err := dump.Write(ctx, z, from, nil); err != nil {
		fmt.Println(err)
	}
	if err := z.Close(); err != nil {
		fmt.Println(err)
	}

	n, err := dump.Load(ctx, to, bytes.NewReader(backup.Bytes()), int64(backup.Len()), nil)
	fmt.Println(n, "records", err)
	// Output: 2 records <nil>
}
