package patchtest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Hostile returns the JSON of a definition of at least n bytes that is designed to be expensive in one way.
// [HostileNames] lists the ways; for any other name, the result is nil. Most long ones are refused, which must be
// cheap too.
func Hostile(name string, n int) []byte {
	if fill := hostile[name]; fill != nil {
		return fill(n)
	}
	return nil
}

// HostileNames returns the names of the ways in which [Hostile] makes definitions expensive.
func HostileNames() []string { return slices.Sorted(maps.Keys(hostile)) }

// hostile maps the names to functions that make definitions of at least n bytes.
var hostile = map[string]func(n int) []byte{
	"attributes and criteria": func(n int) []byte {
		script := base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho '<result>1</result>'\n"))
		return definition(parts{
			attributes: elements(n/2, func(i int) string {
				return fmt.Sprintf(`{"key":"k%d","value":%q,"displayName":"d"}`, i, script)
			}),
			requirements: elements(n/2, func(i int) string {
				return criterion(fmt.Sprintf("k%d", -i), "is", "v", "extensionAttribute")
			}),
		})
	},
	"patches": func(n int) []byte {
		return definition(parts{patches: elements(n, func(i int) string { return version(i, parts{}) })})
	},
	"patches, oldest first": func(n int) []byte {
		return definition(parts{patches: elements(n, func(i int) string { return version(-i, parts{}) })})
	},
	"patches of one version": func(n int) []byte {
		return definition(parts{patches: elements(n, func(i int) string {
			notation := "1" + strings.Repeat(".0", i%100) + strings.Repeat("0", i/100)
			return strings.Replace(version(0, parts{}), highest, notation, 1)
		})})
	},
	"criteria of many patches": func(n int) []byte {
		return definition(parts{patches: elements(n, func(i int) string {
			return version(i, parts{criteria: elements(4000, func(j int) string {
				return criterion("Operating System Version", "greater than", fmt.Sprint(j), "recon")
			})})
		})})
	},
	"components": func(n int) []byte {
		return definition(parts{patches: elements(n, func(i int) string {
			return version(i, parts{components: elements(2000, func(int) string {
				return `{"name":"c","version":"x","criteria":[]}`
			})})
		})})
	},
	"kill apps": func(n int) []byte {
		return definition(parts{patches: elements(n, func(i int) string {
			return version(i, parts{killApps: elements(4000, func(j int) string {
				return fmt.Sprintf(`{"bundleId":"com.example.%d","appName":"a"}`, j)
			})})
		})})
	},
	"requirements": func(n int) []byte {
		return definition(parts{requirements: elements(n, func(i int) string {
			return criterion("Application Bundle ID", "like", fmt.Sprintf("com.example.%d", i), "recon")
		})})
	},
	"repetitions in regular expressions": func(n int) []byte {
		return definition(parts{requirements: elements(n, func(i int) string {
			return criterion("Application Bundle ID", "matches regex", fmt.Sprintf("a{1000}%d", i), "recon")
		})})
	},
	"broken regular expressions": func(n int) []byte {
		return definition(parts{requirements: elements(n, func(i int) string {
			return criterion("Application Bundle ID", "matches regex", strings.Repeat("(", 1000)+fmt.Sprint(i), "recon")
		})})
	},
	"a long regular expression": func(n int) []byte {
		expression := strings.Repeat("(", n)
		return definition(parts{requirements: criterion("Application Bundle ID", "matches regex", expression, "recon")})
	},
	"warnings": func(n int) []byte {
		return definition(parts{patches: elements(n, func(i int) string {
			return version(-i, parts{criteria: elements(1000, func(j int) string {
				return criterion("n", "is", "v", fmt.Sprint(j))
			})})
		})})
	},
	"failures": func(n int) []byte {
		return definition(parts{patches: elements(n, func(int) string { return "{}" })})
	},
	"failures of wrong types": func(n int) []byte {
		return definition(parts{requirements: elements(n, func(int) string { return "[]" })})
	},
	"unknown members": func(n int) []byte {
		return definition(parts{more: elements(n, func(i int) string { return fmt.Sprintf(`"x%d":0`, i) })})
	},
	"unknown members of patches": func(n int) []byte {
		return definition(parts{patches: elements(n, func(i int) string {
			return version(i, parts{more: elements(1000, func(j int) string { return fmt.Sprintf(`"x%d":false`, j) })})
		})})
	},
	"a long name": func(n int) []byte { return definition(parts{name: strings.Repeat("é", n/2)}) },
	"a long minimum OS": func(n int) []byte {
		return definition(parts{patches: version(0, parts{minimum: strings.Repeat("1.", n/2)})})
	},
	"a long requirement": func(n int) []byte {
		return definition(parts{requirements: criterion("n", "like", strings.Repeat("v", n), "recon")})
	},
	"a long minimum OS and capabilities": func(n int) []byte {
		return definition(parts{patches: version(0, parts{
			minimum: strings.Repeat("1.", n/4),
			criteria: elements(n/2, func(int) string {
				return criterion("Operating System Version", "is", "1.1", "recon")
			}),
		})})
	},
	"repeated keys": func(n int) []byte {
		return definition(parts{attributes: elements(n, func(i int) string {
			return fmt.Sprintf(`{"key":"k%s","value":"","displayName":"d"}`, []string{"", fmt.Sprint(-i)}[i%2])
		})})
	},
	"a long script": func(n int) []byte {
		script := strings.Repeat("AAAA", n/4)
		return definition(parts{attributes: `{"key":"k","value":"` + script + `","displayName":"d"}`})
	},
	"nesting": func(n int) []byte {
		deep := strings.Repeat("[", 50) + strings.Repeat("]", 50)
		return definition(parts{more: `"x":[` + elements(n, func(int) string { return deep }) + `]`})
	},
	"endless nesting": func(n int) []byte { return definition(parts{more: `"x":` + strings.Repeat("[", n)}) },
}

// parts are the parts of a definition and of a version. Empty ones are made as small as possible.
type parts struct {
	name, requirements, patches, attributes string // of a definition
	minimum, killApps, components, criteria string // of a version
	more                                    string // unknown members of either
}

func definition(p parts) []byte {
	if p.name == "" {
		p.name = "A"
	}
	if p.requirements == "" {
		p.requirements = criterion("n", "is", "v", "recon")
	}
	if p.patches == "" {
		p.patches = version(0, parts{})
	}
	if p.more != "" {
		p.more = "," + p.more
	}
	return []byte(`{"id":"a","name":"` + p.name + `","publisher":"P","appName":null,` +
		`"bundleId":"` + strings.Repeat("com.example.", 20) + `","requirements":[` + p.requirements + `],` +
		`"patches":[` + p.patches + `],"extensionAttributes":[` + p.attributes + `]` + p.more + `}`)
}

// highest is the version that version makes for 0. It makes older ones for higher numbers.
const highest = "1.1000000"

func version(i int, p parts) string {
	if p.minimum == "" {
		p.minimum = "10.9"
	}
	if p.more != "" {
		p.more = "," + p.more
	}
	return `{"version":"` + fmt.Sprintf("1.%d", 1_000_000-i) + `","releaseDate":"2018-02-02T17:39:58Z",` +
		`"standalone":true,"minimumOperatingSystem":"` + p.minimum + `","reboot":false,` +
		`"killApps":[` + p.killApps + `],` +
		`"components":[` + p.components + `],"capabilities":[` + p.criteria + `]` + p.more + `}`
}

func criterion(name, operator, value, kind string) string {
	return fmt.Sprintf(`{"name":%q,"operator":%q,"value":%q,"type":%q,"and":true}`, name, operator, value, kind)
}

// elements returns elements of at least n bytes in total, separated by commas.
func elements(n int, element func(i int) string) string {
	var b strings.Builder
	for i := 0; b.Len() == 0 || b.Len() < n; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(element(i))
	}
	return b.String()
}
