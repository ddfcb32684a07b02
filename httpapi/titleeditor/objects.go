package titleeditor

import (
	"time"

	"github.com/patchsource/patchsource/patch"
	"github.com/patchsource/patchsource/patch/numbered"
)

// The objects that answers have. Their members are in the order in which Title Editor writes them, because scripts read
// answers by line.

type titleObject struct {
	SoftwareTitleID     uint64            `json:"softwareTitleId"`
	SourceID            int               `json:"sourceId"`
	Enabled             bool              `json:"enabled"`
	Name                string            `json:"name"`
	Publisher           string            `json:"publisher"`
	AppName             *string           `json:"appName"`
	BundleID            *string           `json:"bundleId"`
	LastModified        string            `json:"lastModified"`
	CurrentVersion      string            `json:"currentVersion"`
	ID                  string            `json:"id"`
	Requirements        []any             `json:"requirements"`
	Patches             []patchObject     `json:"patches"`
	ExtensionAttributes []attributeObject `json:"extensionAttributes"`
}

// A titleRow is a title in the list.
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
	Patches         int     `json:"patches"`
	ID              string  `json:"id"`
	SourceID        int     `json:"sourceId"`
	Source          string  `json:"source"`
}

type patchObject struct {
	PatchID                uint64            `json:"patchId"`
	SoftwareTitleID        uint64            `json:"softwareTitleId"`
	AbsoluteOrderID        int               `json:"absoluteOrderId"`
	Enabled                bool              `json:"enabled"`
	Version                string            `json:"version"`
	ReleaseDate            string            `json:"releaseDate"`
	Standalone             bool              `json:"standalone"`
	MinimumOperatingSystem string            `json:"minimumOperatingSystem"`
	Reboot                 bool              `json:"reboot"`
	KillApps               []killAppObject   `json:"killApps"`
	Components             []componentObject `json:"components"`
	Capabilities           []any             `json:"capabilities"`
	Dependencies           []any             `json:"dependencies"`
}

type killAppObject struct {
	KillAppID uint64 `json:"killAppId"`
	PatchID   uint64 `json:"patchId"`
	BundleID  string `json:"bundleId"`
	AppName   string `json:"appName"`
}

type componentObject struct {
	ComponentID uint64 `json:"componentId"`
	PatchID     uint64 `json:"patchId"`
	Name        string `json:"name"`
	Version     string `json:"version"`
	Criteria    []any  `json:"criteria"`
}

type attributeObject struct {
	ExtensionAttributeID uint64 `json:"extensionAttributeId"`
	SoftwareTitleID      uint64 `json:"softwareTitleId"`
	Key                  string `json:"key"`
	Value                string `json:"value"`
	DisplayName          string `json:"displayName"`
}

// A requirementObject, a capabilityObject and a criterionObject are criteria: their first members differ.
type (
	requirementObject struct {
		RequirementID   uint64 `json:"requirementId"`
		SoftwareTitleID uint64 `json:"softwareTitleId"`
		criterionMembers
	}
	capabilityObject struct {
		CapabilityID uint64 `json:"capabilityId"`
		PatchID      uint64 `json:"patchId"`
		criterionMembers
	}
	criterionObject struct {
		CriteriaID  uint64 `json:"criteriaId"`
		ComponentID uint64 `json:"componentId"`
		criterionMembers
	}
)

type criterionMembers struct {
	AbsoluteOrderID int    `json:"absoluteOrderId"`
	And             bool   `json:"and"`
	Name            string `json:"name"`
	Operator        string `json:"operator"`
	Value           string `json:"value"`
	Type            string `json:"type"`
}

// viewTitle returns a title as answers show it. source is the number of its source.
func viewTitle(t *numbered.Title, source int) *titleObject {
	d := t.Definition
	o := &titleObject{
		SoftwareTitleID:     t.Numbers.Title,
		SourceID:            source,
		Enabled:             t.Enabled,
		Name:                d.Name,
		Publisher:           d.Publisher,
		AppName:             d.AppName,
		BundleID:            d.BundleID,
		LastModified:        patch.FormatTime(t.Modified),
		CurrentVersion:      d.CurrentVersion,
		ID:                  d.ID,
		Requirements:        viewCriteria(t, numbered.Place{Kind: numbered.Requirement}, len(d.Requirements)),
		Patches:             []patchObject{},
		ExtensionAttributes: []attributeObject{},
	}
	for i := range d.Patches {
		o.Patches = append(o.Patches, viewPatch(t, numbered.Place{Kind: numbered.Patch, Patch: i, Index: i}))
	}
	for i := range d.ExtensionAttributes {
		place := numbered.Place{Kind: numbered.ExtensionAttribute, Index: i}
		o.ExtensionAttributes = append(o.ExtensionAttributes, viewAttribute(t, place))
	}
	return o
}

// viewCriteria returns the n criteria of the list in which p is.
func viewCriteria(t *numbered.Title, p numbered.Place, n int) []any {
	all := []any{}
	for p.Index = range n {
		all = append(all, viewCriterion(t, p))
	}
	return all
}

func viewCriterion(t *numbered.Title, p numbered.Place) any {
	c := criterionAt(t.Definition, p)
	members := criterionMembers{
		AbsoluteOrderID: p.Index,
		And:             c.And == nil || *c.And,
		Name:            c.Name,
		Operator:        c.Operator,
		Value:           c.Value,
		Type:            c.Type,
	}
	switch p.Kind {
	case numbered.Requirement:
		return requirementObject{t.NumberOf(p), t.Numbers.Title, members}
	case numbered.Capability:
		return capabilityObject{t.NumberOf(p), t.Numbers.Patches[p.Patch].Number, members}
	}
	return criterionObject{t.NumberOf(p), t.Numbers.Patches[p.Patch].Components[p.Component].Number, members}
}

// criterionAt returns the criterion at a place.
func criterionAt(d *patch.Definition, p numbered.Place) *patch.Criterion {
	switch p.Kind {
	case numbered.Requirement:
		return &d.Requirements[p.Index]
	case numbered.Capability:
		return &d.Patches[p.Patch].Capabilities[p.Index]
	}
	return &d.Patches[p.Patch].Components[p.Component].Criteria[p.Index]
}

func viewPatch(t *numbered.Title, p numbered.Place) patchObject {
	v := &t.Definition.Patches[p.Patch]
	o := patchObject{
		PatchID:                t.NumberOf(p),
		SoftwareTitleID:        t.Numbers.Title,
		AbsoluteOrderID:        p.Patch,
		Enabled:                !v.Disabled,
		Version:                v.Version,
		ReleaseDate:            viewTime(v.ReleaseDate),
		Standalone:             v.Standalone,
		MinimumOperatingSystem: v.MinimumOperatingSystem,
		Reboot:                 v.Reboot,
		KillApps:               []killAppObject{},
		Components:             []componentObject{},
		Capabilities:           viewCriteria(t, numbered.Place{Kind: numbered.Capability, Patch: p.Patch}, len(v.Capabilities)),
		Dependencies:           []any{},
	}
	for i := range v.KillApps {
		o.KillApps = append(o.KillApps, viewKillApp(t, numbered.Place{Kind: numbered.KillApp, Patch: p.Patch, Index: i}))
	}
	for i := range v.Components {
		place := numbered.Place{Kind: numbered.Component, Patch: p.Patch, Component: i, Index: i}
		o.Components = append(o.Components, viewComponent(t, place))
	}
	return o
}

// viewTime returns a time as answers show it: in UTC and whole seconds. Other text is returned unchanged.
func viewTime(s string) string {
	t, err := patch.ParseTime(s)
	if err != nil {
		return s
	}
	return patch.FormatTime(t.Truncate(time.Second))
}

func viewKillApp(t *numbered.Title, p numbered.Place) killAppObject {
	k := &t.Definition.Patches[p.Patch].KillApps[p.Index]
	return killAppObject{t.NumberOf(p), t.Numbers.Patches[p.Patch].Number, k.BundleID, k.AppName}
}

func viewComponent(t *numbered.Title, p numbered.Place) componentObject {
	c := &t.Definition.Patches[p.Patch].Components[p.Component]
	list := numbered.Place{Kind: numbered.Criterion, Patch: p.Patch, Component: p.Component}
	return componentObject{
		ComponentID: t.NumberOf(p),
		PatchID:     t.Numbers.Patches[p.Patch].Number,
		Name:        c.Name,
		Version:     c.Version,
		Criteria:    viewCriteria(t, list, len(c.Criteria)),
	}
}

func viewAttribute(t *numbered.Title, p numbered.Place) attributeObject {
	a := &t.Definition.ExtensionAttributes[p.Index]
	return attributeObject{t.NumberOf(p), t.Numbers.Title, a.Key, a.Value, a.DisplayName}
}
