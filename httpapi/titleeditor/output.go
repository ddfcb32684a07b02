package titleeditor

import (
	"encoding/json"
	"hash/fnv"
	"net/url"
	"strings"
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/catalog"
	"github.com/patchsource/patchsource/patch/numbered"
)

// The types of this file are the objects of the API. The order of their members matters: scripts read it.

type titleObject struct {
	SoftwareTitleID     uint64                     `json:"softwareTitleId"`
	SourceID            uint32                     `json:"sourceId"`
	Enabled             bool                       `json:"enabled"`
	Name                string                     `json:"name"`
	Publisher           string                     `json:"publisher"`
	AppName             *string                    `json:"appName"`
	BundleID            *string                    `json:"bundleId"`
	LastModified        string                     `json:"lastModified"`
	CurrentVersion      string                     `json:"currentVersion"`
	ID                  string                     `json:"id"`
	Requirements        []requirementObject        `json:"requirements"`
	Patches             []patchObject              `json:"patches"`
	ExtensionAttributes []extensionAttributeObject `json:"extensionAttributes"`
}

type titleRow struct {
	SoftwareTitleID uint64  `json:"softwareTitleId"`
	Enabled         bool    `json:"enabled"`
	Name            string  `json:"name"`
	Publisher       string  `json:"publisher"`
	AppName         *string `json:"appName"`
	BundleID        *string `json:"bundleId"`
	LastModified    string  `json:"lastModified"`
	CurrentVersion  string  `json:"currentVersion"`
	Requirements    int     `json:"requirements"`
	Patches         int     `json:"patches"` // those that are enabled
	ID              string  `json:"id"`
	SourceID        uint32  `json:"sourceId"`
	Source          string  `json:"source"`
}

type patchObject struct {
	PatchID                uint64             `json:"patchId"`
	SoftwareTitleID        uint64             `json:"softwareTitleId"`
	AbsoluteOrderID        int                `json:"absoluteOrderId"`
	Enabled                bool               `json:"enabled"`
	Version                string             `json:"version"`
	ReleaseDate            string             `json:"releaseDate"`
	Standalone             bool               `json:"standalone"`
	MinimumOperatingSystem string             `json:"minimumOperatingSystem"`
	Reboot                 bool               `json:"reboot"`
	KillApps               []killAppObject    `json:"killApps"`
	Components             []componentObject  `json:"components"`
	Capabilities           []capabilityObject `json:"capabilities"`
	Dependencies           json.RawMessage    `json:"dependencies"`
}

type killAppObject struct {
	KillAppID uint64 `json:"killAppId"`
	PatchID   uint64 `json:"patchId"`
	BundleID  string `json:"bundleId"`
	AppName   string `json:"appName"`
}

type componentObject struct {
	ComponentID uint64            `json:"componentId"`
	PatchID     uint64            `json:"patchId"`
	Name        string            `json:"name"`
	Version     string            `json:"version"`
	Criteria    []criterionObject `json:"criteria"`
}

type requirementObject struct {
	RequirementID   uint64 `json:"requirementId"`
	SoftwareTitleID uint64 `json:"softwareTitleId"`
	comparison
}

type capabilityObject struct {
	CapabilityID uint64 `json:"capabilityId"`
	PatchID      uint64 `json:"patchId"`
	comparison
}

type criterionObject struct {
	CriteriaID  uint64 `json:"criteriaId"`
	ComponentID uint64 `json:"componentId"`
	comparison
}

// A comparison is what requirements, capabilities and criteria have in common.
type comparison struct {
	AbsoluteOrderID int    `json:"absoluteOrderId"`
	And             bool   `json:"and"`
	Name            string `json:"name"`
	Operator        string `json:"operator"`
	Value           string `json:"value"`
	Type            string `json:"type"`
}

type extensionAttributeObject struct {
	ExtensionAttributeID uint64 `json:"extensionAttributeId"`
	SoftwareTitleID      uint64 `json:"softwareTitleId"`
	Key                  string `json:"key"`
	Value                string `json:"value"`
	DisplayName          string `json:"displayName"`
}

// A view makes objects of a title.
type view struct {
	*numbered.Title
	follows string // the URL that the title follows, if any
}

// title returns the title as a whole.
func (v view) title() titleObject {
	d := v.Definition
	o := titleObject{
		SoftwareTitleID:     v.Numbers.Title,
		SourceID:            sourceID(v.follows),
		Enabled:             v.Enabled,
		Name:                d.Name,
		Publisher:           d.Publisher,
		AppName:             d.AppName,
		BundleID:            d.BundleID,
		LastModified:        formatTime(v.Modified),
		CurrentVersion:      d.CurrentVersion,
		ID:                  d.ID,
		Requirements:        make([]requirementObject, len(d.Requirements)),
		Patches:             v.patches(),
		ExtensionAttributes: make([]extensionAttributeObject, len(d.ExtensionAttributes)),
	}
	for i := range d.Requirements {
		o.Requirements[i] = v.requirement(i)
	}
	for i := range d.ExtensionAttributes {
		o.ExtensionAttributes[i] = v.extensionAttribute(i)
	}
	return o
}

// patches returns all patches.
func (v view) patches() []patchObject {
	all := make([]patchObject, len(v.Definition.Patches))
	for i := range all {
		all[i] = v.patch(i)
	}
	return all
}

func (v view) patch(i int) patchObject {
	p, n := &v.Definition.Patches[i], &v.Numbers.Patches[i]
	o := patchObject{
		PatchID:                n.Number,
		SoftwareTitleID:        v.Numbers.Title,
		AbsoluteOrderID:        i,
		Enabled:                !p.Disabled,
		Version:                p.Version,
		ReleaseDate:            p.ReleaseDate,
		Standalone:             p.Standalone,
		MinimumOperatingSystem: p.MinimumOperatingSystem,
		Reboot:                 p.Reboot,
		KillApps:               make([]killAppObject, len(p.KillApps)),
		Components:             make([]componentObject, len(p.Components)),
		Capabilities:           make([]capabilityObject, len(p.Capabilities)),
		Dependencies:           json.RawMessage("[]"),
	}
	if t, err := patch.ParseTime(p.ReleaseDate); err == nil {
		o.ReleaseDate = formatTime(t)
	}
	for j := range p.KillApps {
		o.KillApps[j] = v.killApp(i, j)
	}
	for j := range p.Components {
		o.Components[j] = v.component(i, j)
	}
	for j := range p.Capabilities {
		o.Capabilities[j] = v.capability(i, j)
	}
	return o
}

func (v view) killApp(version, i int) killAppObject {
	k, n := &v.Definition.Patches[version].KillApps[i], &v.Numbers.Patches[version]
	return killAppObject{n.KillApps[i], n.Number, k.BundleID, k.AppName}
}

func (v view) component(version, i int) componentObject {
	c, n := &v.Definition.Patches[version].Components[i], &v.Numbers.Patches[version]
	o := componentObject{
		ComponentID: n.Components[i].Number,
		PatchID:     n.Number,
		Name:        c.Name,
		Version:     c.Version,
		Criteria:    make([]criterionObject, len(c.Criteria)),
	}
	for j := range c.Criteria {
		o.Criteria[j] = v.criterion(version, i, j)
	}
	return o
}

func (v view) requirement(i int) requirementObject {
	return requirementObject{v.Numbers.Requirements[i], v.Numbers.Title, compare(&v.Definition.Requirements[i], i)}
}

func (v view) capability(version, i int) capabilityObject {
	n := &v.Numbers.Patches[version]
	c := &v.Definition.Patches[version].Capabilities[i]
	return capabilityObject{n.Capabilities[i], n.Number, compare(c, i)}
}

func (v view) criterion(version, component, i int) criterionObject {
	n := &v.Numbers.Patches[version].Components[component]
	c := &v.Definition.Patches[version].Components[component].Criteria[i]
	return criterionObject{n.Criteria[i], n.Number, compare(c, i)}
}

func compare(c *patch.Criterion, i int) comparison {
	return comparison{
		AbsoluteOrderID: i,
		And:             c.And == nil || *c.And,
		Name:            c.Name,
		Operator:        c.Operator,
		Value:           c.Value,
		Type:            c.Type,
	}
}

func (v view) extensionAttribute(i int) extensionAttributeObject {
	a := &v.Definition.ExtensionAttributes[i]
	return extensionAttributeObject{
		ExtensionAttributeID: v.Numbers.ExtensionAttributes[i],
		SoftwareTitleID:      v.Numbers.Title,
		Key:                  a.Key,
		Value:                breakLines(a.Value),
		DisplayName:          a.DisplayName,
	}
}

// lineLength is the length of the lines of base64 that Ruby writes, and clients send.
const lineLength = 60

// breakLines returns base64 in lines.
func breakLines(s string) string {
	var b strings.Builder
	for s = strings.Join(strings.Fields(s), ""); s != ""; {
		n := min(len(s), lineLength)
		b.WriteString(s[:n])
		b.WriteByte('\n')
		s = s[n:]
	}
	return b.String()
}

// part returns the part at a place.
func (v view) part(at numbered.Place) any {
	switch at.Kind {
	case numbered.Requirement:
		return v.requirement(at.Index)
	case numbered.ExtensionAttribute:
		return v.extensionAttribute(at.Index)
	case numbered.Patch:
		return v.patch(at.Patch)
	case numbered.KillApp:
		return v.killApp(at.Patch, at.Index)
	case numbered.Component:
		return v.component(at.Patch, at.Component)
	case numbered.Capability:
		return v.capability(at.Patch, at.Index)
	}
	return v.criterion(at.Patch, at.Component, at.Index)
}

// row returns the row of a title in the list.
func row(t catalog.Title) titleRow {
	o := titleRow{
		SoftwareTitleID: t.Number,
		Enabled:         !t.Disabled,
		Name:            t.Name,
		Publisher:       t.Publisher,
		AppName:         optional(t.AppName),
		BundleID:        optional(t.BundleID),
		LastModified:    t.LastModified,
		CurrentVersion:  t.CurrentVersion,
		Requirements:    t.RequirementCount,
		Patches:         t.PatchCount,
		ID:              t.ID,
		SourceID:        sourceID(t.Follows),
		Source:          sourceName(t.Follows),
	}
	if modified, err := patch.ParseTime(t.LastModified); err == nil {
		o.LastModified = formatTime(modified)
	}
	if t.Disabled {
		o.LastModified = formatTime(t.Draft.Changed)
		o.Name, o.Publisher, o.CurrentVersion = t.Draft.Name, t.Draft.Publisher, t.Draft.CurrentVersion
	}
	return o
}

// optional returns a pointer to s, and nil if s is empty.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// sourceID returns the number of the source that a title follows, and 0 if it follows none.
func sourceID(follows string) uint32 {
	if follows == "" {
		return 0
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(sourceName(follows))) // never fails
	return max(1, h.Sum32()>>1)
}

// sourceName returns the name of the source that a title follows: the host of its URL.
func sourceName(follows string) string {
	if follows == "" {
		return "Local"
	}
	if u, err := url.Parse(follows); err == nil && u.Host != "" {
		return u.Hostname()
	}
	return "Another source"
}

// formatTime formats a time as the API has it.
func formatTime(t time.Time) string { return patch.FormatTime(t) }
