package archive_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/patchsource/patchsource/patch/archive"
	"github.com/patchsource/patchsource/patch/patchtest"
)

// The cost of reading is proportional to the size of the archive, whether it has many members or a large one, and
// whether they are accepted or refused.
func TestReadIsLinear(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		make func(n int) []string
	}{
		{"members", 100, func(n int) (members []string) {
			for i := range n {
				members = append(members, fmt.Sprintf("patch_archive/A%d.json", i), definition("A"))
			}
			return members
		}},
		{"refused members", 500, func(n int) (members []string) {
			for i := range n {
				members = append(members, fmt.Sprintf("../%d", i), "")
			}
			return members
		}},
		{"junk", 500, func(n int) (members []string) {
			for i := range n {
				members = append(members, fmt.Sprintf("__MACOSX/%d.json", i), "")
			}
			return members
		}},
		{"a large member", 64 << 10, func(n int) []string {
			return []string{"A.json", string(patchtest.Hostile("patches", n))}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				data := zipped(t, c.make(n)...)
				opts := &archive.ReadOptions{Repair: true}
				return func() {
					for _, err := range archive.Read(bytes.NewReader(data), int64(len(data)), opts) {
						_ = err
					}
				}
			}, c.n)
		})
	}
}
