/* oldmut: new objects beside a large old graph, some of them stored into old ones. A node counts the
   places that refer to it, which is how the floor knows when to free it. */
#include <math.h>
typedef struct old { uint64_t places; struct old *left, *right, *young; uint64_t id, owner, payload[2]; } old;

static old **old_nodes;
static uint64_t old_count, old_alloc, old_threads, old_stores, old_locality, old_start;

static double zeta(uint64_t terms) {
    double sum = 0, from = 1000, to = (double)terms;
    for (uint64_t k = 1; k <= (terms < 1000 ? terms : 1000); k++) sum += pow((double)k, -0.99);
    if (terms <= 1000) return sum;
    return sum + pow(to, 0.01) / 0.01 - pow(from, 0.01) / 0.01 + (pow(to, -0.99) - pow(from, -0.99)) / 2;
}
typedef struct { lehmer s; uint64_t first; double ranks, zeta, eta; } picks;
static picks new_picks(uint64_t thread) {
    double ranks = (double)old_count, z = zeta(old_count);
    double eta = (1 - pow(2 / ranks, 0.01)) / (1 - zeta(2) / z);
    return (picks){of_thread(thread), old_count / old_threads * thread, ranks, z, eta};
}
static inline uint64_t pick(picks *p) {
    if (old_locality == 0) return below(&p->s, old_count);
    if (old_locality == 1) {
        double u = (double)next(&p->s) / MODULUS, scaled = u * p->zeta;
        if (scaled < 1) return 0;
        if (scaled < 1 + pow(2, -0.99)) return 1;
        uint64_t rank = (uint64_t)(p->ranks * pow(p->eta * u - p->eta + 1, 1 / (1 - 0.99)));
        return rank < old_count ? rank : old_count - 1;
    }
    uint64_t size = old_count / 100 ? old_count / 100 : 1;
    return (p->first++ + below(&p->s, size)) % old_count;
}
static inline void release(old *node) {
#ifdef FLOOR
    if (node && atomic_fetch_sub((_Atomic uint64_t *)&node->places, 1) == 1) free(node);
#else
    (void)node;
#endif
}
static void *oldmut_thread(void *number) {
    uint64_t thread = (uintptr_t)number, total = old_alloc * 16384, due = 0;
    uint64_t share = total / old_threads + (thread < total % old_threads);
    picks p = new_picks(thread);
    old **ring = new_object(1024 * sizeof *ring);
    operations *ops = new_operations(old_start);
    for (uint64_t turn = 0; turn < share; turn++) {
        old *new = new_object(sizeof *new);
        new->id = turn, new->places = 1;
        release(ring[turn % 1024]);
        ring[turn % 1024] = new;
        if ((due += old_stores) >= 16384) {
            due -= 16384;
            uint64_t owner = pick(&p);
            new->owner = owner, new->places++;
            release(__atomic_exchange_n(&old_nodes[owner]->young, new, __ATOMIC_RELAXED));
        }
        if (turn % 1000 == 999) lap(ops);
    }
    return ops;
}
static outcome oldmut(uint64_t *a) {
    outcome o = {.threads = (int)a[2]};
    old_count = a[0], old_alloc = a[1], old_threads = a[2], old_stores = a[3], old_locality = a[4];
    uint64_t begin = now_ns();
    lehmer s = seed;
    old_nodes = new_object(old_count * sizeof *old_nodes);
    for (uint64_t i = 0; i < old_count; i++) (old_nodes[i] = new_object(sizeof(old)))->id = i;
    for (uint64_t i = 0; i < old_count; i++) {
        old_nodes[i]->left = old_nodes[below(&s, old_count)];
        old_nodes[i]->right = old_nodes[below(&s, old_count)];
    }
    o.start = old_start = now_ns();
    o.setup_ns = o.start - begin;
    void *results[64];
    on_threads(o.threads, oldmut_thread, results);
    o.run_ns = now_ns() - o.start;
    for (int t = 0; t < o.threads; t++) {
        print_long(results[t], t);
        if (t) merge(results[0], results[t]);
    }
    o.ops = results[0];
    for (uint64_t i = 0; i < old_count; i++) {
        old *n = old_nodes[i];
        o.sum += n->id + n->left->id + n->right->id + (n->young ? n->young->owner + 1 : 0);
    }
    return o;
}
