/* The route table: the whole API in one screen. A test compares it with openapi/zeroth.yaml. */
#include "api/handlers.h"

enum {
    JSON = ZO_ROUTE_BODY_JSON,
    MAYBE = ZO_ROUTE_BODY_JSON | ZO_ROUTE_BODY_OPTIONAL,
    LINES = ZO_ROUTE_BODY_LINES,
    ARRAYS = ZO_ROUTE_BODY_ARRAYS,
    ROWS = ZO_ROUTE_BODY_ARRAYS | ZO_ROUTE_BODY_LARGE,
    MAX_IMPORT_BYTES = 8 << 20
};

const zo_route zo_api_routes[] = {
    {ZO_GET, "/", ZO_SCOPE_PUBLIC, api_index, 0, 0},
    {ZO_GET, "/healthz", ZO_SCOPE_PUBLIC, api_health, 0, 0},
    {ZO_GET, "/readyz", ZO_SCOPE_PUBLIC, api_ready, 0, 0},
    {ZO_GET, "/metrics", ZO_SCOPE_ADMIN, api_metrics, 0, 0},
    {ZO_GET, "/openapi.yaml", ZO_SCOPE_PUBLIC, api_document, 0, 0},
    {ZO_GET, "/v1/solvers", ZO_SCOPE_READ, api_solver_list, 0, 0},
    {ZO_GET, "/v1/solvers/{solver}", ZO_SCOPE_READ, api_solver_get, 0, 0},
    {ZO_GET, "/v1/model-kinds", ZO_SCOPE_READ, api_model_kinds, 0, 0},

    {ZO_POST, "/v1/studies", ZO_SCOPE_WRITE, api_study_create, JSON, 0},
    {ZO_GET, "/v1/studies", ZO_SCOPE_READ, api_study_list, 0, 0},
    {ZO_GET, "/v1/studies/{study}", ZO_SCOPE_READ, api_study_get, 0, 0},
    {ZO_PATCH, "/v1/studies/{study}", ZO_SCOPE_WRITE, api_study_patch, JSON, 0},
    {ZO_DELETE, "/v1/studies/{study}", ZO_SCOPE_WRITE, api_study_delete, 0, 0},

    {ZO_POST, "/v1/studies/{study}/ask", ZO_SCOPE_WRITE, api_ask, MAYBE | ARRAYS, 0},
    {ZO_POST, "/v1/studies/{study}/tell", ZO_SCOPE_WRITE, api_tell, JSON | ARRAYS, 0},
    {ZO_POST, "/v1/studies/{study}/exchange", ZO_SCOPE_WRITE, api_exchange, JSON | ARRAYS, 0},

    {ZO_POST, "/v1/studies/{study}/trials", ZO_SCOPE_WRITE, api_trial_enqueue, JSON, 0},
    {ZO_GET, "/v1/studies/{study}/trials", ZO_SCOPE_READ, api_trial_list, 0, 0},
    {ZO_GET, "/v1/studies/{study}/trials/{number}", ZO_SCOPE_READ, api_trial_get, 0, 0},
    {ZO_DELETE, "/v1/studies/{study}/trials/{number}", ZO_SCOPE_WRITE, api_trial_withdraw, 0, 0},
    {ZO_POST, "/v1/studies/{study}/trials/{number}/report", ZO_SCOPE_WRITE, api_trial_report, JSON, 0},
    {ZO_POST, "/v1/studies/{study}/trials/{number}/heartbeat", ZO_SCOPE_WRITE, api_trial_heartbeat, MAYBE, 0},
    {ZO_POST, "/v1/studies/{study}/trials/{number}/release", ZO_SCOPE_WRITE, api_trial_release, MAYBE, 0},

    {ZO_GET, "/v1/studies/{study}/best", ZO_SCOPE_READ, api_best, 0, 0},
    {ZO_GET, "/v1/studies/{study}/pareto", ZO_SCOPE_READ, api_pareto, 0, 0},
    {ZO_GET, "/v1/studies/{study}/stopping", ZO_SCOPE_READ, api_stopping, 0, 0},
    {ZO_GET, "/v1/studies/{study}/state", ZO_SCOPE_READ, api_state, 0, 0},
    {ZO_GET, "/v1/studies/{study}/export", ZO_SCOPE_READ, api_export, 0, 0},
    {ZO_POST, "/v1/studies/{study}/import", ZO_SCOPE_WRITE, api_import, LINES, MAX_IMPORT_BYTES},
    {ZO_POST, "/v1/studies/{study}/forget", ZO_SCOPE_WRITE, api_study_forget, JSON, 0},
    {ZO_GET, "/v1/studies/{study}/forget-requests", ZO_SCOPE_READ, api_forget_requests, 0, 0},
    {ZO_GET, "/v1/studies/{study}/certificates/{number}", ZO_SCOPE_READ, api_study_certificate, 0, 0},
    {ZO_POST, "/v1/studies/{study}/verify", ZO_SCOPE_READ, api_study_verify, JSON, 0},

    {ZO_POST, "/v1/models", ZO_SCOPE_WRITE, api_model_create, JSON, MAX_IMPORT_BYTES},
    {ZO_GET, "/v1/models", ZO_SCOPE_READ, api_model_list, 0, 0},
    {ZO_GET, "/v1/models/{model}", ZO_SCOPE_READ, api_model_get, 0, 0},
    {ZO_DELETE, "/v1/models/{model}", ZO_SCOPE_WRITE, api_model_delete, 0, 0},

    {ZO_POST, "/v1/models/{model}/learn", ZO_SCOPE_WRITE, api_model_learn, JSON | ROWS, MAX_IMPORT_BYTES},
    {ZO_POST, "/v1/models/{model}/forget", ZO_SCOPE_WRITE, api_model_forget, JSON | ROWS, MAX_IMPORT_BYTES},
    {ZO_POST, "/v1/models/{model}/relabel", ZO_SCOPE_WRITE, api_model_relabel, JSON, 0},
    {ZO_POST, "/v1/models/{model}/merge", ZO_SCOPE_WRITE, api_model_merge, JSON | ROWS, MAX_IMPORT_BYTES},
    {ZO_POST, "/v1/models/{model}/predict", ZO_SCOPE_READ, api_model_predict, JSON | ROWS, MAX_IMPORT_BYTES},
    {ZO_POST, "/v1/models/{model}/verify", ZO_SCOPE_READ, api_model_verify, JSON, 0},

    {ZO_POST, "/v1/models/{model}/verify-forgetting", ZO_SCOPE_READ, api_model_audit, JSON | ROWS, MAX_IMPORT_BYTES},

    {ZO_GET, "/v1/models/{model}/weights", ZO_SCOPE_READ, api_model_weights, 0, 0},
    {ZO_GET, "/v1/models/{model}/state", ZO_SCOPE_READ, api_model_state, 0, 0},
    {ZO_GET, "/v1/models/{model}/stats", ZO_SCOPE_READ, api_model_stats, 0, 0},
    {ZO_GET, "/v1/models/{model}/history", ZO_SCOPE_READ, api_model_history, 0, 0},
    {ZO_GET, "/v1/models/{model}/certificates/{number}", ZO_SCOPE_READ, api_model_certificate, 0, 0},
};
const size_t zo_api_n_routes = ZO_LEN(zo_api_routes);
