package main

import "math/bits"

// lru: a cache of 256-byte values, a hash table and a list in the order of use.
type entry struct {
	chain, newer, older *entry
	value               *[32]uint64
	key, spare          uint64
}
type cache struct {
	buckets           []*entry
	newest, oldest    *entry
	entries, capacity uint64
}

func (c *cache) bucket(key uint64) **entry {
	shift := 64 - bits.TrailingZeros64(uint64(len(c.buckets)))
	return &c.buckets[key*0x9e3779b97f4a7c15>>shift]
}
func (c *cache) link(e *entry) {
	e.newer, e.older = nil, c.newest
	if c.newest != nil {
		c.newest.newer = e
	} else {
		c.oldest = e
	}
	c.newest = e
}
func (c *cache) unlink(e *entry) {
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		c.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		c.oldest = e.newer
	}
}
func (c *cache) add(e *entry) {
	bucket := c.bucket(e.key)
	e.chain, *bucket = *bucket, e
}
func (c *cache) evict() {
	e := c.oldest
	c.unlink(e)
	place := c.bucket(e.key)
	for *place != e {
		place = &(*place).chain
	}
	*place = e.chain
	e.newer, e.chain = nil, nil
	c.entries--
}
func (c *cache) insert(key uint64) {
	value := new([32]uint64)
	for i := range value {
		value[i] = key
	}
	e := &entry{key: key, value: value}
	if c.entries == c.capacity {
		c.evict()
	} else if c.entries == uint64(len(c.buckets)) {
		c.buckets = make([]*entry, 2*len(c.buckets))
		for o := c.newest; o != nil; o = o.older {
			c.add(o)
		}
	}
	c.add(e)
	c.link(e)
	c.entries++
}

func lru(a [5]uint64) outcome {
	start, s := now(), ofThread(0)
	c := cache{buckets: make([]*entry, 1024), capacity: a[0]}
	o := outcome{threads: 1, ops: []*operations{newOperations(start)}}
	for i := uint64(0); i < a[2]; i++ {
		key := s.below(a[1])
		e := *c.bucket(key)
		for e != nil && e.key != key {
			e = e.chain
		}
		if e != nil {
			c.unlink(e)
			c.link(e)
			o.sum += e.value[0]
		} else {
			c.insert(key)
		}
		o.ops[0].lap()
	}
	o.run = now() - start
	place := uint64(1)
	for e := c.newest; e != nil; e = e.older {
		o.sum += e.key * place
		place++
	}
	return o
}
