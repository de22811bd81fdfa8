/* 16 clients on 100 studies at once, with little memory so that studies come and go, and with a disk that is full now
 * and then. What was acknowledged must be there, once, and nothing else. Meant for the thread sanitizer above all. */
#include "harness.h"

enum { CLIENTS = 16, STUDIES = 100, STEPS = 250 };

typedef struct hall {
    fx f;
    pthread_mutex_t mu;
    zo_cmd *inbox[CLIENTS]; /* handed to the loop */
    const char *target[CLIENTS];
    unsigned n_running;
    bool shaky; /* EFULL is an answer, too */
    char names[STUDIES][8];
    _Atomic uint64_t trials[STUDIES]; /* acknowledged */
} hall;

typedef struct client {
    hall *h;
    unsigned index, n_keys, n_bad;
    uint64_t random;
} client;

static uint64_t next(client *c) /* SplitMix64 */
{
    uint64_t z = c->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static zo_status call(client *c, unsigned study, cmd *m)
{
    hall *h = c->h;
    fx *f = &h->f;

    pthread_mutex_lock(&h->mu);
    h->inbox[c->index] = &m->c;
    h->target[c->index] = h->names[study];
    pthread_mutex_unlock(&h->mu);
    uv_async_send(&f->done);
    pthread_mutex_lock(&f->mu);
    while (!m->finished)
        pthread_cond_wait(&f->changed, &f->mu);
    pthread_mutex_unlock(&f->mu);
    return outcome(m);
}

static bool expected(client *c, zo_status rc)
{
    if (rc == ZO_OK)
        return true;
    if (rc != ZO_EFULL || !c->h->shaky)
        c->n_bad++;
    return false;
}

static zo_step step_until_more(cmd *m, zo_ctx *x) /* done when the study has grown since the first look */
{
    const uint64_t n = zo_study_n_trials(x->study);

    if (m->runs == 1)
        m->n_trials = n;
    return n > m->n_trials || x->timed_out || x->gone ? ZO_STEP_DONE : ZO_STEP_WAIT;
}

static void act_keyed(cmd *m, zo_ctx *x)
{
    char reply[32];

    act_bring(m, x);
    snprintf(reply, sizeof reply, "%d", (int)m->number);
    zo_idempotency r = {.tenant = 1,
                        .key = m->c.idempotency_key,
                        .route = m->c.idempotency_route,
                        .body = m->c.body,
                        .body_bytes = m->c.body_bytes,
                        .status = 200,
                        .reply = reply,
                        .reply_bytes = strlen(reply),
                        .at_ms = x->now.wall_ms};
    if (m->rc == ZO_OK)
        m->rc = zo_ctx_remember(x, &r, &m->err);
}

static void on_repeat(zo_cmd *c, const zo_idempotency *stored)
{
    cmd *m = (cmd *)(void *)c;
    char text[32] = {0};

    memcpy(text, stored->reply, stored->reply_bytes);
    m->repeated = true;
    m->number = (uint64_t)atoi(text);
}

static void keyed_init(cmd *m, fx *f, const char *key)
{
    cmd_init(m, f, act_keyed);
    m->c.idempotency_key = key;
    m->c.idempotency_route = "POST /x";
    m->c.body = "b";
    m->c.body_bytes = 1;
    m->c.repeat = on_repeat;
}

/* Until it is acknowledged, and once more: one effect. */
static void bring_once(client *c, unsigned s)
{
    char key[32];
    cmd m;
    uint64_t number;

    snprintf(key, sizeof key, "c%u-%u", c->index, c->n_keys++);
    do
        keyed_init(&m, &c->h->f, key);
    while (!expected(c, call(c, s, &m)) && !c->n_bad);
    atomic_fetch_add(&c->h->trials[s], 1);
    number = m.number;
    keyed_init(&m, &c->h->f, key);
    if (expected(c, call(c, s, &m)) && (!m.repeated || m.number != number))
        c->n_bad++;
}

static void ask_and_tell(client *c, unsigned s)
{
    cmd m;
    uint64_t number;

    cmd_init(&m, &c->h->f, act_ask);
    if (!expected(c, call(c, s, &m)))
        return;
    atomic_fetch_add(&c->h->trials[s], 1);
    number = m.number;
    cmd_init(&m, &c->h->f, act_tell);
    m.number = number;
    m.value = (double)(next(c) % 1000);
    expected(c, call(c, s, &m));
}

static void *run_client(void *arg)
{
    client *c = arg;
    cmd m;

    for (int i = 0; i < STEPS && !c->n_bad; i++) {
        const unsigned s = (unsigned)(next(c) % STUDIES);

        switch (next(c) % 8) {
        case 0:
        case 1:
        case 2:
            ask_and_tell(c, s);
            break;
        case 3:
        case 4:
            cmd_init(&m, &c->h->f, act_bring);
            m.value = 1;
            if (expected(c, call(c, s, &m)))
                atomic_fetch_add(&c->h->trials[s], 1);
            break;
        case 5:
            bring_once(c, s);
            break;
        case 6:
            cmd_init(&m, &c->h->f, NULL);
            m.step = step_until_more;
            m.c.wait_until_ms = zo_clock_mono_ms() + 20;
            expected(c, call(c, s, &m));
            break;
        default:
            cmd_init(&m, &c->h->f, act_look);
            expected(c, call(c, s, &m));
        }
    }
    pthread_mutex_lock(&c->h->mu);
    c->h->n_running--;
    pthread_mutex_unlock(&c->h->mu);
    uv_async_send(&c->h->f.done);
    return NULL;
}

/* The loop's side: submit what the clients have handed over. False when they all have gone. */
static bool serve(hall *h)
{
    zo_cmd *got[CLIENTS];
    const char *target[CLIENTS];
    bool running;

    pthread_mutex_lock(&h->mu);
    for (int i = 0; i < CLIENTS; i++) {
        got[i] = h->inbox[i];
        target[i] = h->target[i];
        h->inbox[i] = NULL;
    }
    running = h->n_running > 0;
    pthread_mutex_unlock(&h->mu);
    for (int i = 0; i < CLIENTS; i++)
        if (got[i])
            zo_runtime_submit(h->f.rt, ZO_STUDIES, 1, target[i], got[i]);
    return running;
}

static void on_finding(void *ctx, const char *line)
{
    (void)ctx;
    print_message("check: %s\n", line);
}

static void hammer(bool shaky)
{
    zo_runtime_opts o = {.workers = 4, .long_workers = 2, .max_resident_bytes = 300000, .snapshot_every_events = 80};
    hall *h = calloc(1, sizeof *h);
    client clients[CLIENTS];
    pthread_t threads[CLIENTS];
    uint64_t digests[STUDIES];
    int64_t turn;
    zo_checked all = {.clean = false};
    zo_error err = {0};

    fx_open(&h->f, &o);
    h->shaky = shaky;
    h->n_running = CLIENTS;
    pthread_mutex_init(&h->mu, NULL);
    for (int s = 0; s < STUDIES; s++) {
        snprintf(h->names[s], sizeof h->names[s], "s%d", s);
        create_study(&h->f, h->names[s], NULL, NULL);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (client){.h = h, .index = i, .random = i};
        assert_int_equal(pthread_create(&threads[i], NULL, run_client, &clients[i]), 0);
    }
    turn = zo_clock_mono_ms() + 30;
    do {
        uv_run(&h->f.loop, UV_RUN_ONCE);
        if (shaky && zo_clock_mono_ms() >= turn) {
            const bool fine = atomic_load(&disk) == DISK_FINE;

            atomic_store(&disk, fine ? DISK_FULL : DISK_FINE);
            turn = zo_clock_mono_ms() + (fine ? 5 : 30);
        }
    } while (serve(h));
    atomic_store(&disk, DISK_FINE);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(clients[i].n_bad, 0);
    }
    for (int s = 0; s < STUDIES; s++) {
        cmd l = look(&h->f, h->names[s]);

        assert_int_equal(l.n_trials, atomic_load(&h->trials[s]));
        digests[s] = l.digest;
    }
    fx_stop(&h->f);
    if (zo_runtime_check(h->f.path, on_finding, NULL, &all, &err) != ZO_OK)
        fail_msg("%s", err.message);
    assert_true(all.clean);
    fx_start(&h->f);
    for (int s = 0; s < STUDIES; s++)
        assert_true(look(&h->f, h->names[s]).digest == digests[s]);
    fx_close(&h->f);
    pthread_mutex_destroy(&h->mu);
    free(h);
}

static void sixteen_clients_on_a_hundred_studies(void **state)
{
    (void)state;
    hammer(false);
}

static void the_same_on_a_disk_that_is_full_now_and_then(void **state)
{
    (void)state;
    hammer(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sixteen_clients_on_a_hundred_studies),
        cmocka_unit_test(the_same_on_a_disk_that_is_full_now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
