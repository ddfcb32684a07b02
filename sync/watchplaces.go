package patchsync

// watchPlaces hands out the places for checks to the groups that are due, so that a slow host does not delay the feeds
// of others: a host has a bounded number of places, and the hosts take turns. It is not safe for concurrent use.
type watchPlaces struct {
	total, perHost int
	taken          int
	hosts          map[string]*hostPlaces
	turns          []*hostPlaces // those that have a group that waits, and a place for it
}

// hostPlaces are the groups of one host.
type hostPlaces struct {
	taken   int
	waiting []*watchGroup
	inTurn  bool // in watchPlaces.turns
}

// newWatchPlaces returns a number of places, of which a host has perHost. If that is negative, it has all.
func newWatchPlaces(total, perHost int) *watchPlaces {
	if perHost < 0 {
		perHost = total
	}
	return &watchPlaces{total: total, perHost: perHost, hosts: map[string]*hostPlaces{}}
}

// add makes groups wait for a place.
func (p *watchPlaces) add(groups ...*watchGroup) {
	for _, g := range groups {
		h := p.hosts[g.host]
		if h == nil {
			h = &hostPlaces{}
			p.hosts[g.host] = h
		}
		h.waiting = append(h.waiting, g)
		p.enqueue(h)
	}
}

// enqueue gives a host its turn if it has a group that waits and a place for it.
func (p *watchPlaces) enqueue(h *hostPlaces) {
	if !h.inTurn && len(h.waiting) > 0 && h.taken < p.perHost {
		h.inTurn = true
		p.turns = append(p.turns, h)
	}
}

// take returns the next group that has a place, nil if there is none. release must be called with it after its check.
func (p *watchPlaces) take() *watchGroup {
	if len(p.turns) == 0 || p.taken == p.total {
		return nil
	}
	h := p.turns[0]
	p.turns = p.turns[1:]
	g := h.waiting[0]
	h.waiting = h.waiting[1:]
	p.taken++
	h.taken++
	h.inTurn = false
	p.enqueue(h)
	return g
}

// release frees the place of a group.
func (p *watchPlaces) release(g *watchGroup) {
	h := p.hosts[g.host]
	p.taken--
	h.taken--
	p.enqueue(h)
	if h.taken == 0 && len(h.waiting) == 0 {
		delete(p.hosts, g.host)
	}
}

// drain returns the groups that wait, which then no longer do.
func (p *watchPlaces) drain() (waiting []*watchGroup) {
	for _, h := range p.hosts {
		waiting = append(waiting, h.waiting...)
		h.waiting, h.inTurn = nil, false
	}
	p.turns = nil
	return waiting
}
