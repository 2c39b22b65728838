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
	if (report.state == KEEPER_IN_TROUBLE || report.state == KEEPER_STARTING)
		ret_answer->status = 503;
	answer_text(ret_answer, ret_answer->status == 200
					? "{\"status\":\"ok\",\"indexer\":"
					: "{\"status\":\"unavailable\",\"indexer\":");
	answer_json_text(ret_answer, keeper_state_text(report.state));
	answer_text(ret_answer, "}");
}

const struct route routes_all[] = {
	{"GET", "/", 1, page_answer},
	{"GET", "/page.css", 1, page_answer},
	{"GET", "/page.js", 1, page_answer},
	{"GET", "/icon.svg", 1, page_answer},
	{"GET", "/v1/live", 0, live_answer},
	{"GET", "/health", 1, health},
	{"GET", "/dump", 0, dump_answer},
	{"GET", "/metrics", 0, metrics_answer},
	{"GET", "/peers", 0, peers_answer},
	{"GET", "/workers", 0, workers_answer},
	{"POST", "/deregister_peer", 0, peers_deregister},
	{"POST", "/query", 0, query_tokens},
	{"POST", "/query_by_hash", 0, query_hashes},
	{"POST", "/query_tiered_by_hash", 0, query_tiers},
	{"POST", "/v1/query", 0, query_v1},
	{"GET", "/v1/workers", 0, workers_v1},
	{"POST", "/v1/choose", 0, choose_answer},
	{"GET", "/v1/openapi.json", 0, openapi_answer},
	{"POST", "/register", 0, register_engine},
	{"POST", "/register_peer", 0, peers_register},
	{"POST", "/unregister", 0, unregister_engine},
	{0},
};
