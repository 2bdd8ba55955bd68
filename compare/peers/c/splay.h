/* splay: top-down splaying (Sleator and Tarjan), each insertion followed by a removal. */
typedef struct splay { uint64_t header; struct splay *left, *right; level *payload; uint64_t key; } splay;
static splay *splay_root;

static void splay_to(uint64_t wanted) {
    splay *top = splay_root, *smaller = NULL, *larger = NULL, *child;
    splay **smaller_end = &smaller, **larger_end = &larger;
    if (!top) return;
    for (;;) {
        if (wanted < top->key) {
            if (!(child = top->left)) break;
            if (wanted < child->key) {
                top->left = child->right, child->right = top, top = child;
                if (!(child = top->left)) break;
            }
            *larger_end = top, larger_end = &top->left, top = child;
        } else if (wanted > top->key) {
            if (!(child = top->right)) break;
            if (wanted > child->key) {
                top->right = child->left, child->left = top, top = child;
                if (!(child = top->right)) break;
            }
            *smaller_end = top, smaller_end = &top->right, top = child;
        } else break;
    }
    *smaller_end = top->left, *larger_end = top->right;
    top->left = smaller, top->right = larger;
    splay_root = top;
}
static uint64_t splay_insert(lehmer *s) {
    for (;;) {
        uint64_t key = below(s, MODULUS) << 31;
        key |= below(s, MODULUS);
        splay_to(key);
        if (splay_root && splay_root->key == key) continue;
        level *payload = level_tree(3);
        splay *new = new_object(sizeof *new), *root = splay_root;
        new->key = key, new->payload = payload;
        if (root && key < root->key) new->left = root->left, new->right = root, root->left = NULL;
        else if (root) new->right = root->right, new->left = root, root->right = NULL;
        splay_root = new;
        return key;
    }
}
static void splay_remove(uint64_t victim) {
    splay_to(victim);
    for (splay *next = splay_root->left; next; next = next->right) victim = next->key;
    splay_to(victim);
    splay *old = splay_root, *right = old->right;
    splay_root = old->left ? old->left : right;
    if (old->left) splay_to(victim), splay_root->right = right;
    drop_levels(old->payload), drop(old);
}
static void splay_sum(const splay *tree, uint64_t *place, uint64_t *sum) {
    for (; tree; tree = tree->right) {
        splay_sum(tree->left, place, sum);
        *sum += tree->key * (*place)++ + level_sum(tree->payload);
    }
}
static outcome splay_workload(uint64_t *a) {
    outcome o = {.threads = 1};
    uint64_t begin = now_ns(), place = 1;
    lehmer s = of_thread(0);
    for (uint64_t i = 0; i < a[0]; i++) splay_insert(&s);
    o.start = now_ns(), o.setup_ns = o.start - begin;
    o.ops = new_operations(o.start);
    for (uint64_t i = 0; i < a[1]; i++) splay_remove(splay_insert(&s)), lap(o.ops);
    o.run_ns = now_ns() - o.start;
    splay_sum(splay_root, &place, &o.sum);
    print_long(o.ops, 0);
    return o;
}
