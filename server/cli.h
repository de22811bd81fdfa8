/* The command line: one function a command. Exit statuses follow sysexits: 64 usage, 66 no input, 70 our bug, 74 I/O.
 */
#ifndef ZO_SERVER_CLI_H
#define ZO_SERVER_CLI_H

#include "zeroth/error.h"

enum {
    ZO_EXIT_OK = 0,
    ZO_EXIT_FINDINGS = 1,
    ZO_EXIT_USAGE = 64,
    ZO_EXIT_DATA = 65,
    ZO_EXIT_NO_INPUT = 66,
    ZO_EXIT_UNAVAILABLE = 69,
    ZO_EXIT_SOFTWARE = 70,
    ZO_EXIT_IO = 74,
    ZO_EXIT_TEMPORARY = 75
};

/* argv[0] is the command's own name. */
int zo_cli_serve(int argc, char **argv);
int zo_cli_migrate(int argc, char **argv);
int zo_cli_check(int argc, char **argv);
int zo_cli_export(int argc, char **argv);
int zo_cli_import(int argc, char **argv);
int zo_cli_solvers(int argc, char **argv);
int zo_cli_verify_certificate(int argc, char **argv);
int zo_cli_version(int argc, char **argv);

/* One line on stderr: "zerothd COMMAND: message"; returns the exit status fit for the error's code. */
int zo_cli_fail(const char *command, const zo_error *err);
/* For commands without flags of their own: handles --help (printing help) and unknown flags, and checks the number of
 * operands. Returns -1 to go on, else the exit status. */
int zo_cli_operands(int argc, char **argv, int min, int max, const char *help);

#endif
