package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// A writeCase is a number of writers that add versions, to different titles or all to the same one.
type writeCase struct {
	writers int
	same    bool
	goal    float64 // ours ÷ disk
}

var writeCases = []writeCase{
	{1, false, 1},
	{16, false, 2},
	{64, false, 4},
	{1, true, 1},
	{16, true, 2},
	{64, true, 4},
}

const (
	goalCPU = 500 // microseconds for a version at 30 versions
	goalP99 = 200 * time.Millisecond
	// poolTitles is the number of titles of the data set for changes. Each slice on one title takes another one.
	poolTitles = 1000
)

// A versionSource numbers the versions that a run adds and chooses titles for them.
type versionSource struct {
	number int64
	title  int
}

// job returns a job that adds versions to these titles.
func (v *versionSource) job(s *server, writers int, titles []string) job {
	j := job{Connections: writers, Versions: &newVersions{Token: s.token, First: v.number}}
	for _, title := range titles {
		j.Requests = append(j.Requests, []byte(title))
	}
	v.number += 1_000_000
	return j
}

// next returns the number of a title that was not returned before, up to the last one of limit.
func (v *versionSource) next(limit int) int {
	v.title++
	return v.title % limit
}

// A series is the samples of a case with one target.
type series struct{ rate, cpu, median, p99 []float64 }

func (s *series) add(r result, cpu float64) {
	s.rate = append(s.rate, r.rate())
	s.cpu = append(s.cpu, cpu)
	s.median = append(s.median, float64(r.Median))
	s.p99 = append(s.p99, float64(r.P99))
}

// writes measures durable changes beside the disk.
func writes(ctx context.Context, b *bench) error {
	d := dataSet{titles: b.size(poolTitles), versions: b.versions, special: b.manyVersions()}
	var servers []*server
	for _, bin := range b.builds {
		s, stop, err := b.started(ctx, bin, d)
		if err != nil {
			return err
		}
		defer stop()
		servers = append(servers, s)
	}
	source := &versionSource{}
	if err := b.writeRates(ctx, servers, d, source); err != nil {
		return err
	}
	if err := b.versionCosts(ctx, servers, d, source); err != nil {
		return err
	}
	return b.traced(ctx, servers, d, source)
}

// manyVersions returns the numbers of versions of the special titles: three with 300 and three with 3,000.
func (b *bench) manyVersions() []int {
	if b.quick {
		return []int{5, 5, 5, 8, 8, 8}
	}
	return []int{300, 300, 300, 3000, 3000, 3000}
}

// settle returns the time in which a server does what it has put off while it added versions.
func (b *bench) settle() time.Duration { return min(3*b.slice/2, 2*time.Second) }

// writeRates measures the rate of changes.
func (b *bench) writeRates(ctx context.Context, servers []*server, d dataSet, source *versionSource) error {
	t := &table{columns: []string{
		"writers", "titles", "build",
		"disk, 1/s", "ours, 1/s", "ours ÷ disk", "goal", "reached",
		"median", "p99", "p99 < 200 ms", "p99, disk", "CPU per version, µs",
	}}
	disk := make([]series, len(writeCases))
	ours := make([][]series, len(writeCases))
	folder, err := os.MkdirTemp(b.dir, "run-disk-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	for i := range ours {
		ours[i] = make([]series, len(servers))
	}
	for round := range b.rounds {
		b.log("changes, round %d of %d", round+1, b.rounds)
		for i, c := range writeCases {
			r, err := writeDisk(folder, c.writers, b.slice)
			if err != nil {
				return err
			}
			disk[i].add(r, 0)
			for k, s := range servers {
				j := source.job(s, c.writers, c.titles(d, source))
				j.Time = b.slice
				sample, err := s.measure(ctx, j, b.settle())
				if err != nil {
					return err
				}
				ours[i][k].add(sample.result, sample.cpu)
			}
		}
	}
	for i, c := range writeCases {
		for k, s := range servers {
			o := ours[i][k]
			share := ratio(o.rate, disk[i].rate)
			p99 := median(o.p99)
			t.row(c.writers, c.where(), s.name, median(disk[i].rate), median(o.rate), share,
				fmt.Sprintf("≥ %.1f", c.goal), share >= c.goal, span(median(o.median)), span(p99),
				time.Duration(p99) < goalP99, span(median(disk[i].p99)), median(o.cpu))
		}
	}
	b.print("Durable changes", fmt.Sprintf("Versions that are added over HTTP to titles of about %d versions, with "+
		"the flags as shipped. The goal for the p99 is that of 64 writers on one title. The CPU includes what is "+
		"done in the %v after the answers.", b.versions, b.settle()), t)
	return nil
}

// titles returns the ids of the titles that a slice of a case adds versions to.
func (c writeCase) titles(d dataSet, source *versionSource) []string {
	if c.same {
		return []string{titleID(source.next(d.titles))}
	}
	all := make([]string, d.titles)
	for i := range all {
		all[i] = titleID(i)
	}
	return all
}

func (c writeCase) where() string {
	if c.same {
		return "one"
	}
	return "different"
}

// A titleGroup is some titles with the same number of versions.
type titleGroup struct {
	versions int
	ids      []string
	max      int64 // the number of versions that are added in a round
}

// groups returns the titles with the usual, and with large numbers of versions.
func groups(d dataSet, source *versionSource) []titleGroup {
	usual := titleGroup{versions: d.versions, max: 30}
	for range 10 {
		usual.ids = append(usual.ids, titleID(source.next(d.titles)))
	}
	all := []titleGroup{usual}
	for i, versions := range d.special {
		if last := &all[len(all)-1]; last.versions == versions {
			last.ids = append(last.ids, titleID(d.titles+i))
			continue
		}
		all = append(all, titleGroup{versions, []string{titleID(d.titles + i)}, 9})
	}
	return all
}

// versionCosts measures what a version costs on titles with few and with many versions.
func (b *bench) versionCosts(ctx context.Context, servers []*server, d dataSet, source *versionSource) error {
	t := &table{columns: []string{"versions", "build", "CPU per version, µs", "goal", "reached", "median", "p99"}}
	costs := map[int][]series{}
	for round := range b.rounds {
		b.log("costs of a version, round %d of %d", round+1, b.rounds)
		for _, g := range groups(d, source) {
			if costs[g.versions] == nil {
				costs[g.versions] = make([]series, len(servers))
			}
			for k, s := range servers {
				j := source.job(s, 1, g.ids)
				j.Time, j.Max = b.timeout, g.max
				sample, err := s.measure(ctx, j, b.settle())
				if err != nil {
					return err
				}
				costs[g.versions][k].add(sample.result, sample.cpu)
			}
		}
	}
	for _, g := range groups(d, source) {
		for k, s := range servers {
			c := costs[g.versions][k]
			goal, reached := "", ""
			if g.versions == 30 {
				goal, reached = fmt.Sprintf("≤ %d", goalCPU), cell(median(c.cpu) <= goalCPU)
			}
			t.row(g.versions, s.name, median(c.cpu), goal, reached, span(median(c.median)), span(median(c.p99)))
		}
	}
	b.print("Costs of a version", fmt.Sprintf("Versions that one writer adds to titles in turn, over HTTP. The CPU "+
		"includes what is done in the %v after the answers.", b.settle()), t)
	return nil
}
