/* Drives solvers of the registry over a suite of benchmark problems, in process, and prints what share of the targets
 * they reach, how much sooner with many slots, and what an ask and its tell cost. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "print.h"

static const char usage[] = "usage: bench_solvers --solver NAME[,OPTION=VALUE]... [--solver ...]\n"
                            "  --suite NAME        bbob (the default), constrained, more-wild, noisy\n"
                            "  --dims LIST         2,5,10,20 (the default)\n"
                            "  --functions LIST    1-24, 1,8,15 ...: all by default\n"
                            "  --instances A-B     101-105 by default: tune on those above 100, judge on 1-15\n"
                            "  --budget K          evaluations per dimension, 100 by default\n"
                            "  --slots Q           asks in rounds of Q, told together\n"
                            "  --speedup Q         runs with 1 slot, nobody lost, and with Q slots, and compares\n"
                            "  --shuffle           tells a round in random order\n"
                            "  --lost P            this share of the workers is never heard of again\n"
                            "  --noise WORD        auto, none or expected: what the solver is told\n"
                            "  --seed S            1 by default\n"
                            "  --jobs J            processes, 1 by default\n"
                            "  --csv FILE          one line a run and target\n"
                            "  --cpu FILE          one line a solver and dimension\n"
                            "  --list              the solvers there are\n";

static _Noreturn void die(const char *what, const char *which)
{
    fprintf(stderr, "bench_solvers: %s: %s\n%s", what, which, usage);
    exit(2);
}

static unsigned long number(const char *text, char **end, unsigned long least, unsigned long most)
{
    errno = 0;
    const unsigned long k = strtoul(text, end, 10);

    if (*end == text || errno != 0 || k < least || k > most)
        die("not a number in range", text);
    return k;
}

static unsigned whole(const char *text, unsigned long least, unsigned long most)
{
    char *end;
    const unsigned long k = number(text, &end, least, most);

    if (*end != '\0')
        die("not a number", text);
    return (unsigned)k;
}

static double probability(const char *text)
{
    char *end;
    const double p = strtod(text, &end);

    if (end == text || *end != '\0' || !(p >= 0 && p < 1))
        die("not a probability below 1", text);
    return p;
}

/* "A-B" or "A" */
static char *range(const char *text, unsigned long *a, unsigned long *b, unsigned long most)
{
    char *end;

    *a = *b = number(text, &end, 1, most);
    if (*end == '-')
        *b = number(end + 1, &end, *a, most);
    return end;
}

static void read_functions(struct bed_campaign *c, const char *text)
{
    unsigned long a, b;

    for (const char *at = text;; at++) {
        at = range(at, &a, &b, ZO_LEN(c->functions));
        while (a <= b)
            c->functions[a++ - 1] = true;
        if (*at == '\0')
            return;
        if (*at != ',')
            die("not a list", text);
    }
}

static void read_dims(struct bed_campaign *c, const char *text)
{
    char *end;

    c->n_dims = 0;
    for (const char *at = text;; at = end + 1) {
        if (c->n_dims == BED_MAX_DIMS)
            die("too many", text);
        c->dims[c->n_dims++] = number(at, &end, 1, 100000);
        if (*end == '\0')
            return;
        if (*end != ',')
            die("not a list", text);
    }
}

static zo_scalar scalar(const char *text)
{
    char *end;
    const double value = strtod(text, &end);

    if (end != text && *end == '\0')
        return (zo_scalar){.kind = ZO_NUMBER, .number = value, .integral = strpbrk(text, ".eE") == NULL};
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        return (zo_scalar){.kind = ZO_BOOLEAN, .boolean = text[0] == 't'};
    return (zo_scalar){.kind = ZO_STRING, .string = text};
}

/* The words are cut out of the command line's own memory; the label is a copy. */
static void read_solver(struct bed_campaign *c, char *text)
{
    if (c->n_solvers == BED_MAX_SOLVERS)
        die("too many", text);
    struct bed_solver *s = &c->solvers[c->n_solvers++];
    char *rest = text, *word;

    s->label = zo_strdup(text);
    if (s->label == NULL)
        die("memory", text);
    for (char *at = (char *)s->label; *at != '\0'; at++)
        if (*at == ',')
            *at = ' '; /* a column of the CSV file */
    word = strsep(&rest, ",");
    if ((s->def = zo_solver_find(word)) == NULL)
        die("no such solver", word);
    while ((word = strsep(&rest, ",")) != NULL) {
        char *value = strchr(word, '=');
        if (value == NULL || s->n_options == BED_MAX_OPTIONS)
            die("not OPTION=VALUE, or too many", word);
        *value++ = '\0';
        s->options[s->n_options++] = (zo_named){.name = word, .value = scalar(value)};
    }
}

static zo_noise noise(const char *text)
{
    static const char *const words[] = {
        [ZO_NOISE_AUTO] = "auto", [ZO_NOISE_NONE] = "none", [ZO_NOISE_EXPECTED] = "expected"};

    for (size_t i = 0; i < ZO_LEN(words); i++)
        if (strcmp(text, words[i]) == 0)
            return (zo_noise)i;
    die("no such noise", text);
}

static _Noreturn void list_solvers(void)
{
    for (size_t i = 0; zo_solver_at(i) != NULL; i++)
        puts(zo_solver_at(i)->name);
    exit(0);
}

struct command {
    struct bed_campaign campaign;
    unsigned speedup; /* 0: not asked for */
    const char *csv, *cpu;
};

static void read_command(struct command *k, int argc, char **argv)
{
    enum {
        SOLVER = 1,
        SUITE,
        DIMS,
        FUNCTIONS,
        INSTANCES,
        BUDGET,
        SLOTS,
        SPEEDUP,
        SHUFFLE,
        LOST,
        NOISE,
        SEED,
        JOBS,
        CSV,
        CPU,
        LIST
    };
    static const struct option options[] = {{"solver", 1, NULL, SOLVER},
                                            {"suite", 1, NULL, SUITE},
                                            {"dims", 1, NULL, DIMS},
                                            {"functions", 1, NULL, FUNCTIONS},
                                            {"instances", 1, NULL, INSTANCES},
                                            {"budget", 1, NULL, BUDGET},
                                            {"slots", 1, NULL, SLOTS},
                                            {"speedup", 1, NULL, SPEEDUP},
                                            {"shuffle", 0, NULL, SHUFFLE},
                                            {"lost", 1, NULL, LOST},
                                            {"noise", 1, NULL, NOISE},
                                            {"seed", 1, NULL, SEED},
                                            {"jobs", 1, NULL, JOBS},
                                            {"csv", 1, NULL, CSV},
                                            {"cpu", 1, NULL, CPU},
                                            {"list", 0, NULL, LIST},
                                            {NULL, 0, NULL, 0}};
    struct bed_campaign *c = &k->campaign;
    const char *functions = NULL, *dims = "2,5,10,20";
    unsigned long a, b;
    bool told_noise = false;

    *c = (struct bed_campaign){.suite = &bed_suite_bbob,
                               .first_instance = 101,
                               .last_instance = 105,
                               .budget = 100,
                               .slots = 1,
                               .seed = 1,
                               .jobs = 1};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case SOLVER:
            read_solver(c, optarg);
            break;
        case SUITE:
            if ((c->suite = bed_suite_find(optarg)) == NULL)
                die("no such suite", optarg);
            break;
        case DIMS:
            dims = optarg;
            break;
        case FUNCTIONS:
            functions = optarg;
            break;
        case INSTANCES:
            if (*range(optarg, &a, &b, 65535) != '\0')
                die("not a range", optarg);
            c->first_instance = (unsigned)a;
            c->last_instance = (unsigned)b;
            break;
        case BUDGET:
            c->budget = whole(optarg, 1, 1000000);
            break;
        case SLOTS:
            c->slots = whole(optarg, 1, BED_MAX_SLOTS);
            break;
        case SPEEDUP:
            k->speedup = whole(optarg, 2, BED_MAX_SLOTS);
            break;
        case SHUFFLE:
            c->shuffle = true;
            break;
        case LOST:
            c->lost = probability(optarg);
            break;
        case NOISE:
            c->noise = noise(optarg);
            told_noise = true;
            break;
        case SEED:
            c->seed = whole(optarg, 0, UINT32_MAX);
            break;
        case JOBS:
            c->jobs = whole(optarg, 1, 256);
            break;
        case CSV:
            k->csv = optarg;
            break;
        case CPU:
            k->cpu = optarg;
            break;
        case LIST:
            list_solvers();
        default:
            die("bad option", argv[optind - 1]);
        }
    if (optind < argc)
        die("not an option", argv[optind]);
    if (c->n_solvers == 0)
        die("missing", "--solver");
    if (!told_noise)
        c->noise = c->suite->noise;
    if (functions != NULL)
        read_functions(c, functions);
    for (unsigned f = 0; f < c->suite->n_functions && functions == NULL; f++)
        c->functions[f] = true;
    if (c->suite->n_of == NULL)
        read_dims(c, dims);
}

void openblas_set_num_threads(int n); /* OpenBLAS declares it in its own cblas.h only */

int main(int argc, char **argv)
{
    struct command k = {0};
    struct bed_table table = {0}, many = {0};

    openblas_set_num_threads(1); /* as in the daemon: other numbers of threads give other bits */
    read_command(&k, argc, argv);
    const struct bed_campaign *c = &k.campaign;
    struct bed_campaign alone = *c;
    if (k.speedup > 0)
        alone.lost = 0;
    if (!bed_campaign_run(&alone, k.speedup > 0 ? 1 : c->slots, &table) ||
        (k.speedup > 0 && !bed_campaign_run(c, k.speedup, &many)))
        die("runs failed", "out of memory, or a process died");
    if (table.n_entries == 0)
        die("nothing to run", "no such function");
    bed_print_shares(c, &table);
    if (c->suite->n_of != NULL)
        bed_print_profiles(c, &table);
    bed_print_feasible(c, &table);
    bed_print_better(c, &table);
    bed_print_cpu(c, &table);
    if (k.speedup > 0) {
        bed_print_shares(c, &many);
        bed_print_speedup(c, &table, &many);
        bed_print_ends(c, &many);
    }
    bed_print_ends(c, &table);
    if (k.csv != NULL && !bed_write_csv(k.csv, c, &table))
        die("can't write", k.csv);
    if (k.cpu != NULL && !bed_write_cpu(k.cpu, c, &table))
        die("can't write", k.cpu);
    bed_table_free(&table);
    bed_table_free(&many);
    for (size_t s = 0; s < c->n_solvers; s++)
        zo_free((void *)c->solvers[s].label);
    return 0;
}
