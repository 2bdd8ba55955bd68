/* What all workloads share: the random numbers, the clock, the RESULT line, and what is asked of memory.
   Compiled with -DFLOOR for malloc and free by hand, without for the Boehm collector. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <pthread.h>

enum { WRONG = 1, BAD_ARGUMENTS = 2, OUT_OF_MEMORY = 3 };

#ifdef FLOOR
static inline void *new_object(size_t bytes) { return calloc(1, bytes); }
static inline void *new_leaf(size_t bytes) { return malloc(bytes); }
static inline void drop(void *object) { free(object); }
#define start_thread pthread_create
#define join_thread pthread_join
#else
#define GC_THREADS
#include <gc/gc.h>
static inline void *checked(void *object) {
    if (!object) { fprintf(stderr, "out of memory\n"); exit(OUT_OF_MEMORY); }
    return object;
}
static inline void *new_object(size_t bytes) { return checked(GC_MALLOC(bytes)); }
static inline void *new_leaf(size_t bytes) { return checked(GC_MALLOC_ATOMIC(bytes)); }
static inline void drop(void *object) { (void)object; }
#define start_thread GC_pthread_create
#define join_thread GC_pthread_join
#endif

#define MODULUS 2147483647u
typedef uint64_t lehmer;
static uint64_t seed = 12345;
static inline uint64_t next(lehmer *s) { return *s = *s * 48271 % MODULUS; }
static inline uint64_t below(lehmer *s, uint64_t bound) { return next(s) % bound; }
static inline lehmer of_thread(uint64_t thread) { return seed + 7919 * (thread + 1); }

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A histogram of nanoseconds: 32 buckets for each power of two. And the operations that took 0.1 ms or
   longer, with their beginnings. */
#define KEPT 65536
#define LONG_NS 100000
typedef struct {
    uint64_t counts[64 * 32], max, run, last, kept;
    struct { uint64_t start, time; } kept_ones[KEPT];
} operations;

static unsigned bucket(uint64_t ns) {
    if (ns < 32) return (unsigned)ns;
    unsigned shift = 58 - (unsigned)__builtin_clzll(ns);
    return shift * 32 + (unsigned)(ns >> shift);
}
static uint64_t bucket_ns(unsigned b) {
    return b < 64 ? b : ((uint64_t)(b % 32) + 32) << (b / 32 - 1);
}
static operations *new_operations(uint64_t run) {
    operations *o = calloc(1, sizeof *o);
    if (!o) exit(OUT_OF_MEMORY);
    o->run = run, o->last = now_ns();
    return o;
}
static inline void record(operations *o, uint64_t due, uint64_t end) {
    uint64_t ns = end - due;
    o->counts[bucket(ns)]++;
    if (ns > o->max) o->max = ns;
    if (ns >= LONG_NS && o->kept < KEPT) {
        o->kept_ones[o->kept].start = due - o->run;
        o->kept_ones[o->kept++].time = ns;
    }
}
static inline void lap(operations *o) {
    uint64_t now = now_ns();
    record(o, o->last, now);
    o->last = now;
}
/* Adds another thread's to the first one's. Prints the long ones of both. */
static void print_long(const operations *o, int thread) {
    for (uint64_t i = 0; i < o->kept; i++)
        printf("LONG %d %llu %llu\n", thread, (unsigned long long)o->kept_ones[i].start,
               (unsigned long long)o->kept_ones[i].time);
}
static void merge(operations *all, const operations *other) {
    for (int b = 0; b < 64 * 32; b++) all->counts[b] += other->counts[b];
    if (other->max > all->max) all->max = other->max;
}
static double quantile_us(const operations *o, double q) {
    uint64_t total = 0, seen = 0;
    for (int b = 0; b < 64 * 32; b++) total += o->counts[b];
    for (unsigned b = 0; b < 64 * 32; b++)
        if ((double)(seen += o->counts[b]) >= q * (double)total) return (double)bucket_ns(b) / 1e3;
    return (double)o->max / 1e3;
}

/* What a workload has to say. */
typedef struct {
    int threads;
    uint64_t start, run_ns, setup_ns, sum;
    operations *ops;
} outcome;

/* Runs work on so many threads, with their numbers; each has run what it returns. */
static void on_threads(int threads, void *(*work)(void *), void **results) {
    pthread_t ids[64];
    for (intptr_t t = 0; t < threads; t++)
        if (start_thread(&ids[t], NULL, work, (void *)t)) exit(OUT_OF_MEMORY);
    for (int t = 0; t < threads; t++) join_thread(ids[t], &results[t]);
}
