package patch_test

import (
	"strings"
	"testing"

	"github.com/patchsource/patchsource/patch"
)

func TestCheckVersion(t *testing.T) {
	for _, v := range []string{"1.0", "2026.1 (45)", "1.0 β", strings.Repeat("1", 255)} {
		if err := patch.CheckVersion(v); err != nil {
			t.Errorf("CheckVersion(%q) = %v", v, err)
		}
	}
	for _, v := range []string{"", "1.0\n", "1.0\u034f", "1.0\u2800", "1.\xff", strings.Repeat("1", 256)} {
		if err := patch.CheckVersion(v); err == nil {
			t.Errorf("CheckVersion(%.20q) = nil, want an error", v)
		}
	}
}
