package main

import "math"

// oldmut: new objects beside a large old graph, some of them stored into old ones.
type old struct {
	header             uint64
	left, right, young *old
	id, owner          uint64
	payload            [2]uint64
}

func zeta(terms uint64) float64 {
	sum, from, to := 0.0, 1000.0, float64(terms)
	for k := uint64(1); k <= terms && k <= 1000; k++ {
		sum += math.Pow(float64(k), -0.99)
	}
	if terms <= 1000 {
		return sum
	}
	return sum + math.Pow(to, 0.01)/0.01 - math.Pow(from, 0.01)/0.01 + (math.Pow(to, -0.99)-math.Pow(from, -0.99))/2
}

type picks struct {
	s                      lehmer
	first, bound, locality uint64
	zeta, eta              float64
}

func (p *picks) next() uint64 {
	switch p.locality {
	case 0:
		return p.s.below(p.bound)
	case 1:
		u := float64(p.s.next()) / modulus
		scaled := u * p.zeta
		if scaled < 1 {
			return 0
		}
		if scaled < 1+math.Pow(2, -0.99) {
			return 1
		}
		rank := uint64(float64(p.bound) * math.Pow(p.eta*u-p.eta+1, 1/(1-0.99)))
		if rank >= p.bound {
			rank = p.bound - 1
		}
		return rank
	}
	size := p.bound / 100
	if size == 0 {
		size = 1
	}
	pick := (p.first + p.s.below(size)) % p.bound
	p.first++
	return pick
}

func oldmut(a [5]uint64) outcome {
	count, threads, begin := a[0], a[2], now()
	s, nodes := lehmer(seed), make([]*old, count)
	for i := range nodes {
		nodes[i] = &old{id: uint64(i)}
	}
	for _, n := range nodes {
		n.left = nodes[s.below(count)]
		n.right = nodes[s.below(count)]
	}
	start := now()
	o := outcome{threads: int(threads), setup: start - begin, ops: make([]*operations, threads)}
	onThreads(o.threads, func(t int) {
		thread, total, due := uint64(t), a[1]*16384, uint64(0)
		share := total / threads
		if thread < total%threads {
			share++
		}
		z := zeta(count)
		eta := (1 - math.Pow(2/float64(count), 0.01)) / (1 - zeta(2)/z)
		p := picks{ofThread(thread), count / threads * thread, count, a[4], z, eta}
		ring, ops := make([]*old, 1024), newOperations(start)
		for turn := uint64(0); turn < share; turn++ {
			n := &old{id: turn}
			ring[turn%1024] = n
			if due += a[3]; due >= 16384 {
				due -= 16384
				owner := p.next()
				n.owner = owner
				nodes[owner].young = n
			}
			if turn%1000 == 999 {
				ops.lap()
			}
		}
		o.ops[t] = ops
	})
	o.run = now() - start
	for _, n := range nodes {
		o.sum += n.id + n.left.id + n.right.id
		if n.young != nil {
			o.sum += n.young.owner + 1
		}
	}
	return o
}
