/* server: requests due at fixed times, to two threads, change sessions of all ages. */
#include <errno.h>
typedef struct request { uint64_t header; struct request *before; uint64_t number; } request;
typedef struct { uint64_t header; request *history; uint64_t *name; level *cart; uint64_t number, remembered; } session;
typedef struct { operations *ops; uint64_t sum; } served;
static uint64_t server_clients, server_requests;

static void forget(request *history) {
#ifdef FLOOR
    while (history) { request *before = history->before; free(history); history = before; }
#else
    (void)history;
#endif
}
static void begin_session(session **at, uint64_t number) {
    session *new = new_object(sizeof *new);
    new->number = number;
    new->name = new_leaf(2048);
    for (int i = 0; i < 256; i++) new->name[i] = number;
    new->cart = level_tree(4);
    session *before = *at;
    *at = new;
    if (before) forget(before->history), drop(before->name), drop_levels(before->cart), drop(before);
}
static void *server_thread(void *thread_number) {
    uint64_t thread = (uintptr_t)thread_number;
    uint64_t sessions = server_clients / 2 + (thread < server_clients % 2);
    session **all = new_object(sessions * sizeof *all);
    for (uint64_t i = 0; i < sessions; i++) begin_session(&all[i], i);
    lehmer s = of_thread(thread);
    served *result = calloc(1, sizeof *result);
    uint64_t start = now_ns();
    result->ops = new_operations(start);
    for (uint64_t number = 0; number < server_requests; number++) {
        uint64_t due = start + number * 1000000000 / 5000;
        struct timespec t = {(time_t)(due / 1000000000), (long)(due % 1000000000)};
        while (now_ns() < due && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {}
        uint64_t at = below(&s, sessions);
        bool last = below(&s, 64) == 0;
        result->sum += young_tree(9);
        if (last) {
            begin_session(&all[at], number);
        } else {
            request *new = new_object(sizeof *new);
            session *of = all[at];
            bool full = of->remembered == 16;
            if (full) forget(of->history);
            new->number = number, new->before = full ? NULL : of->history;
            of->history = new, of->remembered = full ? 1 : of->remembered + 1;
        }
        record(result->ops, due, now_ns());
    }
    for (uint64_t i = 0; i < sessions; i++) {
        result->sum += all[i]->number + all[i]->name[255] + level_sum(all[i]->cart);
        for (request *r = all[i]->history; r; r = r->before) result->sum += r->number;
    }
    return result;
}
static outcome server(uint64_t *a) {
    outcome o = {.threads = 2, .start = now_ns()};
    void *results[2];
    server_clients = a[0], server_requests = a[1] * 5000;
    on_threads(2, server_thread, results);
    o.run_ns = now_ns() - o.start;
    served *first = results[0], *second = results[1];
    print_long(first->ops, 0), print_long(second->ops, 1);
    merge(first->ops, second->ops);
    o.ops = first->ops, o.sum = first->sum + second->sum;
    return o;
}
