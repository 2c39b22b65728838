/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/routes.h"

#include "tools/ringdexd/choose.h"
#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/dump.h"
#include "tools/ringdexd/live.h"
#include "tools/ringdexd/metrics.h"
#include "tools/ringdexd/openapi.h"
#include "tools/ringdexd/page.h"
#include "tools/ringdexd/peers.h"
#include "tools/ringdexd/query.h"
#include "tools/ringdexd/query_v1.h"
#include "tools/ringdexd/register.h"
#include "tools/ringdexd/workers.h"
#include "tools/ringdexd/workers_v1.h"

static void health(void *context, const struct request *request, struct answer *ret_answer)
{
	struct desk *desk = context;
	struct keeper_report report;

	(void)request;
	keeper_report(desk->keeper, &report);
	if (report.state != KEEPER_AT_WORK && report.state != KEEPER_STANDING_BY)
		ret_answer->status = 503;
	answer_text(ret_answer, ret_answer->status == 200
					? "{\"status\":\"ok\",\"indexer\":"
					: "{\"status\":\"unavailable\",\"indexer\":");
	answer_json_text(ret_answer, keeper_state_text(report.state));
	answer_text(ret_answer, "}");
}

/* /v1 is strict: a parameter that it does not know may ask for what would not be answered. */
static const char *const no_parameters[] = {NULL};
static const char *const of_workers[] = {"model", "tenant", NULL};

const struct route routes_all[] = {
	{"GET", "/", 1, page_answer, NULL},
	{"GET", "/page.css", 1, page_answer, NULL},
	{"GET", "/page.js", 1, page_answer, NULL},
	{"GET", "/icon.svg", 1, page_answer, NULL},
	{"GET", "/v1/live", 0, live_answer, no_parameters},
	{"GET", "/health", 1, health, NULL},
	{"GET", "/dump", 0, dump_answer, NULL},
	{"GET", "/metrics", 0, metrics_answer, NULL},
	{"GET", "/peers", 0, peers_answer, NULL},
	{"GET", "/workers", 0, workers_answer, NULL},
	{"POST", "/deregister_peer", 0, peers_deregister, NULL},
	{"POST", "/query", 0, query_tokens, NULL},
	{"POST", "/query_by_hash", 0, query_hashes, NULL},
	{"POST", "/query_tiered_by_hash", 0, query_tiers, NULL},
	{"POST", "/v1/query", 0, query_v1, no_parameters},
	{"GET", "/v1/workers", 0, workers_v1, of_workers},
	{"POST", "/v1/choose", 0, choose_answer, no_parameters},
	{"GET", "/v1/openapi.json", 0, openapi_answer, no_parameters},
	{"POST", "/register", 0, register_engine, NULL},
	{"POST", "/register_peer", 0, peers_register, NULL},
	{"POST", "/unregister", 0, unregister_engine, NULL},
	{0},
};
