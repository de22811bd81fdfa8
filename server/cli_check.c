/* zerothd check and migrate: what may be done to a database file while no daemon holds it. */
#include <inttypes.h>
#include <stdio.h>

#include "base/log.h"
#include "cli.h"
#include "runtime/runtime.h"

static void print_finding(void *ctx, const char *line)
{
    (void)ctx;
    puts(line);
}

int zo_cli_check(int argc, char **argv)
{
    const int stop = zo_cli_operands(argc, argv, 1, 1,
        "usage: zerothd check FILE\n\n"
        "Verify a database file that no daemon holds: SQLite's own integrity check, dense event numbers, a replay of every\n"
        "study's log in which each candidate handed out is computed again and compared bit for bit, a load of every model, whose\n"
        "key must be in FILE-keys and whose sums must be those that its history names, and the hash chain of every history. No\n"
        "study or model is changed; what a crash left in FILE-wal is folded into the file, as any opening does.\n"
        "Exit status: 0 clean, 1 findings (one line each on stdout).\n");
    bool structure = false;
    zo_checked all = {.clean = false};
    zo_error err = {0};

    if (stop >= 0)
        return stop;
    zo_log_set_level(ZO_LOG_OFF); /* what is wrong is a finding; what a daemon would do about it is not done */
    if (zo_store_check(argv[1], print_finding, NULL, &structure, &err) != ZO_OK ||
        (structure && zo_runtime_check(argv[1], print_finding, NULL, &all, &err) != ZO_OK))
        return zo_cli_fail("check", &err);
    if (!structure || !all.clean)
        return ZO_EXIT_FINDINGS;
    printf("%s: clean; studies: %" PRIu64 ", models: %" PRIu64 "\n", argv[1], all.studies, all.models);
    return ZO_EXIT_OK;
}

int zo_cli_migrate(int argc, char **argv)
{
    const int stop = zo_cli_operands(argc, argv, 1, 1,
        "usage: zerothd migrate FILE\n\n"
        "Bring a database file to this version's schema. Migrations go forward only: copy the file first if you may want to go back.\n"
        "zerothd serve does the same by itself.\n");
    zo_error err = {0};
    int from = 0, to = 0;

    if (stop >= 0)
        return stop;
    if (zo_store_migrate(argv[1], &from, &to, &err) != ZO_OK)
        return zo_cli_fail("migrate", &err);
    if (from == to)
        printf("%s: schema %d is this version's\n", argv[1], to);
    else
        printf("%s: migrated from schema %d to %d\n", argv[1], from, to);
    return ZO_EXIT_OK;
}
