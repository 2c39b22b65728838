/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/crew.h"

#include "shm/clock.h"
#include "tools/demo/narrate.h"
#include "tools/inspect/sighting.h"
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

void crew_start(struct crew *crew, uint32_t who)
{
	const struct settings *s = crew->settings;

	if (who < s->workers) {
		crew->workers[who].lives++;
		child_start(&crew->children[who],
			    "ringdex-mock\n--dir\n%s\n--blocks\n%u\n--host-blocks\n%u\n"
			    "--block-tokens\n%u\n--model\n" DEMO_MODEL
			    "\n--worker-id\n%u\n--ring-slots\n%u",
			    crew->dir, s->blocks, s->host_blocks, s->block_tokens, who,
			    s->ring_slots);
		return;
	}
	crew->indexer = CREW_COMING;
	crew->indexer_since_ns = rdx_clock_ns();
	child_start(&crew->children[who],
		    "ringdex-follow\n--json\n--dir\n%s\n--wait\n%s\n--initial-blocks\n%" PRIu64,
		    crew->dir, options_shared_waits[s->wait_mode],
		    (uint64_t)s->workers * (s->blocks + s->host_blocks));
}

/* The worker is dead: what its segment says. */
static void count_published(struct crew *crew, uint32_t w)
{
	struct rank_name name = {.worker_id = w};
	struct sighting last;
	struct space space;

	if (space_open(&space, crew->dir) < 0)
		return;
	if (sighting_look(&space, &name, &last) == 0 && last.state == SIGHTING_DEAD) {
		for (int i = 0; i < RDX_COUNTER_COUNT; i++)
			crew->published[i] += last.counters[i];
	}
	space_close(&space);
}

void crew_kill(struct crew *crew, uint32_t who)
{
	struct worker *worker = &crew->workers[who];
	int was_running = crew->children[who].pid != 0;

	child_stop(&crew->children[who]);
	if (who == crew->settings->workers)
		crew->indexer = CREW_DOWN;
	if (who == crew->settings->workers || !was_running)
		return;
	worker->epoch = worker->pending = worker->used_blocks = worker->asked_blocks = 0;
	count_published(crew, who);
}

void crew_stop_indexer(struct crew *crew)
{
	pid_t pid = crew->children[crew->settings->workers].pid;

	kill(pid, SIGSTOP);
	while (waitpid(pid, NULL, WUNTRACED) < 0 && errno == EINTR)
		;
	crew->indexer = CREW_STOPPED;
}

void crew_continue_indexer(struct crew *crew)
{
	crew->indexer = CREW_COMING;
	crew->indexer_since_ns = rdx_clock_ns();
	kill(crew->children[crew->settings->workers].pid, SIGCONT);
}

void crew_tell(struct crew *crew, uint32_t w, const char *line)
{
	crew->workers[w].pending++;
	child_tell(&crew->children[w], line);
}

int crew_heard(struct crew *crew, uint32_t who, struct json_object *object)
{
	struct worker *worker = &crew->workers[who];

	if (who == crew->settings->workers) {
		json_object_put(crew->indexer_state);
		crew->indexer_state = json_object_get(object);
		return json_object_object_get_ex(object, "wait", NULL);
	}
	if (json_object_object_get_ex(object, "ready", NULL)) {
		worker->epoch = crew_number(object, "epoch");
		return 1;
	}
	if (!worker->pending || (!json_object_object_get_ex(object, "command", NULL) &&
				 !json_object_object_get_ex(object, "id", NULL)))
		return 0;
	worker->pending--;
	if (json_object_object_get_ex(object, "free_blocks", NULL))
		worker->used_blocks = crew->settings->blocks - crew_number(object, "free_blocks");
	json_object_put(worker->answer);
	worker->answer = json_object_get(object);
	return 1;
}

/* Does the index show the worker's life exact, as the indexer saw it since it came? What it saw
 * then has all that was published before. */
static int is_exact(const struct crew *crew, uint32_t w)
{
	const struct rdx_index_rank *row = &crew->rows[w];

	return row->state == RDX_STATE_EXACT && row->epoch == crew->workers[w].epoch &&
	       crew->looked_ns - row->age_ns >= crew->indexer_since_ns;
}

int crew_is_up(const struct crew *crew)
{
	int is_followed = crew->indexer != CREW_DOWN;

	for (uint32_t w = 0; w < crew->settings->workers; w++) {
		if (crew->children[w].pid &&
		    (!crew->workers[w].epoch || (is_followed && !is_exact(crew, w))))
			return 0;
	}
	return 1;
}

/* The row of each worker, GONE where there is none. */
static void read_rows(struct crew *crew)
{
	static struct rdx_index_rank rows[RDX_RANKS_MAX] = {{.size = sizeof(rows[0])}};
	uint64_t now_ns = rdx_clock_ns();
	int count = rdx_index_ranks(crew->index, rows, RDX_RANKS_MAX);

	if (count < 0)
		return;
	crew->looked_ns = now_ns;
	for (uint32_t w = 0; w < DEMO_WORKERS_MAX; w++)
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
				    .block_tokens = crew->settings->block_tokens,
				    .flags = RDX_INDEX_ALL_RANKS};
	int r = 0;

	if (!crew->index && crew->indexer == CREW_COMING)
		r = rdx_index_open(&crew->index, crew->dir, &key);
	if (r < 0 && r != -ENOENT && r != -EAGAIN && r != -ESRCH)
		narrate_failure("cannot open the index in %s: %s", crew->dir, messages_explain(r));
	if (!crew->index)
		return;
	read_rows(crew);
	if (crew->indexer == CREW_COMING && crew_is_up(crew))
		crew->indexer = CREW_UP;
}
