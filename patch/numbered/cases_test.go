package numbered_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// The numbers of a definition survive Encode and Decode also if versions are missing or given twice, as they may be in
// a draft.
func TestEncodeVersionsGivenTwice(t *testing.T) {
	title := filled(t, "2", "", "1", "", "2")
	checkRoundTrip(t, title)
	if diff := cmp.Diff(title.Numbers, title.Numbers.Carry(title.Definition, title.Definition)); diff != "" {
		t.Errorf("Carry of no change changes the numbers:\n%s", diff)
	}
}

// A list that is longer than its numbers has the numbers that fit by place, and none for the rest.
func TestDecodeLongerLists(t *testing.T) {
	title := filled(t, "2", "1")
	data, err := title.Numbers.Encode(title.Definition)
	if err != nil {
		t.Fatal(err)
	}
	edited := title.Definition.Clone()
	p := &edited.Patches[0]
	p.KillApps = append(p.KillApps, patch.KillApp{BundleID: "new"})
	n, err := numbered.Decode(data, 3, edited)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]bool{}
	for _, number := range numbersOf(numbered.NewTitle(n, edited, true, time.Time{})) {
		if number != 0 && seen[number] {
			t.Errorf("the number %d is used twice in %+v", number, n)
		}
		seen[number] = true
	}
}

// A part that is added belongs to the caller: edits of the title do not change it.
func TestEditsDoNotChangePartsGiven(t *testing.T) {
	p := version("3")
	before := p.Clone()
	title := filled(t, "2", "1")
	at := title.AddPatch(0, p)
	title.Move(numbered.Place{Kind: numbered.Criterion, Patch: at.Patch}, 1)
	title.KillApp(numbered.Place{Kind: numbered.KillApp, Patch: at.Patch}).BundleID = "changed"
	title.Remove(numbered.Place{Kind: numbered.Capability, Patch: at.Patch})
	if diff := cmp.Diff(before, p); diff != "" {
		t.Errorf("edits of the title change the patch that was added:\n%s", diff)
	}
}

// Extension attributes keep their numbers by their keys.
func TestCarryExtensionAttributesByKey(t *testing.T) {
	title := filled(t, "1")
	title.AddExtensionAttribute(patch.ExtensionAttribute{Key: "l"})
	fill(t, title)
	n := title.Numbers.ExtensionAttributes
	after := title.Definition.Clone()
	after.ExtensionAttributes = []patch.ExtensionAttribute{{Key: "l", Value: "IyE="}, {Key: "k", Value: "IyE="}}
	got := title.Numbers.Carry(title.Definition, after).ExtensionAttributes
	if want := []uint64{n[1], n[0]}; !cmp.Equal(got, want) {
		t.Errorf("exchanged attributes have the numbers %d, want %d", got, want)
	}
}

// A version that looks like the key of another patch, in a draft, does not share numbers with it.
func TestEncodeVersionsThatLookLikeKeys(t *testing.T) {
	title := filled(t, "1", "1", "1\x001", "1\x001", "1\x00", "\x00", "", "")
	checkRoundTrip(t, title)
}
