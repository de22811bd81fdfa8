/* Offline check of models: each is loaded as the daemon would load it, which opens every part with its key and compares
 * the sums with the digest that the history names; and the history's chain is hashed again. What a load would change is
 * thrown away. */
#include "check.h"

#include "models/chain.h"

zo_status check_history(checker *c, bool of_study, const zo_study_row *row, zo_error *err)
{
    const char *noun = of_study ? "study" : "model";
    zo_chain_facts facts;
    zo_error e = {0};
    const zo_status rc = zo_chain_verify(c->reader, of_study, row->study, &facts, &e);

    if (rc == ZO_ENOMEM)
        return zo_fail_nomem(err);
    if (rc != ZO_OK)
        check_finding(c, "%s %s: %s", noun, row->id, e.message);
    else if (facts.broken)
        check_finding(c, "%s %s: its history breaks at entry %llu", noun, row->id, (unsigned long long)facts.broken);
    else if (facts.entries == 0 && !of_study)
        check_finding(c, "%s %s: its history is missing", noun, row->id);
    return ZO_OK;
}

zo_status check_model(checker *c, const zo_study_row *row, zo_error *err)
{
    zo_changes changes;
    zo_act act = {.store = c->store, .reader = c->reader, .changes = &changes, .now_ms = zo_clock_wall_ms()};
    zo_live *live = NULL;
    zo_error e = {0};
    zo_status rc;

    zo_changes_init(&changes);
    rc = zo_live_load(row, &act, &live, &e);
    if (rc == ZO_OK && (changes.n || !zo_live_is_sealed(live)))
        check_finding(c,
                      "model %s: this copy of the database is older than its tombstones: the daemon will forget again "
                      "when it opens it",
                      row->id);
    else if (rc != ZO_OK && rc != ZO_ENOMEM)
        check_finding(c, "model %s: %s", row->id, e.message);
    zo_live_free(live);
    zo_changes_fini(&changes);
    return rc == ZO_ENOMEM ? zo_fail_nomem(err) : check_history(c, false, row, err);
}
