/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/workers_v1.h"

#include "tools/ringdexd/desk.h"
#include "tools/ringdexd/member.h"
#include "tools/ringdexd/parameter.h"
#include "tools/ringdexd/worth.h"

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
	answer_text(answer, "{");
	member_text(answer, "model", name->model);
	member_text(answer, "tenant", name->tenant);
	member_number(answer, "block_tokens", name->block_tokens);
	member_number(answer, "worker", rank->worker_id);
	member_number(answer, "dp_rank", rank->dp_rank);
	member_text(answer, "instance", rank->instance);
}

/* As `ringdex ls --json` has it: a name of errno. */
static void put_state(struct answer *answer, const struct rdx_index_rank *rank)
{
	const char *cause = rank->cause ? strerrorname_np(-rank->cause) : NULL;

	member_text(answer, "state", worth_text(rank->state));
	member_text(answer, "cause", cause);
	member_age(answer, "age_ns", rank->age_ns);
	member_age(answer, "event_age_ns", rank->event_age_ns);
}

static void put_counters(struct answer *answer, const struct rdx_index_rank *rank)
{
	member_number(answer, "epoch", rank->epoch);
	member_number(answer, "last_event_id", rank->last_event_id);
	member_number(answer, "position", rank->position);
	member_number(answer, "events", rank->events);
	member_number(answer, "events_dead", rank->events_dead);
	member_number(answer, "slots_lost", rank->slots_lost);
}

static void put_rank(struct answer *answer, const struct index_name *name,
		     const struct rdx_index_rank *rank)
{
	put_name(answer, name, rank);
	put_state(answer, rank);
	member_tiers(answer, "held_blocks", rank->blocks);
	put_counters(answer, rank);
	member_recoveries(answer, "recoveries", rank->recoveries);
	member_number(answer, "recovery_ns", rank->recovery_ns);
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

/* A name that nobody can have would be answered as one that nobody has. 1; 0 where that is answered. */
static int check_parameters(const struct parameter *list, size_t count, struct answer *answer)
{
	for (size_t i = 0; i < count; i++) {
		if (!list[i].is_there || (list[i].is_whole && list[i].is_encoded))
			continue;
		answer_error(answer, 400, "%s is longer than %d bytes, or not encoded as in a URL",
			     list[i].name, RDX_TEXT_BYTES - 1);
		return 0;
	}
	return 1;
}

static int is_asked_for(const struct parameter *parameter, const char *name)
{
	return !parameter->is_there || strcmp(parameter->value, name) == 0;
}

void workers_v1(void *context, const struct request *request, struct answer *ret_answer)
{
	struct parameter list[] = {{.name = "model"}, {.name = "tenant"}};
	const struct parameter *twice;
	const struct shelf_index *indexes;
	struct desk *desk = context;
	size_t count;
	int any = 0;

	if (parameter_read(request->query, list, 2, &twice) < 0) {
		answer_error(ret_answer, 400, "%s is there twice: give it once", twice->name);
		return;
	}
	if (!check_parameters(list, 2, ret_answer))
		return;
	count = shelf_all(desk->shelf, &indexes);
	answer_text(ret_answer, "{\"ranks\":[");
	for (size_t i = 0; i < count; i++)
		if (is_asked_for(&list[0], indexes[i].name.model) &&
		    is_asked_for(&list[1], indexes[i].name.tenant))
			put_index(desk, &indexes[i], &any, ret_answer);
	answer_text(ret_answer, "]}");
}
