/* The workloads of examples/workloads in C: with the Boehm collector, or with malloc and free by hand
   where compiled with -DFLOOR. Usage: main LIMIT_MIB WORKLOAD ARGS...; a limit of 0 is none. */
#include "common.h"
#include "trees.h"
#include "oldmut.h"
#include "lru.h"
#include "levels.h"
#include "splay.h"
#include "strings.h"
#include "server.h"

#ifndef FLOOR
#include <sys/types.h>
/* The library's events: from the request to stop the world until it runs again. */
static uint64_t pause_start, pause_max, pause_sum, collections;
static void event(GC_EventType type) {
    if (type == GC_EVENT_PRE_STOP_WORLD) {
        pause_start = now_ns();
    } else if (type == GC_EVENT_POST_START_WORLD) {
        uint64_t ns = now_ns() - pause_start;
        pause_sum += ns;
        if (ns > pause_max) pause_max = ns;
        printf("PAUSE %llu\n", (unsigned long long)ns);
    } else if (type == GC_EVENT_END) {
        collections++;
    }
}
static void begin(uint64_t limit_mib) {
    GC_INIT();
    GC_allow_register_threads();
    if (limit_mib) {
        /* The room is there to be used, so it is had at once. What a collector needs beside the heap it
           takes of the same limit elsewhere; here that is about a thirtieth. */
        GC_set_max_heap_size(limit_mib << 20);
        GC_expand_hp((limit_mib << 20) / 32 * 30);
    }
    GC_set_on_collection_event(event);
}
#else
static void begin(uint64_t limit_mib) { (void)limit_mib; }
#endif

static const struct { const char *name; int least, most; outcome (*run)(uint64_t *); } workloads[] = {
    {"gcbench", 2, 2, gcbench}, {"bintrees", 1, 1, bintrees}, {"oldmut", 3, 5, oldmut},
    {"lru", 3, 3, lru}, {"gcold", 5, 5, gcold}, {"splay", 2, 2, splay_workload},
    {"strings", 1, 1, strings}, {"server", 2, 2, server},
};

static uint64_t number(const char *text) {
    if (!strcmp(text, "uniform")) return 0;
    if (!strcmp(text, "zipf")) return 1;
    if (!strcmp(text, "cluster")) return 2;
    return strtoull(text, NULL, 10);
}

static void print(const char *name, const outcome *o) {
    printf("RESULT bench=%s threads=%d run_ms=%.3f", name, o->threads, (double)o->run_ns / 1e6);
    if (o->setup_ns) printf(" setup_ms=%.3f", (double)o->setup_ns / 1e6);
    if (o->ops)
        printf(" p50_us=%.3f p99_us=%.3f p999_us=%.3f p9999_us=%.3f max_us=%.3f", quantile_us(o->ops, 0.5),
               quantile_us(o->ops, 0.99), quantile_us(o->ops, 0.999), quantile_us(o->ops, 0.9999),
               (double)o->ops->max / 1e3);
#ifndef FLOOR
    printf(" gcs=%llu pause_max_ms=%.3f pause_sum_ms=%.3f", (unsigned long long)collections,
           (double)pause_max / 1e6, (double)pause_sum / 1e6);
#endif
    printf(" sum=%llu\n", (unsigned long long)o->sum);
}

int main(int argc, char **argv) {
    uint64_t arguments[5] = {0, 0, 0, 1000, 0};
    for (size_t w = 0; argc > 2 && w < sizeof workloads / sizeof *workloads; w++) {
        if (strcmp(argv[2], workloads[w].name)) continue;
        if (argc - 3 < workloads[w].least || argc - 3 > workloads[w].most) break;
        for (int i = 3; i < argc; i++) arguments[i - 3] = number(argv[i]);
        begin(number(argv[1]));
        outcome o = workloads[w].run(arguments);
        print(argv[2], &o);
        return 0;
    }
    fprintf(stderr, "usage: main LIMIT_MIB WORKLOAD ARGS...; the workloads are those of the Rust example\n");
    return BAD_ARGUMENTS;
}
