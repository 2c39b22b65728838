/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/workers_v1.h"

#include "tools/ringdexd/inquiry.h"
#include "tools/ringdexd/parameter.h"
#include "tools/ringdexd/worth.h"

#include <ringdex/rdx_reader.h>

#include <stdlib.h>
#include <string.h>

static int compare_ranks(const void *a, const void *b)
{
	const struct rdx_index_rank *x = a, *y = b;

	if (x->worker_id != y->worker_id)
		return x->worker_id < y->worker_id ? -1 : 1;
	return (x->dp_rank > y->dp_rank) - (x->dp_rank < y->dp_rank);
}

static void put_name(struct answer *answer, const struct index_name *name,
		     const struct rdx_index_rank *rank)
{
	answer_text(answer, "{\"model\":");
	answer_json_text(answer, name->model);
	answer_text(answer, ",\"tenant\":");
	answer_json_text(answer, name->tenant);
	answer_text(answer, ",\"block_tokens\":");
	answer_number(answer, name->block_tokens);
	answer_text(answer, ",\"worker\":");
	answer_number(answer, rank->worker_id);
	answer_text(answer, ",\"dp_rank\":");
	answer_number(answer, rank->dp_rank);
	answer_text(answer, ",\"instance\":");
	answer_json_text(answer, rank->instance);
}

/* As `ringdex ls --json` has it: a name of errno. */
static void put_state(struct answer *answer, const struct rdx_index_rank *rank)
{
	const char *cause = rank->cause ? strerrorname_np(-rank->cause) : NULL;

	answer_text(answer, ",\"state\":");
	answer_json_text(answer, worth_text(rank->state));
	answer_text(answer, ",\"cause\":");
	if (cause)
		answer_json_text(answer, cause);
	else
		answer_text(answer, "null");
	inquiry_put_age(answer, ",\"age_ns\":", rank->age_ns);
	inquiry_put_age(answer, ",\"event_age_ns\":", rank->event_age_ns);
}

static void put_counters(struct answer *answer, const struct rdx_index_rank *rank)
{
	answer_text(answer, ",\"epoch\":");
	answer_number(answer, rank->epoch);
	answer_text(answer, ",\"last_event_id\":");
	answer_number(answer, rank->last_event_id);
	answer_text(answer, ",\"position\":");
	answer_number(answer, rank->position);
	answer_text(answer, ",\"events\":");
	answer_number(answer, rank->events);
	answer_text(answer, ",\"events_dead\":");
	answer_number(answer, rank->events_dead);
	answer_text(answer, ",\"slots_lost\":");
	answer_number(answer, rank->slots_lost);
}

static void put_recoveries(struct answer *answer, const struct rdx_index_rank *rank)
{
	answer_text(answer, ",\"recoveries\":{\"continue\":");
	answer_number(answer, rank->recoveries[RDX_RECOVERED_CONTINUE]);
	answer_text(answer, ",\"barrier\":");
	answer_number(answer, rank->recoveries[RDX_RECOVERED_BARRIER]);
	answer_text(answer, ",\"ledger\":");
	answer_number(answer, rank->recoveries[RDX_RECOVERED_LEDGER]);
	answer_text(answer, "},\"recovery_ns\":");
	answer_number(answer, rank->recovery_ns);
}

static void put_rank(struct answer *answer, const struct index_name *name,
		     const struct rdx_index_rank *rank)
{
	put_name(answer, name, rank);
	put_state(answer, rank);
	answer_text(answer, ",\"held_blocks\":{");
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		answer_print(answer, "%s\"%s\":", tier ? "," : "", rdx_tier_text(tier));
		answer_number(answer, rank->blocks[tier]);
	}
	answer_text(answer, "}");
	put_counters(answer, rank);
	put_recoveries(answer, rank);
	answer_text(answer, "}");
}

static void put_index(struct desk *desk, const struct shelf_index *index, int *any,
		      struct answer *answer)
{
	struct rdx_index_rank *ranks = desk->ranks;
	int count = shelf_ranks(desk->shelf, index, ranks);

	qsort(ranks, (size_t)count, sizeof(*ranks), compare_ranks);
	for (int i = 0; i < count; i++) {
		if (*any)
			answer_text(answer, ",");
		*any = 1;
		put_rank(answer, &index->name, &ranks[i]);
	}
}

void workers_v1(void *context, const struct request *request, struct answer *ret_answer)
{
	char model[RDX_TEXT_BYTES], tenant[RDX_TEXT_BYTES];
	int has_model = parameter_get(request->query, "model", model, sizeof(model));
	int has_tenant = parameter_get(request->query, "tenant", tenant, sizeof(tenant));
	const struct shelf_index *indexes;
	struct desk *desk = context;
	size_t count;
	int any = 0;

	if (has_model < 0 || has_tenant < 0) {
		answer_error(ret_answer, 400,
			     "%s is longer than 255 bytes, or not encoded as in a URL",
			     has_model < 0 ? "model" : "tenant");
		return;
	}
	count = shelf_all(desk->shelf, &indexes);
	answer_text(ret_answer, "{\"ranks\":[");
	for (size_t i = 0; i < count; i++)
		if ((!has_model || strcmp(indexes[i].name.model, model) == 0) &&
		    (!has_tenant || strcmp(indexes[i].name.tenant, tenant) == 0))
			put_index(desk, &indexes[i], &any, ret_answer);
	answer_text(ret_answer, "]}");
}
