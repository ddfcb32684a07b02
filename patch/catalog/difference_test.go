package catalog

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/patchsource/patchsource/patch/patchtest"
)

// roundTrip checks that a difference makes the one text from the other, and is not too large.
func roundTrip(t *testing.T, from, to []byte) difference {
	t.Helper()
	d := newDifference(from, to)
	got, err := patchText(from, d)
	if err != nil || !bytes.Equal(got, to) {
		t.Fatalf("from %.200q to %.200q by %.200s: %.200q, %v", from, to, d, got, err)
	}
	if !json.Valid(d) || !utf8.Valid(d) {
		t.Fatalf("from %.200q to %.200q: %.200q is not JSON", from, to, d)
	}
	if len(d) > 6*len(to)+64 {
		t.Fatalf("from %d bytes to %d bytes: the difference has %d", len(from), len(to), len(d))
	}
	return d
}

func TestDifference(t *testing.T) {
	long := "All work and no play makes Jack a dull boy, says the old proverb"
	for _, c := range []struct{ from, to, want string }{
		{"", "", `[]`},
		{"a", "", `[]`},
		{"", "a", `["a"]`},
		{"same", "same", `[[0,4]]`},
		{"a1b", "a2b", `[[0,1],"2",[2,1]]`},
		{"aé", "aè", `[[0,1],"è"]`},
		{"éa", "ùa", `["ù",[2,1]]`},
		{"€", "₭", `["₭"]`},
		{"\xff", "\xfe", `[{"base64":"/g=="}]`},
		{"a<b", "a\"<\n&", `[[0,1],"\"<\n&"]`},
		{"x" + long + "y", "p" + long + "q", `["p",[1,64],"q"]`},
		{"new" + long, long, `[[3,64]]`},
		{long, "old" + long, `["old",[0,64]]`},
		{"aa", "aaa", `[[0,2],"a"]`},
		{"aaa", "aa", `[[0,2]]`},
	} {
		if got := roundTrip(t, []byte(c.from), []byte(c.to)); string(got) != c.want {
			t.Errorf("from %q to %q: %s, want %s", c.from, c.to, got, c.want)
		}
	}
}

// A corrupt difference is an error.
func TestPatchTextRejects(t *testing.T) {
	for _, d := range []string{
		"", "x", "{}", `[1]`, `[null]`, `[[0]]`, `[[0,1,2]]`, `[[-1,2]]`, `[[0,-1]]`, `[[2,3]]`, `[[5,1]]`, `[{}]`,
		`[{"base64":"?"}]`, `[true]`, `[[0,9223372036854775807]]`, `[[9223372036854775807,9223372036854775807]]`,
	} {
		if got, err := patchText([]byte("text"), difference(d)); err == nil {
			t.Errorf("%s is accepted and makes %q", d, got)
		}
	}
	all := difference("[" + strings.TrimSuffix(strings.Repeat("[0,1000000],", 300), ",") + "]")
	if _, err := patchText(make([]byte, 1_000_000), all); err == nil {
		t.Error("a difference makes 300 MB from 1 MB")
	}
}

// FuzzDifference checks that the difference between any two texts makes the one from the other.
func FuzzDifference(f *testing.F) {
	f.Add([]byte("a"), []byte("b"), uint16(0), uint16(0), uint16(0))
	f.Add([]byte("é\xff€"), []byte("e\xfe€"), uint16(700), uint16(3), uint16(50))
	f.Fuzz(func(t *testing.T, from, to []byte, repeat, at, length uint16) {
		roundTrip(t, from, to)
		// A longer text, with a part of it replaced.
		long := bytes.Repeat(from, 1+int(repeat%512))
		if len(long) == 0 || len(long) > 1<<16 {
			return
		}
		start := int(at) % len(long)
		end := min(len(long), start+int(length))
		edited := append(append(bytes.Clone(long[:start]), to...), long[end:]...)
		roundTrip(t, long, edited)
		roundTrip(t, edited, long)
	})
}

// Differences between texts with many changes, and between texts that repeat themselves, are small.
func TestDifferenceOfManyEdits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var from bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&from, `{"version":"1.%d","releaseDate":"2026-01-01T00:00:00Z","standalone":true},`, i)
	}
	to := bytes.Clone(from.Bytes())
	for range 20 {
		i := random.IntN(len(to))
		to = append(to[:i:i], append([]byte("changed"), to[i:]...)...)
	}
	if d := roundTrip(t, from.Bytes(), to); len(d) > 20*400 {
		t.Errorf("20 edits of %d bytes have a difference of %d bytes", from.Len(), len(d))
	}
}

// The time to make a difference is proportional to the size of the texts.
func TestDifferenceIsLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures time")
	}
	random := func(n int) []byte {
		b, r := make([]byte, n), rand.New(rand.NewPCG(1, uint64(n)))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for name, texts := range map[string]func(n int) (from, to []byte){
		"the same byte": func(n int) ([]byte, []byte) {
			return bytes.Repeat([]byte{'a'}, n), bytes.Repeat([]byte{'b'}, n)
		},
		"a byte in common": func(n int) ([]byte, []byte) {
			return bytes.Repeat([]byte{'a'}, n), bytes.Repeat([]byte("ab"), n/2)
		},
		"random": func(n int) ([]byte, []byte) { return random(n), random(n + 1) },
		"periods": func(n int) ([]byte, []byte) {
			return bytes.Repeat([]byte("0123456789abcdefX"), n/17), bytes.Repeat([]byte("0123456789abcdefXY"), n/18)
		},
		"no UTF-8": func(n int) ([]byte, []byte) {
			return append([]byte{'x'}, bytes.Repeat([]byte{0x80}, n)...), bytes.Repeat([]byte{0x80}, n+2)
		},
	} {
		t.Run(name, func(t *testing.T) {
			patchtest.Linear(t, func(n int) func() {
				from, to := texts(n)
				return func() { _ = newDifference(from, to) }
			}, 256<<10)
		})
	}
}

// A difference that makes a text which patchText would not make is not kept.
func TestPatchMakesIsBounded(t *testing.T) {
	text := make([]byte, maxPatched+1) // it is never read, and takes no memory
	if patchMakes(text, difference(fmt.Sprintf("[[0,%d]]", len(text))), text) {
		t.Errorf("patchMakes accepts a text of %d bytes", len(text))
	}
}
