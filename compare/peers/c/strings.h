/* strings: built, sliced and dropped, 200 MiB of them alive. A string is words, its length first. */
static outcome strings(uint64_t *a) {
    enum { LIVE = (200 << 20) / 8, QUEUE = 65536 };
    uint64_t **ring = new_object(QUEUE * sizeof *ring), first = 0, alive = 0, words = 0;
    outcome o = {.threads = 1, .start = now_ns()};
    lehmer s = of_thread(0);
    o.ops = new_operations(o.start);
    for (uint64_t op = 0; op < a[0]; op++) {
        uint64_t *string, length;
        if (below(&s, 4) == 0 && alive > 0) {
            uint64_t *of = ring[(first + below(&s, alive)) % QUEUE];
            length = of[0] / 2 < 8 ? 8 : of[0] / 2;
            uint64_t start = of[0] / 4 < of[0] - length ? of[0] / 4 : of[0] - length;
            string = new_leaf(length * 8);
            memcpy(string + 1, of + start + 1, (length - 1) * 8);
        } else {
            uint64_t shortest = 8ull << below(&s, 10);
            length = shortest + below(&s, shortest);
            uint64_t value = below(&s, MODULUS);
            string = new_leaf(length * 8);
            for (uint64_t i = 1; i < length; i++) string[i] = value + i;
        }
        string[0] = length;
        ring[(first + alive++) % QUEUE] = string;
        words += length;
        while (words > LIVE || alive == QUEUE) {
            uint64_t *oldest = ring[first];
            ring[first] = NULL;
            first = (first + 1) % QUEUE, alive--, words -= oldest[0];
            o.sum += oldest[1] + oldest[oldest[0] - 1];
            drop(oldest);
        }
        lap(o.ops);
    }
    o.run_ns = now_ns() - o.start;
    for (uint64_t i = 0; i < alive; i++) {
        uint64_t *string = ring[(first + i) % QUEUE];
        for (uint64_t w = 1; w < string[0]; w++) o.sum += string[w];
    }
    print_long(o.ops, 0);
    return o;
}
