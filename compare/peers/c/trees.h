/* gcbench and bintrees: binary trees come and go. */
typedef struct node { struct node *left, *right; uint64_t payload[2]; } node;

static inline uint64_t tree_size(unsigned depth) { return (2ull << depth) - 1; }

static node *bottom_up(unsigned depth) {
    if (!depth) return new_object(sizeof(node));
    node *left = bottom_up(depth - 1), *right = bottom_up(depth - 1);
    node *tree = new_object(sizeof(node));
    tree->left = left, tree->right = right;
    return tree;
}
static void grow(node *tree, unsigned depth) {
    if (!depth) return;
    tree->left = new_object(sizeof(node)), tree->right = new_object(sizeof(node));
    grow(tree->left, depth - 1), grow(tree->right, depth - 1);
}
static node *top_down(unsigned depth) {
    node *tree = new_object(sizeof(node));
    grow(tree, depth);
    return tree;
}
static uint64_t count(const node *tree) {
    return 1 + (tree->left ? count(tree->left) + count(tree->right) : 0);
}
static uint64_t left_spine(const node *tree) {
    uint64_t length = 0;
    for (; tree; tree = tree->left) length++;
    return length;
}
static void drop_tree(node *tree) {
#ifdef FLOOR
    if (tree->left) drop_tree(tree->left), drop_tree(tree->right);
    free(tree);
#else
    (void)tree;
#endif
}
/* Functions of their own, so that nothing on the stack remembers the tree. */
static __attribute__((noinline)) uint64_t from_below(unsigned depth) {
    node *tree = bottom_up(depth);
    uint64_t length = left_spine(tree);
    drop_tree(tree);
    return length;
}
static __attribute__((noinline)) uint64_t from_above(unsigned depth) {
    node *tree = top_down(depth);
    uint64_t length = left_spine(tree);
    drop_tree(tree);
    return length;
}
static __attribute__((noinline)) uint64_t counted(unsigned depth) {
    node *tree = bottom_up(depth);
    uint64_t nodes = count(tree);
    drop_tree(tree);
    return nodes;
}

static unsigned gcbench_reps;
static uint64_t gcbench_program(void) {
    enum { ARRAY = 500000 };
    uint64_t sum = from_below(18);
    node *tree = top_down(16);
    double *array = new_leaf(ARRAY * sizeof(double));
    memset(array, 0, ARRAY * sizeof(double));
    for (int i = 0; i < ARRAY / 2; i++) array[i] = 1.0 / (i + 1);
    for (unsigned depth = 4; depth <= 16; depth += 2) {
        uint64_t rounds = 2 * tree_size(18) / tree_size(depth);
        for (uint64_t i = 0; i < rounds; i++) sum += from_above(depth);
        for (uint64_t i = 0; i < rounds; i++) sum += from_below(depth);
    }
    sum += count(tree);
    for (int i = 0; i < ARRAY; i++) sum += array[i] == (i < ARRAY / 2 ? 1.0 / (i + 1) : 0.0);
    drop_tree(tree), drop(array);
    return sum;
}
static void *gcbench_thread(void *unused) {
    uint64_t sum = 0;
    for (unsigned r = 0; r < gcbench_reps; r++) sum += gcbench_program();
    (void)unused;
    return (void *)(uintptr_t)sum;
}
static outcome gcbench(uint64_t *a) {
    void *sums[64];
    outcome o = {.threads = (int)a[1], .start = now_ns()};
    gcbench_reps = (unsigned)a[0];
    on_threads(o.threads, gcbench_thread, sums);
    for (int t = 0; t < o.threads; t++) o.sum += (uintptr_t)sums[t];
    o.run_ns = now_ns() - o.start;
    return o;
}
static outcome bintrees(uint64_t *a) {
    unsigned most = (unsigned)a[0];
    outcome o = {.threads = 1, .start = now_ns()};
    o.sum = counted(most + 1);
    node *tree = bottom_up(most);
    for (unsigned depth = 4; depth <= most; depth += 2)
        for (uint64_t i = 0; i < 1ull << (most - depth + 4); i++) o.sum += counted(depth);
    o.sum += count(tree);
    o.run_ns = now_ns() - o.start;
    return o;
}
