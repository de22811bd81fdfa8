/* zerothd: the command line. Picks the command; before any, the process is re-executed once with the environment that BLAS and the
 * allocator read at load time only. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
    {"check", zo_cli_check, "verify a database file: structure, log, replay of every study"},
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
    fputs("\nzerothd COMMAND --help explains a command. zerothd serve alone listens on 127.0.0.1:8470 and keeps ./zeroth.db.\n", to);
}

/* OpenBLAS reads its thread count when it is loaded, and one thread is what makes equal inputs give equal bits; glibc's
 * per-thread cache would keep freed memory, forgotten data included, out of reach of being wiped. */
static void reexecute_with_environment(char **argv)
{
    static const char guard[] = "ZEROTH_REEXECUTED";

    if (getenv(guard) != NULL) {
        unsetenv(guard);
        return;
    }
    const char *threads = getenv("OPENBLAS_NUM_THREADS"), *tunables = getenv("GLIBC_TUNABLES");
    const bool has_tcache = tunables != NULL && strstr(tunables, "glibc.malloc.tcache_count=0") != NULL;
    if (threads != NULL && strcmp(threads, "1") == 0 && has_tcache)
        return;
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    if (!has_tcache) {
        char joined[1024];
        snprintf(joined, sizeof joined, "%s%sglibc.malloc.tcache_count=0", tunables != NULL ? tunables : "", tunables != NULL ? ":" : "");
        setenv("GLIBC_TUNABLES", joined, 1);
    }
    setenv(guard, "1", 1);
    execv("/proc/self/exe", argv);
    /* without /proc the program still runs; serve then refuses to start if BLAS has several threads */
    unsetenv(guard);
}

static void limit_process(void)
{
    struct rlimit files, none = {0, 0};

    umask(077);
    setrlimit(RLIMIT_CORE, &none); /* a core file would hold clients' data */
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
        fprintf(stderr, "zerothd %s: %s (see zerothd %s --help)\n", argv[0], argc - 1 < min ? "a file is missing" : "too many arguments", argv[0]);
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
