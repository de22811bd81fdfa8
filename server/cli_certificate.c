/* zerothd verify-certificate: does a certificate of forgetting hold? Needs neither the daemon nor its database. */
#include <inttypes.h>
#include <stdio.h>

#include "cli.h"
#include "codec/jsonwrite.h"
#include "models/certificate.h"

enum { MAX_CERTIFICATE_BYTES = 65536 };

static zo_status read_file(const char *path, char *text, size_t *n, zo_error *err)
{
    const bool is_stdin = path[0] == '-' && path[1] == '\0';
    FILE *f = is_stdin ? stdin : fopen(path, "rb");

    if (!f)
        return zo_fail(err, ZO_ENOTFOUND, "", "%.200s: no such file", path);
    *n = fread(text, 1, MAX_CERTIFICATE_BYTES, f);
    const bool failed = ferror(f), more = !feof(f);
    if (!is_stdin)
        fclose(f);
    if (failed)
        return zo_fail(err, ZO_ESTORE, "", "%.200s can't be read", path);
    return more ? zo_fail(err, ZO_EMALFORMED, "", "%.200s is too long for a certificate", path) : ZO_OK;
}

int zo_cli_verify_certificate(int argc, char **argv)
{
    static char text[MAX_CERTIFICATE_BYTES + 1];
    const int stop = zo_cli_operands(argc, argv, 1, 1,
                                     "usage: zerothd verify-certificate FILE\n\n"
                                     "Check a certificate of forgetting, as GET "
                                     "/v1/models/{model}/certificates/{number} gives it (- reads standard input):\n"
                                     "its entry has the hash that it names after the previous one's, and, while the "
                                     "certificate shows them, digest and salt\n"
                                     "fit the entry's commitment. That the digest is the state's is for you to see: "
                                     "learn the rows that remain into a fresh\n"
                                     "model of the same configuration and seed, and compare its state_digest.\n"
                                     "Exit status: 0 it holds, 1 it does not, 65 it is no certificate.\n");
    zo_certificate_facts f;
    char at[ZO_TIME_CHARS + 1];
    zo_error err = {0};
    size_t n = 0;
    zo_status rc;

    if (stop >= 0)
        return stop;
    if ((rc = read_file(argv[1], text, &n, &err)) != ZO_OK)
        return zo_cli_fail("verify-certificate", &err);
    rc = zo_certificate_check(text, n, &f, &err);
    if (rc == ZO_EINVAL) {
        printf("it does not hold: %s: %s\n", err.pointer, err.message);
        return ZO_EXIT_FINDINGS;
    }
    if (rc != ZO_OK)
        return zo_cli_fail("verify-certificate", &err);
    at[zo_time_print(f.at_ms, at)] = '\0';
    printf("it holds: request %" PRIu64 " of %s at %s forgot %" PRIu64 " by %s, %" PRIu64 " remain\n", f.request,
           f.model, at, f.rows, f.scope, f.rows_after);
    printf("state after it: %s\n", f.has_digest ? f.digest : "not shown any more (later changes have taken its salt)");
    printf("storage: %s\n",
           f.storage_done ? "erased, the log included" : "not erased yet when the certificate was written");
    return ZO_EXIT_OK;
}
