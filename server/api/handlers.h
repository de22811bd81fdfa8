/* Every handler of the route table. */
#ifndef ZO_API_HANDLERS_H
#define ZO_API_HANDLERS_H

#include "api/command.h"

zo_status api_index(zo_req *req, zo_error *err);
zo_status api_health(zo_req *req, zo_error *err);
zo_status api_ready(zo_req *req, zo_error *err);
zo_status api_metrics(zo_req *req, zo_error *err);
zo_status api_document(zo_req *req, zo_error *err);
zo_status api_solver_list(zo_req *req, zo_error *err);
zo_status api_solver_get(zo_req *req, zo_error *err);

zo_status api_study_create(zo_req *req, zo_error *err);
zo_status api_study_list(zo_req *req, zo_error *err);
zo_status api_study_get(zo_req *req, zo_error *err);
zo_status api_study_patch(zo_req *req, zo_error *err);
zo_status api_study_delete(zo_req *req, zo_error *err);

zo_status api_ask(zo_req *req, zo_error *err);
zo_status api_tell(zo_req *req, zo_error *err);
zo_status api_exchange(zo_req *req, zo_error *err);

zo_status api_trial_enqueue(zo_req *req, zo_error *err);
zo_status api_trial_list(zo_req *req, zo_error *err);
zo_status api_trial_get(zo_req *req, zo_error *err);
zo_status api_trial_withdraw(zo_req *req, zo_error *err);
zo_status api_trial_report(zo_req *req, zo_error *err);
zo_status api_trial_heartbeat(zo_req *req, zo_error *err);
zo_status api_trial_release(zo_req *req, zo_error *err);

zo_status api_best(zo_req *req, zo_error *err);
zo_status api_pareto(zo_req *req, zo_error *err);
zo_status api_stopping(zo_req *req, zo_error *err);
zo_status api_state(zo_req *req, zo_error *err);
zo_status api_export(zo_req *req, zo_error *err);

zo_status api_study_forget(zo_req *req, zo_error *err);
zo_status api_forget_requests(zo_req *req, zo_error *err);
zo_status api_study_certificate(zo_req *req, zo_error *err);
zo_status api_study_verify(zo_req *req, zo_error *err);

zo_status api_model_kinds(zo_req *req, zo_error *err);
zo_status api_model_create(zo_req *req, zo_error *err);
zo_status api_model_list(zo_req *req, zo_error *err);
zo_status api_model_get(zo_req *req, zo_error *err);
zo_status api_model_delete(zo_req *req, zo_error *err);
zo_status api_model_learn(zo_req *req, zo_error *err);
zo_status api_model_forget(zo_req *req, zo_error *err);
zo_status api_model_relabel(zo_req *req, zo_error *err);
zo_status api_model_merge(zo_req *req, zo_error *err);
zo_status api_model_audit(zo_req *req, zo_error *err);
zo_status api_model_predict(zo_req *req, zo_error *err);
zo_status api_model_verify(zo_req *req, zo_error *err);
zo_status api_model_weights(zo_req *req, zo_error *err);
zo_status api_model_state(zo_req *req, zo_error *err);
zo_status api_model_stats(zo_req *req, zo_error *err);
zo_status api_model_history(zo_req *req, zo_error *err);
zo_status api_model_certificate(zo_req *req, zo_error *err);

zo_status api_import(zo_req *req, zo_error *err);

#endif
