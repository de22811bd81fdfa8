/* zerothd: the command line. Picks the command; before any, the process is re-executed once with the environment that
 * BLAS and the allocator read at load time only. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli.h"
#include "codec/jsonread.h"

static const struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} commands[] = {
    {"serve", zo_cli_serve, "serve the API over HTTP"},
    {"solvers", zo_cli_solvers, "print the catalogue of solvers and their options"},
    {"check", zo_cli_check, "verify a database file: structure, replay of every study, keys and sums of every model, histories"},
    {"migrate", zo_cli_migrate, "bring a database file to this version's schema"},
    {"export", zo_cli_export, "write studies of a database file as JSON lines"},
    {"import", zo_cli_import, "read studies from JSON lines into a database file"},
    {"verify-certificate", zo_cli_verify_certificate, "check a certificate of forgetting"},
    {"version", zo_cli_version, "print versions of the program, its libraries and the arithmetic"},
};

static void help(FILE *to)
{
    fputs("zerothd: optimization as a service\n\nusage: zerothd COMMAND [OPTIONS]\n\n", to);
    for (size_t i = 0; i < ZO_LEN(commands); i++)
        fprintf(to, "  %-18s %s\n", commands[i].name, commands[i].summary);
    fputs("\nzerothd COMMAND --help explains a command. zerothd serve alone listens on 127.0.0.1:8470 and keeps "
          "./zeroth.db.\n",
          to);
}

/* glibc's settings that the daemon needs: no per-thread cache, which would keep freed memory as it was; what is freed
 * is overwritten (with 255; the complement, 0, is what fresh memory is filled with), so that nothing of a request
 * outlives it; and up to 16 MiB stay with a heap, for fresh pages would cost the products of models a third of their
 * time. */
static const char *const tunables[] = {"glibc.malloc.tcache_count=0", "glibc.malloc.perturb=255",
                                       "glibc.malloc.mmap_threshold=16777216", "glibc.malloc.trim_threshold=16777216"};

/* Adds what is missing to what the user has set. False: nothing was. */
static bool add_tunables(const char *set, char *joined, size_t size)
{
    size_t n = (size_t)snprintf(joined, size, "%s", set != NULL ? set : "");
    bool added = false;

    for (size_t i = 0; i < ZO_LEN(tunables); i++) {
        if (set != NULL && strstr(set, tunables[i]) != NULL)
            continue;
        if (n < size)
            n += (size_t)snprintf(joined + n, size - n, "%s%s", n > 0 ? ":" : "", tunables[i]);
        added = true;
    }
    return added;
}

/* OpenBLAS reads its thread count when it is loaded, and one thread is what makes equal inputs give equal bits. */
static void reexecute_with_environment(char **argv)
{
    static const char guard[] = "ZEROTH_REEXECUTED";
    char joined[1024];

    if (getenv(guard) != NULL) {
        unsetenv(guard);
        return;
    }
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    const bool is_lacking = add_tunables(getenv("GLIBC_TUNABLES"), joined, sizeof joined);
    if (threads != NULL && strcmp(threads, "1") == 0 && !is_lacking)
        return;
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    setenv("GLIBC_TUNABLES", joined, 1);
    setenv("LD_BIND_NOW", "1", 1);
    setenv(guard, "1", 1);
    execv("/proc/self/exe", argv);
    /* without /proc the program still runs; serve then refuses to start if BLAS has several threads */
    unsetenv(guard);
}

static void limit_process(void)
{
    struct rlimit files, none = {0, 0};

    umask(077);
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* nobody of the same user attaches and reads it */
    setrlimit(RLIMIT_CORE, &none);      /* a core file would hold clients' data */
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int zo_cli_fail(const char *command, const zo_error *err)
{
    fprintf(stderr, "zerothd %s: %s\n", command, err->message);
    switch (err->code) {
    case ZO_EMALFORMED:
    case ZO_EINVAL:
    case ZO_EUNSUPPORTED:
        return ZO_EXIT_DATA;
    case ZO_ENOTFOUND:
        return ZO_EXIT_NO_INPUT;
    case ZO_EFULL:
    case ZO_ESTORE:
        return ZO_EXIT_IO;
    case ZO_ECONFLICT:
    case ZO_EBUSY:
        return ZO_EXIT_TEMPORARY;
    default:
        return ZO_EXIT_SOFTWARE;
    }
}

int zo_cli_operands(int argc, char **argv, int min, int max, const char *text)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            fputs(text, stdout);
            return ZO_EXIT_OK;
        }
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            fprintf(stderr, "zerothd %s: unknown option %s (see zerothd %s --help)\n", argv[0], argv[i], argv[0]);
            return ZO_EXIT_USAGE;
        }
    }
    if (argc - 1 < min || argc - 1 > max) {
        fprintf(stderr, "zerothd %s: %s (see zerothd %s --help)\n", argv[0],
                argc - 1 < min ? "a file is missing" : "too many arguments", argv[0]);
        return ZO_EXIT_USAGE;
    }
    return -1;
}

int main(int argc, char **argv)
{
    reexecute_with_environment(argv);
    limit_process();
    zo_json_start();
    const char *name = argc > 1 ? argv[1] : NULL;
    if (name == NULL) {
        help(stderr);
        return ZO_EXIT_USAGE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        help(stdout);
        return ZO_EXIT_OK;
    }
    if (strcmp(name, "--version") == 0)
        return zo_cli_version(1, (char *[]){(char[]){"version"}, NULL});
    for (size_t i = 0; i < ZO_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    fprintf(stderr, "zerothd: unknown command %s (see zerothd --help)\n", name);
    return ZO_EXIT_USAGE;
}
