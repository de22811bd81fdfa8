/* zerothd solvers: the catalogue, for people as text, for programs as the JSON that GET /v1/solvers gives, and as the table
 * of the README. */
#include <stdio.h>
#include <string.h>

#include "api/solvers.h"
#include "cli.h"
#include "zeroth/solver.h"

static void print_option(const zo_opt *o)
{
    printf("    %-14s", o->name);
    switch (o->type) {
    case ZO_OPT_TYPE_F64:
    case ZO_OPT_TYPE_U64:
        printf(" %g, %g to %g", o->def, o->low, o->high);
        break;
    case ZO_OPT_TYPE_BOOL:
        printf(" %s", o->def != 0 ? "true" : "false");
        break;
    case ZO_OPT_TYPE_ENUM:
        printf(" %s, of", o->choices[(size_t)o->def]);
        for (size_t i = 0; o->choices[i] != NULL; i++)
            printf("%s %s", i == 0 ? "" : " |", o->choices[i]);
        break;
    }
    printf(": %s\n", o->doc);
}

static int print_json(void)
{
    zo_json w;
    size_t bytes;

    zo_json_init(&w);
    zo_api_solvers_write(&w);
    char *text = zo_json_take(&w, &bytes);
    if (text == NULL)
        return ZO_EXIT_SOFTWARE;
    puts(text);
    zo_free(text);
    return ZO_EXIT_OK;
}

static int print_markdown(void)
{
    puts("| solver | pick it for | method | cost | paper |\n| --- | --- | --- | --- | --- |");
    for (size_t i = 0; i < zo_solver_count(); i++) {
        const zo_solver *s = zo_solver_at(i);
        printf("| `%s` | %s | %s | %s | %s |\n", s->name, s->advice, s->summary, s->complexity, s->reference);
    }
    return ZO_EXIT_OK;
}

static int print_text(void)
{
    for (size_t i = 0; i < zo_solver_count(); i++) {
        const zo_solver *s = zo_solver_at(i);
        printf("%-18s %s (version %u)\n", s->name, s->summary, s->version);
        for (size_t k = 0; k < s->n_opts; k++)
            print_option(&s->opts[k]);
    }
    return ZO_EXIT_OK;
}

int zo_cli_solvers(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--json") == 0)
        return print_json();
    if (argc == 2 && strcmp(argv[1], "--markdown") == 0)
        return print_markdown();
    const int stop = zo_cli_operands(argc, argv, 0, 0,
        "usage: zerothd solvers [--json | --markdown]\n\nPrint every solver with its options: default, range, meaning.\n");
    return stop >= 0 ? stop : print_text();
}
