/* zerothd check and migrate: what may be done to a database file while no daemon holds it. */
#include <stdio.h>

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
        "Verify a database file that no daemon holds: SQLite's own integrity check, dense event numbers, and a replay of every\n"
        "study's log in which each candidate handed out is computed again and compared bit for bit. No study is changed; what a\n"
        "crash left in FILE-wal is folded into the file, as any opening does.\n"
        "Exit status: 0 clean, 1 findings (one line each on stdout).\n");
    bool structure = false, replay = false;
    zo_error err = {0};

    if (stop >= 0)
        return stop;
    if (zo_store_check(argv[1], print_finding, NULL, &structure, &err) != ZO_OK ||
        (structure && zo_runtime_check(argv[1], print_finding, NULL, &replay, &err) != ZO_OK))
        return zo_cli_fail("check", &err);
    if (!structure || !replay)
        return ZO_EXIT_FINDINGS;
    printf("%s: clean\n", argv[1]);
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
