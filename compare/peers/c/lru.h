/* lru: a cache of 256-byte values, a hash table and a list in the order of use. */
typedef struct entry { struct entry *chain, *newer, *older; uint64_t *value, key, spare; } entry;
typedef struct { entry **buckets, *newest, *oldest; unsigned bits; uint64_t entries, capacity; } cache;

static inline uint64_t lru_bucket(const cache *c, uint64_t key) {
    return key * 0x9e3779b97f4a7c15ull >> (64 - c->bits);
}
static void lru_link(cache *c, entry *e) {
    e->newer = NULL, e->older = c->newest;
    if (c->newest) c->newest->newer = e; else c->oldest = e;
    c->newest = e;
}
static void lru_unlink(cache *c, entry *e) {
    if (e->newer) e->newer->older = e->older; else c->newest = e->older;
    if (e->older) e->older->newer = e->newer; else c->oldest = e->newer;
}
static void lru_evict(cache *c) {
    entry *e = c->oldest;
    lru_unlink(c, e);
    entry **place = &c->buckets[lru_bucket(c, e->key)];
    while (*place != e) place = &(*place)->chain;
    *place = e->chain;
    e->newer = e->chain = NULL;
    c->entries--;
    drop(e->value), drop(e);
}
static void lru_chain(cache *c, entry *e) {
    entry **bucket = &c->buckets[lru_bucket(c, e->key)];
    e->chain = *bucket, *bucket = e;
}
static void lru_insert(cache *c, uint64_t key) {
    uint64_t *value = new_leaf(256);
    for (int i = 0; i < 32; i++) value[i] = key;
    entry *e = new_object(sizeof *e);
    if (c->entries == c->capacity) {
        lru_evict(c);
    } else if (c->entries == 1ull << c->bits) {
        drop(c->buckets);
        c->buckets = new_object(sizeof(entry *) << ++c->bits);
        for (entry *o = c->newest; o; o = o->older) lru_chain(c, o);
    }
    e->key = key, e->value = value;
    lru_chain(c, e), lru_link(c, e);
    c->entries++;
}
static outcome lru(uint64_t *a) {
    outcome o = {.threads = 1, .start = now_ns()};
    cache c = {.buckets = new_object(1024 * sizeof(entry *)), .bits = 10, .capacity = a[0]};
    lehmer s = of_thread(0);
    o.ops = new_operations(o.start);
    for (uint64_t i = 0; i < a[2]; i++) {
        uint64_t key = below(&s, a[1]);
        entry *e = c.buckets[lru_bucket(&c, key)];
        while (e && e->key != key) e = e->chain;
        if (e) lru_unlink(&c, e), lru_link(&c, e), o.sum += e->value[0];
        else lru_insert(&c, key);
        lap(o.ops);
    }
    o.run_ns = now_ns() - o.start;
    uint64_t place = 1;
    for (entry *e = c.newest; e; e = e->older) o.sum += e->key * place++;
    print_long(o.ops, 0);
    return o;
}
