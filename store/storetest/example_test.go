package storetest_test

import (
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/store"
	"github.com/patchsource/patchsource/store/memstore"
	"github.com/patchsource/patchsource/store/storetest"
)

func Example() {
	// In a backend's own tests, this is the body of func TestStore(t *testing.T).
	ok := testing.RunTests(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "TestStore",
		F: func(t *testing.T) {
			storetest.Run(t, storetest.Backend{
				New: func(t *testing.T) store.Store { return memstore.New() },
			})
		},
	}})
	fmt.Println(ok)
	// Output: true
}
