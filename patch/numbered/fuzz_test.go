package numbered_test

import (
	"encoding/json"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// Whatever edits are made by methods and without numbers, the numbers are unique, are never used again, and survive
// Encode and Decode.
func FuzzEdits(f *testing.F) {
	for seed := range uint64(10) {
		f.Add(seed, seed+1, uint8(50))
	}
	f.Fuzz(func(t *testing.T, a, b uint64, steps uint8) {
		r := rand.New(rand.NewPCG(a, b))
		title := filled(t, "2", "1")
		gone, had := map[uint64]bool{}, map[uint64]bool{}
		for step := range int(steps) {
			if r.IntN(2) == 0 {
				after := randomReplacement(r, title.Definition, step)
				title = numbered.NewTitle(title.Numbers.Carry(title.Definition, after), after, true, time.Time{})
			} else {
				randomEdit(r, title, step)
			}
			fill(t, title)
			seen := map[uint64]bool{}
			for _, n := range numbersOf(title) {
				if n == 0 || seen[n] || gone[n] {
					t.Fatalf("step %d: the number %d is missing, used twice, or used again", step, n)
				}
				seen[n] = true
			}
			for n := range had {
				if !seen[n] {
					gone[n] = true
				}
			}
			had = seen
			checkRoundTrip(t, title)
		}
	})
}

// Whatever Decode accepts as numbers of a definition, the numbers are unique, and can be filled, carried and encoded.
func FuzzDecode(f *testing.F) {
	title := filled(f, "2", "1")
	data, err := title.Numbers.Encode(title.Definition)
	if err != nil {
		f.Fatal(err)
	}
	text, err := json.Marshal(title.Definition)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(data), text)
	f.Add([]byte(`{"next":40,"patches":{"1":[196609,196610]}}`), text)
	f.Add([]byte(`{"next":3,"blocks":[9],"requirements":[196609,196610],"patches":{"1":[]}}`), text)
	f.Fuzz(func(t *testing.T, data, text []byte) {
		d, _, err := patch.ParseDraft(text, nil)
		if err != nil || len(text) > 10_000 {
			return
		}
		n, err := numbered.Decode(data, 3, d)
		if err != nil {
			return
		}
		title := numbered.NewTitle(n, d, true, time.Time{})
		if len(numbersOf(title)) != len(places(title)) {
			t.Fatal("the numbers are not parallel to the definition")
		}
		if err := title.Numbers.Fill(); err != nil {
			return
		}
		seen := map[uint64]bool{}
		for _, number := range numbersOf(title) {
			if number == 0 || seen[number] {
				t.Fatalf("the number %d is missing or used twice, from %s for %s", number, data, text)
			}
			seen[number] = true
		}
		title.Numbers.Carry(d, d)
		if _, err := title.Numbers.Encode(d); err != nil {
			t.Fatal(err)
		}
	})
}
