package main

import (
	"context"
	"time"
)

// startGoals are the goals for a start, by number of titles.
var startGoals = map[int]time.Duration{10_000: 300 * time.Millisecond, 100_000: 3 * time.Second}

// pendingVersions is the number of versions that are added before a server is killed.
const pendingVersions = 200

// A startCost is the time and the CPU until a server is ready.
type startCost struct{ time, cpu []float64 }

func (c *startCost) add(s *server) error {
	cpu, err := cpuTime(s.cmd.Process.Pid)
	c.time = append(c.time, float64(s.ready))
	c.cpu = append(c.cpu, float64(cpu))
	return err
}

// starts measures how long a server takes until it is ready.
func starts(ctx context.Context, b *bench) error {
	t := &table{columns: []string{"titles", "build", "first start", "CPU", "after a stop", "CPU", "goal", "reached",
		"after a kill", "CPU"}}
	for _, size := range b.sizes {
		costs := make([][3]startCost, len(b.builds))
		begun := time.Now()
		for round := range min(b.rounds, 3) {
			if round > 0 && time.Since(begun) > 2*enough {
				break
			}
			for i, bin := range b.builds {
				if err := b.startsOf(ctx, bin, size, &costs[i]); err != nil {
					return err
				}
			}
		}
		for i, bin := range b.builds {
			goal, reached := "", ""
			stopped := time.Duration(median(costs[i][1].time))
			if limit, ok := startGoals[size]; ok {
				goal, reached = "< "+limit.String(), cell(stopped < limit)
			}
			cells := []any{size, bin.name}
			for at, c := range costs[i] {
				cells = append(cells, span(median(c.time)), span(median(c.cpu)))
				if at == 1 {
					cells = append(cells, goal, reached)
				}
			}
			t.row(cells...)
		}
	}
	b.print("Start", "Time until the server is ready, with the files in the page cache. The first start takes over a "+
		"folder of the oldest format. Before the kill, versions are added.", t)
	return nil
}

// startsOf starts a server of a build three times: over a fresh folder, after a stop and after a kill.
func (b *bench) startsOf(ctx context.Context, bin build, size int, costs *[3]startCost) error {
	folder, remove, err := b.clone(ctx, dataSet{titles: size, versions: b.versions}, bin.name)
	if err != nil {
		return err
	}
	defer remove()
	b.log("starting %s three times with %d titles", bin.name, size)
	source := &versionSource{}
	for i := range costs {
		s, err := b.start(ctx, bin, folder)
		if err != nil {
			return err
		}
		if err := costs[i].add(s); err != nil {
			s.kill()
			return err
		}
		if i != 1 {
			if err := s.stop(); err != nil {
				return err
			}
			continue
		}
		j := source.job(s, 4, writeCase{}.titles(dataSet{titles: min(size, 1000)}, source))
		j.Time, j.Max = b.timeout, pendingVersions
		_, err = s.measure(ctx, j, 0)
		s.kill()
		if err != nil {
			return err
		}
	}
	return nil
}
