/* zerothd version: what bits depend on: the build, the BLAS kernel, the libraries, the arithmetic tag. */
#include <inttypes.h>
#include <stdio.h>
#include <jansson.h>
#include <microhttpd.h>
#include <sodium.h>
#include <sqlite3.h>
#include <uv.h>

#include "cli.h"
#include "zeroth/linalg.h"

int zo_cli_version(int argc, char **argv)
{
    const int stop = zo_cli_operands(argc, argv, 0, 0, "usage: zerothd version\n\nPrint the versions of the program, its libraries and the arithmetic tag.\n");
    char core[64];

    if (stop >= 0)
        return stop;
    zo_blas_describe(core, sizeof core);
    printf("zerothd %s\n", ZO_VERSION);
#ifdef NDEBUG
    const char *build = "release";
#else
    const char *build = "debug";
#endif
#ifdef ZO_SANITIZED
    build = "sanitized";
#endif
    printf("build          %s, %s\n", build, __VERSION__);
    printf("BLAS kernel    OpenBLAS %s, %d thread%s\n", core, zo_blas_threads(), zo_blas_threads() == 1 ? "" : "s");
    printf("arithmetic tag %016" PRIx64 "\n", zo_arith_tag());
    printf("libmicrohttpd  %s\n", MHD_get_version());
    printf("jansson        %s\n", jansson_version_str());
    printf("SQLite         %s\n", sqlite3_libversion());
    printf("libuv          %s\n", uv_version_string());
    printf("libsodium      %s\n", sodium_version_string());
    return ZO_EXIT_OK;
}
