// The workloads of examples/workloads in Go. Usage: main LIMIT_MIB WORKLOAD ARGS...; a limit of 0 is
// none: GOGC=100 then, and otherwise no pacing but the memory limit.
package main

import (
	"bufio"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

const modulus = 1<<31 - 1

var seed uint64 = 12345

type lehmer uint64

func (s *lehmer) next() uint64 {
	*s = *s * 48271 % modulus
	return uint64(*s)
}
func (s *lehmer) below(bound uint64) uint64 { return s.next() % bound }
func ofThread(thread uint64) lehmer         { return lehmer(seed + 7919*(thread+1)) }

var clock = time.Now()

func now() uint64 { return uint64(time.Since(clock)) }

// A histogram of nanoseconds with 32 buckets for each power of two, and the operations of 0.1 ms or more.
type operations struct {
	counts         [64 * 32]uint64
	max, run, last uint64
	long           [][2]uint64
}

func newOperations(run uint64) *operations {
	return &operations{run: run, last: now(), long: make([][2]uint64, 0, 65536)}
}
func (o *operations) record(due, end uint64) {
	ns := end - due
	bucket := ns
	if ns >= 32 {
		shift := uint64(58 - bits.LeadingZeros64(ns))
		bucket = shift*32 + ns>>shift
	}
	o.counts[bucket]++
	if ns > o.max {
		o.max = ns
	}
	if ns >= 100000 && len(o.long) < cap(o.long) {
		o.long = append(o.long, [2]uint64{due - o.run, ns})
	}
}
func (o *operations) lap() {
	t := now()
	o.record(o.last, t)
	o.last = t
}
func (o *operations) us(q float64) float64 {
	total, seen := uint64(0), uint64(0)
	for _, c := range o.counts {
		total += c
	}
	for b, c := range o.counts {
		seen += c
		if float64(seen) >= q*float64(total) {
			if b < 64 {
				return float64(b) / 1e3
			}
			return float64((uint64(b%32)+32)<<(b/32-1)) / 1e3
		}
	}
	return float64(o.max) / 1e3
}

type outcome struct {
	threads         int
	run, setup, sum uint64
	ops             []*operations
}

// Runs work on so many threads, with their numbers.
func onThreads(threads int, work func(thread int)) {
	var group sync.WaitGroup
	for t := 0; t < threads; t++ {
		group.Add(1)
		go func(t int) {
			defer group.Done()
			work(t)
		}(t)
	}
	group.Wait()
}

var workloads = map[string]func([5]uint64) outcome{
	"gcbench": gcbench, "bintrees": bintrees, "oldmut": oldmut, "lru": lru,
	"gcold": gcold, "splay": splay, "strings": strs, "server": server,
}

func number(text string) uint64 {
	for i, name := range []string{"uniform", "zipf", "cluster"} {
		if text == name {
			return uint64(i)
		}
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		usage()
	}
	return n
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: main LIMIT_MIB WORKLOAD ARGS...; the workloads are those of the Rust example")
	os.Exit(2)
}

func main() {
	if len(os.Args) < 3 || len(os.Args) > 8 || workloads[os.Args[2]] == nil {
		usage()
	}
	arguments := [5]uint64{0, 0, 0, 1000, 0}
	for i, text := range os.Args[3:] {
		arguments[i] = number(text)
	}
	if limit := number(os.Args[1]); limit > 0 {
		debug.SetGCPercent(-1)
		debug.SetMemoryLimit(int64(limit << 20))
	}
	o := workloads[os.Args[2]](arguments)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	if len(o.ops) > 0 {
		for t, ops := range o.ops {
			for _, long := range ops.long {
				fmt.Fprintln(out, "LONG", t, long[0], long[1])
			}
			if t > 0 {
				for b, c := range ops.counts {
					o.ops[0].counts[b] += c
				}
				if ops.max > o.ops[0].max {
					o.ops[0].max = ops.max
				}
			}
		}
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	longest := uint64(0)
	// The last 256; two for each collection, in one figure.
	for i := uint32(0); i < stats.NumGC && i < 256; i++ {
		fmt.Fprintln(out, "PAUSE", stats.PauseNs[i])
		if stats.PauseNs[i] > longest {
			longest = stats.PauseNs[i]
		}
	}
	fmt.Fprintf(out, "RESULT bench=%s threads=%d run_ms=%.3f", os.Args[2], o.threads, float64(o.run)/1e6)
	if o.setup > 0 {
		fmt.Fprintf(out, " setup_ms=%.3f", float64(o.setup)/1e6)
	}
	if len(o.ops) > 0 {
		all := o.ops[0]
		fmt.Fprintf(out, " p50_us=%.3f p99_us=%.3f p999_us=%.3f p9999_us=%.3f max_us=%.3f", all.us(0.5),
			all.us(0.99), all.us(0.999), all.us(0.9999), float64(all.max)/1e3)
	}
	fmt.Fprintf(out, " gcs=%d pause_max_ms=%.3f pause_sum_ms=%.3f sum=%d\n", stats.NumGC,
		float64(longest)/1e6, float64(stats.PauseTotalNs)/1e6, o.sum)
}
