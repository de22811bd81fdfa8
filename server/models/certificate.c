/* See certificate.h: hash = SHA-256(previous hash, canonical text of the entry), commitment = HMAC-SHA-256(salt,
 * digest). */
#include "models/certificate.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include "codec/jsonread.h"
#include "models/crypt.h"

static zo_status read_hex(const json_t *doc, const char *key, bool needed, uint8_t out[CRYPT_HASH_BYTES], bool *found,
                          zo_error *err)
{
    const json_t *v = json_object_get(doc, key);
    const char *text = json_string_value(v);
    size_t n = 0;
    char pointer[64];

    *found = v != NULL;
    if (!v && !needed)
        return ZO_OK;
    snprintf(pointer, sizeof pointer, "/%s", key);
    if (!text || strlen(text) != 2 * CRYPT_HASH_BYTES ||
        sodium_hex2bin(out, CRYPT_HASH_BYTES, text, 2 * CRYPT_HASH_BYTES, NULL, &n, NULL) != 0 || n != CRYPT_HASH_BYTES)
        return zo_fail(err, ZO_EMALFORMED, pointer, "must be 64 hexadecimal digits");
    return ZO_OK;
}

/* Sorted keys, no blanks: the bytes that were hashed. */
static zo_status check_chain(const json_t *doc, const json_t *entry, zo_error *err)
{
    uint8_t previous[CRYPT_HASH_BYTES], hash[CRYPT_HASH_BYTES], computed[CRYPT_HASH_BYTES];
    bool found;
    char *text;
    zo_status rc;

    if ((rc = read_hex(doc, "previous_hash", true, previous, &found, err)) != ZO_OK ||
        (rc = read_hex(doc, "hash", true, hash, &found, err)) != ZO_OK)
        return rc;
    if (!(text = json_dumps(entry, JSON_COMPACT | JSON_SORT_KEYS)))
        return zo_fail_nomem(err);
    crypt_chain(previous, text, computed);
    zo_free(text);
    return crypt_equal(hash, computed)
               ? ZO_OK
               : zo_fail(err, ZO_EINVAL, "/hash", "the entry does not have this hash: one of them was changed");
}

static zo_status check_commitment(const json_t *doc, const json_t *entry, zo_certificate_facts *out, zo_error *err)
{
    uint8_t salt[CRYPT_HASH_BYTES], digest[CRYPT_HASH_BYTES], committed[CRYPT_HASH_BYTES], computed[CRYPT_HASH_BYTES];
    bool has_salt, has_digest, found;
    zo_status rc;

    if ((rc = read_hex(doc, "salt", false, salt, &has_salt, err)) != ZO_OK ||
        (rc = read_hex(doc, "state_digest", false, digest, &has_digest, err)) != ZO_OK)
        return rc;
    if ((rc = read_hex(entry, "commitment", true, committed, &found, err)) != ZO_OK) {
        zo_fail_at(err, "/entry");
        return rc;
    }
    if (!has_salt || !has_digest)
        return ZO_OK;
    crypt_commit(salt, digest, computed);
    if (!crypt_equal(committed, computed))
        return zo_fail(err, ZO_EINVAL, "/state_digest", "the entry commits to another state");
    out->has_digest = true;
    crypt_hex(digest, sizeof digest, out->digest);
    return ZO_OK;
}

static zo_status read_entry(const json_t *entry, zo_certificate_facts *out, zo_error *err)
{
    struct {
        const char *event, *model, *scope, *commitment, *config, *method, *version, *reason, *study;
        uint64_t at_ms, request, rows, rows_after, sequence, subjects;
    } in = {.scope = "", .model = "", .study = ""};
#define IN(member) offsetof(__typeof__(in), member)
    static const zo_field fields[] = {
        {"event", ZO_F_STRING, IN(event), true, 0, 0},           {"model", ZO_F_STRING, IN(model), false, 0, 0},
        {"study", ZO_F_STRING, IN(study), false, 0, 0},          {"scope", ZO_F_STRING, IN(scope), true, 0, 0},
        {"commitment", ZO_F_STRING, IN(commitment), true, 0, 0}, {"config_digest", ZO_F_STRING, IN(config), true, 0, 0},
        {"method", ZO_F_STRING, IN(method), true, 0, 0},         {"version", ZO_F_STRING, IN(version), true, 0, 0},
        {"reason", ZO_F_STRING, IN(reason), false, 0, 0},        {"at_ms", ZO_F_U64, IN(at_ms), true, 0, 0},
        {"request", ZO_F_U64, IN(request), true, 0, 0},          {"rows", ZO_F_U64, IN(rows), true, 0, 0},
        {"rows_after", ZO_F_U64, IN(rows_after), true, 0, 0},    {"sequence", ZO_F_U64, IN(sequence), true, 0, 0},
        {"subjects", ZO_F_U64, IN(subjects), true, 0, 0}};
#undef IN
    const zo_status rc = zo_json_read(entry, fields, ZO_LEN(fields), &in, NULL, err);

    if (rc != ZO_OK) {
        zo_fail_at(err, "/entry");
        return rc;
    }
    if (strcmp(in.event, "forget") != 0)
        return zo_fail(err, ZO_EINVAL, "/entry/event", "is no forget");
    snprintf(out->model, sizeof out->model, "%s", *in.model ? in.model : in.study);
    snprintf(out->scope, sizeof out->scope, "%s", in.scope);
    out->request = in.request;
    out->rows = in.rows;
    out->rows_after = in.rows_after;
    out->sequence = in.sequence;
    out->at_ms = (int64_t)in.at_ms;
    return ZO_OK;
}

static zo_status check(const json_t *doc, zo_certificate_facts *out, zo_error *err)
{
    const json_t *entry = json_object_get(doc, "entry"), *storage = json_object_get(doc, "storage");
    const char *format = json_string_value(json_object_get(doc, "format")), *state;
    zo_status rc;

    if (!format || strcmp(format, "zeroth-forget-certificate-1") != 0 || !json_is_object(entry))
        return zo_fail(err, ZO_EMALFORMED, "/format", "is no certificate of this format");
    if ((rc = read_entry(entry, out, err)) != ZO_OK || (rc = check_chain(doc, entry, err)) != ZO_OK ||
        (rc = check_commitment(doc, entry, out, err)) != ZO_OK)
        return rc;
    if (json_integer_value(json_object_get(doc, "request")) != (json_int_t)out->request)
        return zo_fail(err, ZO_EINVAL, "/request", "is not the entry's");
    state = json_string_value(json_object_get(storage, "state"));
    out->storage_done = state && strcmp(state, "done") == 0;
    return ZO_OK;
}

zo_status zo_certificate_check(const char *text, size_t bytes, zo_certificate_facts *out, zo_error *err)
{
    json_t *doc;
    zo_status rc = zo_json_parse(text, bytes, NULL, &doc, err);

    *out = (zo_certificate_facts){.request = 0};
    if (rc != ZO_OK)
        return rc;
    rc = check(doc, out, err);
    json_decref(doc);
    return rc;
}
