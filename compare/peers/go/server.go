package main

import "time"

// server: requests due at fixed times, to two threads, change sessions of all ages.
type request struct {
	header uint64
	before *request
	number uint64
}
type session struct {
	header             uint64
	history            *request
	name               *[256]uint64
	cart               *level
	number, remembered uint64
}

func newSession(number uint64) *session {
	name := new([256]uint64)
	for i := range name {
		name[i] = number
	}
	return &session{name: name, cart: levelTree(4), number: number}
}

func serverThread(thread, clients, requests uint64) (*operations, uint64) {
	count := clients / 2
	if thread < clients%2 {
		count++
	}
	all, s, sum := make([]*session, count), ofThread(thread), uint64(0)
	for i := range all {
		all[i] = newSession(uint64(i))
	}
	start := now()
	ops := newOperations(start)
	for number := uint64(0); number < requests; number++ {
		due := start + number*1000000000/5000
		if t := now(); t < due {
			time.Sleep(time.Duration(due - t))
		}
		at := s.below(count)
		last := s.below(64) == 0
		sum += levelTree(9).spine()
		if last {
			all[at] = newSession(number)
		} else {
			of := all[at]
			r := &request{number: number, before: of.history}
			if of.remembered == 16 {
				r.before, of.remembered = nil, 0
			}
			of.history = r
			of.remembered++
		}
		ops.record(due, now())
	}
	for _, of := range all {
		sum += of.number + of.name[255] + of.cart.sum()
		for r := of.history; r != nil; r = r.before {
			sum += r.number
		}
	}
	return ops, sum
}

func server(a [5]uint64) outcome {
	start := now()
	o := outcome{threads: 2, ops: make([]*operations, 2)}
	var sums [2]uint64
	onThreads(2, func(t int) { o.ops[t], sums[t] = serverThread(uint64(t), a[0], a[1]*5000) })
	o.run, o.sum = now()-start, sums[0]+sums[1]
	return o
}
