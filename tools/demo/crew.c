/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/crew.h"

#include "tools/demo/narrate.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

void crew_open(struct crew *ret_crew, const struct settings *settings, const char *base_dir,
	       const char *name)
{
	*ret_crew = (struct crew){.settings = settings, .router = CHILD_NONE};
	for (uint32_t w = 0; w < DEMO_WORKERS_MAX; w++)
		ret_crew->workers[w].child = (struct child)CHILD_NONE;
	snprintf(ret_crew->dir, sizeof(ret_crew->dir), "%s/%s", base_dir, name);
}

void crew_close(struct crew *crew)
{
	rdx_index_close(crew->index);
	crew->index = NULL;
	child_stop(&crew->router);
	for (uint32_t w = 0; w < crew->settings->workers; w++)
		child_stop(&crew->workers[w].child);
}

/* -- start and end -- */

#define NAMESPACE_FORMAT "--dir\n%s\n--blocks\n%u\n--host-blocks\n%u\n--block-tokens\n%u\n"

void crew_start_worker(struct crew *crew, uint32_t w)
{
	const struct settings *s = crew->settings;
	struct worker *worker = &crew->workers[w];

	worker->state = CREW_STARTING;
	worker->lives++;
	child_start(&worker->child,
		    "ringdex-mock\n" NAMESPACE_FORMAT "--model\n" DEMO_MODEL
		    "\n--worker-id\n%u\n--ring-slots\n%u\n--decode-rate\n%u",
		    crew->dir, s->blocks, s->host_blocks, s->block_tokens, w, s->ring_slots,
		    DEMO_DECODE_RATE);
}

void crew_start_router(struct crew *crew)
{
	const struct settings *s = crew->settings;

	crew->router_state = CREW_STARTING;
	child_start(&crew->router,
		    "ringdex-demo\n--router\n" NAMESPACE_FORMAT
		    "--workers\n%u\n--overlap-weight\n%.9g\n--wait\n%s",
		    crew->dir, s->blocks, s->host_blocks, s->block_tokens, s->workers,
		    s->overlap_weight, options_shared_waits[s->wait_mode]);
}

/* What its segment says that it published, to the sums. */
static void account(struct crew *crew, uint32_t w)
{
	struct sighting last;

	if (!crew_sight(crew, w, &last))
		return;
	for (int counter = 0; counter < RDX_COUNTER_COUNT; counter++)
		crew->published[counter] += last.counters[counter];
}

void crew_account(struct crew *crew)
{
	for (uint32_t w = 0; w < crew->settings->workers; w++)
		account(crew, w);
}

void crew_kill_worker(struct crew *crew, uint32_t w)
{
	child_stop(&crew->workers[w].child);
	crew->workers[w].state = CREW_DOWN;
	crew->workers[w].pending = 0;
	account(crew, w);
}

void crew_kill_router(struct crew *crew)
{
	child_stop(&crew->router);
	crew->router_state = CREW_DOWN;
}

void crew_stop_router(struct crew *crew)
{
	kill(crew->router.pid, SIGSTOP);
	while (waitpid(crew->router.pid, NULL, WUNTRACED) < 0 && errno == EINTR)
		;
	crew->router_state = CREW_STOPPED;
}

void crew_continue_router(struct crew *crew)
{
	kill(crew->router.pid, SIGCONT);
	crew->router_state = CREW_UP;
}

/* -- to and from them -- */

void crew_tell(struct crew *crew, const char *line)
{
	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		struct worker *worker = &crew->workers[w];

		if (worker->state != CREW_UP)
			continue;
		worker->pending++;
		child_tell(&worker->child, "%s", line);
	}
}

int crew_is_up(const struct crew *crew)
{
	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		if (crew->workers[w].state != CREW_UP)
			return 0;
	}
	return crew->router_state != CREW_STARTING;
}

int crew_is_idle(const struct crew *crew)
{
	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		if (crew->workers[w].pending)
			return 0;
	}
	return 1;
}

uint64_t crew_number(struct json_object *object, const char *name)
{
	return json_object_get_uint64(json_object_object_get(object, name));
}

double crew_real(struct json_object *object, const char *name)
{
	return json_object_get_double(json_object_object_get(object, name));
}

int crew_heard_worker(struct crew *crew, uint32_t w, struct json_object *object)
{
	struct worker *worker = &crew->workers[w];
	const char *epoch = json_object_get_string(json_object_object_get(object, "epoch"));

	if (json_object_object_get_ex(object, "command", NULL)) {
		worker->pending--;
		json_object_put(worker->answer);
		worker->answer = json_object_get(object);
		return 1;
	}
	if (!epoch)
		return 0;
	worker->epoch = strtoull(epoch, NULL, 10);
	worker->state = CREW_UP;
	return 1;
}

int crew_heard_ready(struct crew *crew, struct json_object *object)
{
	const char *wait = json_object_get_string(json_object_object_get(object, "wait"));
	struct rdx_index_key key = {
		.size = sizeof(key),
		.model = DEMO_MODEL,
		.block_tokens = crew->settings->block_tokens,
	};
	int r;

	if (!wait)
		return 0;
	snprintf(crew->wait, sizeof(crew->wait), "%s", wait);
	crew->router_state = CREW_UP;
	rdx_index_close(crew->index);
	crew->index = NULL;
	r = rdx_index_open(&crew->index, crew->dir, &key);
	if (r < 0)
		narrate_failure("cannot open the router's index in %s: %s", crew->dir,
				messages_explain(r));
	return 1;
}

/* -- what they share -- */

int crew_row(const struct crew *crew, uint32_t w, struct rdx_index_rank *ret_row)
{
	static struct rdx_index_rank rows[RDX_RANKS_MAX] = {{.size = sizeof(rows[0])}};
	int count = rdx_index_ranks(crew->index, rows, RDX_RANKS_MAX);

	for (int i = 0; i < count; i++) {
		if (rows[i].worker_id == w) {
			*ret_row = rows[i];
			return 1;
		}
	}
	return 0;
}

int crew_sight(const struct crew *crew, uint32_t w, struct sighting *ret_sighting)
{
	struct rank_name name = {.worker_id = w};
	struct space space;
	int r;

	if (space_open(&space, crew->dir) < 0)
		return 0;
	r = sighting_look(&space, &name, ret_sighting);
	space_close(&space);
	return r == 0 && ret_sighting->state != SIGHTING_UNREADABLE;
}
