package main

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// A title is a software title of Title Editor without the numbers of its parts. Members that this program does not know
// are not copied.
type title struct {
	ID                  string      `json:"id"`
	Name                string      `json:"name"`
	Publisher           string      `json:"publisher"`
	AppName             *string     `json:"appName"`
	BundleID            *string     `json:"bundleId"`
	CurrentVersion      string      `json:"currentVersion"`
	Enabled             bool        `json:"enabled"`
	Requirements        []criterion `json:"requirements"`
	Patches             []version   `json:"patches"`
	ExtensionAttributes []attribute `json:"extensionAttributes"`
}

type version struct {
	Version                string      `json:"version"`
	ReleaseDate            string      `json:"releaseDate"`
	Enabled                bool        `json:"enabled"`
	Standalone             bool        `json:"standalone"`
	MinimumOperatingSystem string      `json:"minimumOperatingSystem"`
	Reboot                 bool        `json:"reboot"`
	KillApps               []killApp   `json:"killApps"`
	Components             []component `json:"components"`
	Capabilities           []criterion `json:"capabilities"`
}

type killApp struct {
	BundleID string `json:"bundleId"`
	AppName  string `json:"appName"`
}

type component struct {
	Name     string      `json:"name"`
	Version  string      `json:"version"`
	Criteria []criterion `json:"criteria"`
}

type criterion struct {
	Name     string `json:"name"`
	Operator string `json:"operator"`
	Value    string `json:"value"`
	Type     string `json:"type"`
	And      *bool  `json:"and"` // true if it is missing
}

type attribute struct {
	Key         string `json:"key"`
	Value       string `json:"value"`
	DisplayName string `json:"displayName"`
}

// A numberedTitle is a title as an instance answers, with the numbers that are needed to change it.
type numberedTitle struct {
	title
	Number  int64             `json:"softwareTitleId"`
	Patches []numberedVersion `json:"patches"`

	Requirements []struct {
		criterion
		Number int64 `json:"requirementId"`
	} `json:"requirements"`
	ExtensionAttributes []struct {
		attribute
		Number int64 `json:"extensionAttributeId"`
	} `json:"extensionAttributes"`
}

type numberedVersion struct {
	version
	Number int64 `json:"patchId"`
}

// plain returns the title without numbers, in a form in which equal titles are equal.
func (t *numberedTitle) plain() title {
	p := t.title
	p.Requirements, p.Patches, p.ExtensionAttributes = []criterion{}, []version{}, []attribute{}
	for _, r := range t.Requirements {
		p.Requirements = append(p.Requirements, r.criterion)
	}
	for _, v := range t.Patches {
		p.Patches = append(p.Patches, v.version)
	}
	for _, a := range t.ExtensionAttributes {
		p.ExtensionAttributes = append(p.ExtensionAttributes, a.attribute)
	}
	p.normalize()
	return p
}

// normalize brings a title into a form in which equal titles are equal.
func (t *title) normalize() {
	for i := range t.ExtensionAttributes {
		a := &t.ExtensionAttributes[i]
		a.Value = strings.Join(strings.Fields(a.Value), "") // base64 may be broken into lines
	}
	for i := range t.Patches {
		t.Patches[i].normalize()
	}
	t.Requirements = normalCriteria(t.Requirements)
	t.Patches = slices.Concat([]version{}, t.Patches)
	t.ExtensionAttributes = slices.Concat([]attribute{}, t.ExtensionAttributes)
}

// normalize brings a version into a form in which equal versions are equal.
func (v *version) normalize() {
	if at, err := time.Parse(time.RFC3339, v.ReleaseDate); err == nil {
		v.ReleaseDate = at.UTC().Format("2006-01-02T15:04:05Z")
	}
	v.KillApps = slices.Concat([]killApp{}, v.KillApps)
	v.Components = slices.Concat([]component{}, v.Components)
	v.Capabilities = normalCriteria(v.Capabilities)
	for i := range v.Components {
		v.Components[i].Criteria = normalCriteria(v.Components[i].Criteria)
	}
}

// normalCriteria returns a copy of criteria in which each says how it is joined.
func normalCriteria(criteria []criterion) []criterion {
	all := slices.Concat([]criterion{}, criteria)
	for i := range all {
		if all[i].And == nil {
			all[i].And = new(true)
		}
	}
	return all
}

// same reports whether two values have the same JSON.
func same(a, b any) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// sameContent reports whether two titles are equal but for what is enabled and for currentVersion, which servers may
// derive.
func sameContent(a, b title) bool {
	for _, t := range []*title{&a, &b} {
		t.Enabled, t.CurrentVersion = false, ""
		t.Patches = slices.Clone(t.Patches)
		for i := range t.Patches {
			t.Patches[i].Enabled = false
		}
	}
	return same(a, b)
}
