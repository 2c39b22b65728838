/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/crew.h"

#include "shm/clock.h"
#include "tools/demo/narrate.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>

static struct crew *open_crew;

static void close_at_exit(void)
{
	if (open_crew)
		crew_close(open_crew);
}

void crew_open(struct crew *ret_crew, const struct settings *settings, const char *dir)
{
	*ret_crew = (struct crew){.settings = settings, .dir = dir};
	open_crew = ret_crew;
	atexit(close_at_exit);
}

void crew_close(struct crew *crew)
{
	rdx_index_close(crew->index);
	crew->index = NULL;
	for (uint32_t who = 0; who <= crew->settings->workers; who++)
		crew_kill(crew, who);
	open_crew = NULL;
}

/* -- start and end -- */

void crew_start(struct crew *crew, uint32_t who)
{
	const struct settings *s = crew->settings;
	struct member *member = &crew->members[who];

	member->state = CREW_STARTING;
	member->since_ns = rdx_clock_ns();
	member->newest = 0;
	member->lives++;
	if (who == s->workers)
		child_start(&crew->children[who],
			    "ringdex-follow\n--json\n--dir\n%s\n--wait\n%s\n--initial-blocks\n"
			    "%" PRIu64,
			    crew->dir, options_shared_waits[s->wait_mode],
			    (uint64_t)s->workers * (s->blocks + s->host_blocks));
	else
		child_start(&crew->children[who],
			    "ringdex-mock\n--dir\n%s\n--blocks\n%u\n--host-blocks\n%u\n"
			    "--block-tokens\n%u\n--model\n" DEMO_MODEL
			    "\n--worker-id\n%u\n--ring-slots\n%u\n--decode-rate\n%u",
			    crew->dir, s->blocks, s->host_blocks, s->block_tokens, who,
			    s->ring_slots, DEMO_DECODE_RATE);
}

void crew_kill(struct crew *crew, uint32_t who)
{
	int is_worker = crew->children[who].pid && who < crew->settings->workers;
	struct sighting last;

	child_stop(&crew->children[who]);
	crew->members[who].state = CREW_DOWN;
	crew->members[who].pending = 0;
	is_worker = is_worker && crew_sight(crew, who, &last);
	for (int i = 0; is_worker && i < RDX_COUNTER_COUNT; i++)
		crew->published[i] += last.counters[i];
}

void crew_stop_indexer(struct crew *crew)
{
	pid_t pid = crew->children[crew->settings->workers].pid;

	kill(pid, SIGSTOP);
	while (waitpid(pid, NULL, WUNTRACED) < 0 && errno == EINTR)
		;
	crew_indexer(crew)->state = CREW_STOPPED;
	crew_indexer(crew)->since_ns = rdx_clock_ns();
	crew_look(crew);
}

void crew_continue_indexer(struct crew *crew)
{
	struct sighting sighting;

	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		if (crew_sight(crew, w, &sighting))
			crew->members[w].newest = sighting.last_event_id;
	}
	kill(crew->children[crew->settings->workers].pid, SIGCONT);
	crew_indexer(crew)->since_ns = rdx_clock_ns();
}

/* -- to and from them -- */

void crew_tell(struct crew *crew, uint32_t w, const char *line)
{
	crew->members[w].pending++;
	child_tell(&crew->children[w], "%s", line);
}

void crew_tell_all(struct crew *crew, const char *line)
{
	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		if (crew->members[w].state == CREW_UP)
			crew_tell(crew, w, line);
	}
}

int crew_is_up(const struct crew *crew)
{
	for (uint32_t who = 0; who <= crew->settings->workers; who++) {
		if (crew->children[who].pid && crew->members[who].state != CREW_UP)
			return 0;
	}
	return 1;
}

int crew_is_idle(const struct crew *crew)
{
	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		if (crew->members[w].pending)
			return 0;
	}
	return 1;
}

int crew_heard_worker(struct crew *crew, uint32_t w, struct json_object *object)
{
	struct member *worker = &crew->members[w];

	if (json_object_object_get_ex(object, "command", NULL)) {
		worker->pending--;
		json_object_put(worker->answer);
		worker->answer = json_object_get(object);
		return 1;
	}
	worker->epoch = crew_number(object, "epoch");
	worker->state = CREW_UP;
	return json_object_object_get_ex(object, "ready", NULL);
}

int crew_heard_indexer(struct crew *crew, struct json_object *object)
{
	const char *wait = crew_text(object, "wait");

	snprintf(crew->wait, sizeof(crew->wait), "%s", wait ? wait : "");
	crew->index_bytes = crew_number(object, "table_bytes");
	return wait != NULL;
}

/* -- what they share -- */

int crew_is_exact(const struct crew *crew, uint32_t w, uint64_t since_ns)
{
	const struct rdx_index_rank *row = &crew->rows[w];

	return row->state == RDX_STATE_EXACT && row->epoch == crew->members[w].epoch &&
	       row->last_event_id >= crew->members[w].newest &&
	       crew->looked_ns - row->age_ns >= since_ns;
}

/* The row of each worker, GONE where there is none. */
static void read_rows(struct crew *crew)
{
	static struct rdx_index_rank rows[RDX_RANKS_MAX] = {{.size = sizeof(rows[0])}};
	int count = rdx_index_ranks(crew->index, rows, RDX_RANKS_MAX);

	crew->looked_ns = rdx_clock_ns();
	for (uint32_t w = 0; count >= 0 && w < DEMO_WORKERS_MAX; w++)
		crew->rows[w] = (struct rdx_index_rank){.state = RDX_STATE_GONE};
	for (int i = 0; i < count; i++) {
		if (rows[i].worker_id < DEMO_WORKERS_MAX)
			crew->rows[rows[i].worker_id] = rows[i];
	}
}

void crew_look(struct crew *crew)
{
	struct rdx_index_key key = {.size = sizeof(key),
				    .model = DEMO_MODEL,
				    .block_tokens = crew->settings->block_tokens};
	struct member *indexer = crew_indexer(crew);
	int r = 0;

	if (!crew->index && indexer->state == CREW_STARTING)
		r = rdx_index_open(&crew->index, crew->dir, &key);
	if (r < 0 && r != -ENOENT)
		narrate_failure("cannot open the index in %s: %s", crew->dir, messages_explain(r));
	if (!crew->index)
		return;
	read_rows(crew);
	for (uint32_t w = 0; w < crew->settings->workers; w++)
		r |= !crew_is_exact(crew, w, indexer->since_ns);
	if (r == 0 && indexer->state != CREW_DOWN)
		indexer->state = CREW_UP;
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
