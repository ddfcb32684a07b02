package audit_test

import (
	"context"
	"fmt"

	"github.com/patchsource/patchsource/auth/audit"
	"github.com/patchsource/patchsource/store/memstore"
)

func Example() {
	ctx := context.Background()
	log := audit.New(memstore.New(), nil)
	log.Record(audit.Entry{
		Action: "version removed", Token: "W4RVQ3NBLUIZ", TokenName: "ci",
		Details: []audit.Detail{{Name: "title", Value: "Composer"}, {Name: "version", Value: "10.2"}},
	})
	entries, _, err := log.Entries(ctx, "", 10, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range entries {
		fmt.Println(e.Action, e.TokenName, e.Details)
	}
	// Output: version removed ci [{title Composer} {version 10.2}]
}
