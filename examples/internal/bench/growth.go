package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"time"
)

const (
	// goalGrowth bounds the cost of a call at the largest number of titles in costs at the smallest one: the cost may
	// follow the answer, which is the same or is divided by its length, and the logarithm of the number of titles.
	goalGrowth = 3
	goalChange = 2000 // microseconds for a change with its list
	// repeats is the number of times that a call is repeated, as long as that takes less than patience.
	repeats  = 9
	patience = 15 * time.Second
	// listRepeats is the number of changes after which the list is read.
	listRepeats = 25
	// idlePatience bounds the wait until a server is idle.
	idlePatience = 3 * time.Minute
)

// A growthRow is a figure by number of titles.
type growthRow struct {
	name   string
	build  string
	unit   string
	figure map[int]float64
	// limit is the goal for the figure at the largest number of titles; 0 means that goalGrowth is the goal.
	limit float64
	free  bool // there is no goal
}

// A growthTable collects figures.
type growthTable struct {
	rows  []*growthRow
	build string
	size  int
}

// set sets a figure of the present build and size. It returns the row.
func (g *growthTable) set(name, unit string, figure float64) *growthRow {
	for _, r := range g.rows {
		if r.name == name && r.build == g.build {
			r.figure[g.size] = figure
			return r
		}
	}
	r := &growthRow{name: name, build: g.build, unit: unit, figure: map[int]float64{g.size: figure}}
	g.rows = append(g.rows, r)
	return r
}

// growth measures what grows with the number of titles.
func growth(ctx context.Context, b *bench) error {
	g := &growthTable{}
	for _, size := range b.sizes {
		for _, bin := range b.builds {
			g.build, g.size = bin.name, size
			if err := b.growthAt(ctx, bin, size, g); err != nil {
				return err
			}
		}
	}
	b.print("Growth", fmt.Sprintf("CPU by number of titles; – means that there was no answer within %v. Answers that "+
		"grow with the number of titles are divided by their length. There are one token and one contributor for "+
		"ten titles.", b.timeout), g.table(b.sizes, b.builds))
	return nil
}

// table returns the figures of all builds, grouped by name.
func (g *growthTable) table(sizes []int, builds []build) *table {
	t := &table{columns: []string{"CPU", "build"}}
	for _, size := range sizes {
		t.columns = append(t.columns, fmt.Sprint(size))
	}
	t.columns = append(t.columns, "last ÷ first", "goal", "reached")
	first, last := sizes[0], sizes[len(sizes)-1]
	for _, leader := range g.rows {
		if leader.build != builds[0].name {
			continue
		}
		for _, r := range g.rows {
			if r.name != leader.name {
				continue
			}
			cells := []any{r.name + ", " + r.unit, r.build}
			for _, size := range sizes {
				cells = append(cells, r.figure[size])
			}
			times := r.figure[last] / r.figure[first]
			switch {
			case r.free:
				cells = append(cells, times, "", "")
			case r.limit > 0:
				cells = append(cells, times, "≤ "+number(r.limit), r.figure[last] <= r.limit)
			default:
				cells = append(cells, times, fmt.Sprintf("÷ ≤ %d", goalGrowth), times <= goalGrowth)
			}
			t.row(cells...)
		}
	}
	return t
}

// growthAt measures one build with one number of titles.
func (b *bench) growthAt(ctx context.Context, bin build, size int, g *growthTable) error {
	s, stop, err := b.started(ctx, bin, dataSet{titles: size, versions: b.versions})
	if err != nil {
		return err
	}
	defer stop()
	cpu, err := cpuTime(s.cmd.Process.Pid)
	if err != nil {
		return err
	}
	g.set("start, second one, until ready", "ms", s.ready.Seconds()*1000).free = true
	g.set("start, second one", "CPU ms", cpu.Seconds()*1000).free = true
	if err := b.awaitIdle(ctx, s); err != nil {
		return err
	}
	var sample sample
	for range 2 { // the first time fills the caches
		sample, err = s.measure(ctx, job{
			Connections: 1,
			Time:        b.slice,
			Requests:    commonCases(size, "")[3].encoded(),
		}, 0)
		if err != nil {
			return err
		}
	}
	g.set("definition", "µs", sample.cpu)
	if err := b.growthOfLists(ctx, s, size, g); err != nil {
		return err
	}
	contributors := (size + contributorSpan - 1) / contributorSpan
	tokens := (size + contributorSpan - 2) / contributorSpan
	calls := []struct {
		name, unit string
		length     int
		call       func(i int) call
	}{
		{"contributor's list", "µs", 1, func(i int) call {
			return call{path: "/jamf/v1/" + contributorName(i*7%contributors) + "/software", anonymous: true}
		}},
		{"page by name", "µs", 1, page("/")},
		{"page by version", "µs", 1, page("/?sort=version")},
		{"Atom", "µs", 1, page("/feed.atom")},
		{"publishing", "µs", 1, b.publication},
		{"contributors", "µs each", contributors, page("/api/v1/contributors")},
		{"backup", "µs a title", size, func(int) call {
			return call{path: "/api/v1/backup", anonymous: true, to: io.Discard}
		}},
		{"tokens", "µs each", tokens, func(int) call { return call{path: "/api/v1/tokens"} }},
	}
	for _, c := range calls {
		figure, err := b.repeat(ctx, s, c.call)
		if err != nil {
			return err
		}
		g.set(c.name, c.unit, figure/float64(c.length))
	}
	return nil
}

// page returns a function for an anonymous GET request.
func page(path string) func(int) call {
	return func(int) call {
		return call{path: path, anonymous: true, header: http.Header{"Accept": {"text/html"}}}
	}
}

// publication returns a request that publishes a title for another author each time.
func (b *bench) publication(i int) call {
	return call{
		method:    "POST",
		path:      "/api/v1/title",
		anonymous: true,
		header:    http.Header{"Content-Type": {"application/json"}},
		body: fmt.Sprintf(`{"author_name":"Newcomer %d","author_email":"newcomer%d@example.com","definition":%s}`,
			i, i, definition(3, b.versions)),
	}
}

// repeat returns the median of the CPU of calls in microseconds, and NaN if they are not answered in time.
func (b *bench) repeat(ctx context.Context, s *server, next func(i int) call) (float64, error) {
	var all []float64
	begun := time.Now()
	for i := range repeats {
		c := next(i)
		if c.method == "" {
			c.method = http.MethodGet
		}
		if i == 0 {
			b.log("%s %s", c.method, c.path)
		}
		timeout := b.timeout
		if c.to != nil {
			timeout *= 5 // a backup
		}
		r, err := s.do(ctx, c, timeout)
		if errors.Is(err, errTimeout) {
			b.log("%v", err)
			return math.NaN(), nil
		}
		if err != nil {
			return 0, err
		}
		all = append(all, microseconds(r.cpu))
		if time.Since(begun) > patience {
			break
		}
	}
	return median(all), nil
}

// growthOfLists measures a change, the rendering of the list of all titles after it, and the copying of its bytes. HEAD
// requests render the list and copy nothing: the first one costs what the change adds, and the second one what such a
// request costs anyway. Of the GET requests, the first copies the list's parts, the second may join them, and the third
// copies what was joined.
func (b *bench) growthOfLists(ctx context.Context, s *server, size int, g *growthTable) error {
	encodings := []string{"gzip", "identity"}
	var changes, whole, copying []float64
	rendering, copies := map[string][]float64{}, map[string]*[3][]float64{"gzip": {}, "identity": {}}
	begun := time.Now()
	for i := range listRepeats + 1 {
		if i > 1 && time.Since(begun) > 2*patience {
			break
		}
		title := titleID(i * 31 % size)
		r, err := s.do(ctx, call{
			method: "POST",
			path:   "/api/v1/title/" + title + "/version",
			body:   newPatch(title, addedVersion(int64(i))),
		}, b.timeout)
		if err != nil {
			return err
		}
		change := microseconds(r.cpu)
		sum, copied := change, 0.0
		for _, encoding := range encodings {
			var heads [2]float64
			var gets [3]float64
			err := errors.Join(
				b.readList(ctx, s, http.MethodHead, encoding, heads[:]),
				b.readList(ctx, s, http.MethodGet, encoding, gets[:]),
			)
			if err != nil {
				return err
			}
			sum += heads[0] - heads[1]
			copied += gets[0]
			if i == 0 {
				continue // it makes what is kept
			}
			rendering[encoding] = append(rendering[encoding], heads[0]-heads[1])
			for n := range gets {
				copies[encoding][n] = append(copies[encoding][n], gets[n])
			}
		}
		if i > 0 {
			changes, whole, copying = append(changes, change), append(whole, sum), append(copying, copied)
		}
	}
	g.set("change", "µs", median(changes))
	for _, encoding := range encodings {
		g.set("rendering the list after a change, "+encoding, "µs", median(rendering[encoding])).free = true
	}
	g.set("change and rendering both lists", "µs", median(whole)).limit = goalChange
	for _, encoding := range encodings {
		for n, when := range []string{"first", "second", "third"} {
			g.set("copying the list, "+encoding+", "+when+" time", "µs", median(copies[encoding][n])).free = true
		}
	}
	g.set("copying both lists, first time", "µs", median(copying)).free = true
	return nil
}

// readList asks for the list of all titles some times and sets the CPU of each.
func (b *bench) readList(ctx context.Context, s *server, method, encoding string, cpu []float64) error {
	for n := range cpu {
		r, err := s.do(ctx, call{
			method:    method,
			path:      "/jamf/v1/software",
			header:    http.Header{"Accept-Encoding": {encoding}},
			anonymous: true,
			to:        io.Discard,
		}, b.timeout)
		if err != nil {
			return err
		}
		cpu[n] = microseconds(r.cpu)
	}
	return nil
}

// awaitIdle waits until a server does nothing in the background, such as verifying its titles after a start, but not
// longer than idlePatience.
func (b *bench) awaitIdle(ctx context.Context, s *server) error {
	const pause = 500 * time.Millisecond
	b.log("waiting until %s is idle", s.name)
	for begun := time.Now(); time.Since(begun) < idlePatience && ctx.Err() == nil; {
		before, err := cpuTime(s.cmd.Process.Pid)
		if err != nil {
			return err
		}
		time.Sleep(pause)
		after, err := cpuTime(s.cmd.Process.Pid)
		if err != nil {
			return err
		}
		if after-before < pause/100 {
			return nil
		}
	}
	return context.Cause(ctx)
}
