/* Trees whose nodes know their height, and gcold, which is made of them: 32 bytes a node. */
typedef struct level { uint64_t header; struct level *left, *right; uint64_t height; } level;

static level *level_tree(unsigned height) {
    level *left = NULL, *right = NULL;
    if (height) left = level_tree(height - 1), right = level_tree(height - 1);
    level *tree = new_object(sizeof *tree);
    tree->height = height, tree->left = left, tree->right = right;
    return tree;
}
static uint64_t level_sum(const level *tree) {
    return tree->height + (tree->left ? level_sum(tree->left) + level_sum(tree->right) : 0);
}
static uint64_t level_spine(const level *tree) {
    uint64_t length = 0;
    for (; tree; tree = tree->left) length++;
    return length;
}
static void drop_levels(level *tree) {
#ifdef FLOOR
    if (tree->left) drop_levels(tree->left), drop_levels(tree->right);
    free(tree);
#else
    (void)tree;
#endif
}
static level *descend(level *tree, uint64_t depth, uint64_t path) {
    for (; depth; depth--, path >>= 1) tree = path & 1 ? tree->right : tree->left;
    return tree;
}
static __attribute__((noinline)) uint64_t young_tree(unsigned height) {
    level *tree = level_tree(height);
    uint64_t length = level_spine(tree);
    drop_levels(tree);
    return length;
}

static level **gcold_trees;
static void gcold_after(uint64_t nodes, const uint64_t *a, lehmer *s, lehmer *work) {
    for (uint64_t i = nodes * a[3]; i; i--) {
        level *first = gcold_trees[below(s, a[0])], *second = gcold_trees[below(s, a[0])];
        uint64_t depth = below(s, 13), path = below(s, MODULUS);
        first = descend(first, depth, path), second = descend(second, depth, path >> 15);
        level *left = first->left;
        first->left = second->left, second->left = left;
    }
    for (uint64_t i = nodes * a[1]; i; i--) next(work);
}
static outcome gcold(uint64_t *a) {
    outcome o = {.threads = 1};
    uint64_t begin = now_ns();
    lehmer s = of_thread(0), work = seed;
    gcold_trees = new_object(a[0] * sizeof *gcold_trees);
    for (uint64_t i = 0; i < a[0]; i++) gcold_trees[i] = level_tree(14);
    o.start = now_ns(), o.setup_ns = o.start - begin;
    o.ops = new_operations(o.start);
    for (uint64_t step = 0; step < a[4]; step++) {
        for (uint64_t i = 0; i < a[2] * 32; i++) {
            o.sum += young_tree(9);
            gcold_after(1023, a, &s, &work);
            lap(o.ops);
        }
        uint64_t at = below(&s, a[0]);
        level *tree = level_tree(14);
        drop_levels(gcold_trees[at]);
        gcold_trees[at] = tree;
        gcold_after(32767, a, &s, &work);
        lap(o.ops);
    }
    o.sum += below(&work, MODULUS);
    o.run_ns = now_ns() - o.start;
    for (uint64_t i = 0; i < a[0]; i++) o.sum += level_sum(gcold_trees[i]);
    print_long(o.ops, 0);
    return o;
}
