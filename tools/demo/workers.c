/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/demo/workers.h"

#include "tools/inspect/sighting.h"
#include "tools/program/messages.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 24

int worker_start(struct pass *pass, struct worker *worker)
{
	const struct settings *s = pass->settings;
	char path[PATH_MAX], id[NUMBER_BYTES], blocks[NUMBER_BYTES], host[NUMBER_BYTES];
	char tokens[NUMBER_BYTES], slots[NUMBER_BYTES], rate[NUMBER_BYTES];
	char *arguments[] = {"ringdex-mock", "--dir", pass->dir, "--worker-id", id, "--model",
			     DEMO_MODEL, "--blocks", blocks, "--host-blocks", host,
			     "--block-tokens", tokens, "--ring-slots", slots, "--decode-rate", rate,
			     NULL};
	int r;

	snprintf(path, sizeof(path), "%s/ringdex-mock", s->bin);
	snprintf(id, sizeof(id), "%u", worker->id);
	snprintf(blocks, sizeof(blocks), "%u", s->blocks);
	snprintf(host, sizeof(host), "%u", s->host_blocks);
	snprintf(tokens, sizeof(tokens), "%u", s->block_tokens);
	snprintf(slots, sizeof(slots), "%u", s->ring_slots);
	snprintf(rate, sizeof(rate), "%d", DEMO_DECODE_RATE);
	r = child_start(&worker->child, path, arguments);
	if (r < 0) {
		messages_say("cannot start %s: %s: it is built and installed beside this program", path,
			 strerror(-r));
		return r;
	}
	worker->state = WORKER_STARTING;
	worker->pending = 0;
	worker->lives++;
	return 0;
}

int workers_start(struct pass *pass)
{
	int r = 0, starting = 1;

	for (uint32_t i = 0; r == 0 && i < pass->settings->workers; i++)
		r = worker_start(pass, &pass->workers[i]);
	while (r == 0 && starting) {
		r = pass_pump(pass, 100);
		starting = 0;
		for (uint32_t i = 0; i < pass->settings->workers; i++)
			starting |= pass->workers[i].state != WORKER_UP;
	}
	return r;
}

int worker_send(struct worker *worker, const char *text, size_t length)
{
	int r = child_send(&worker->child, text, length);

	if (r < 0) {
		messages_say("worker %u does not listen any more: %s", worker->id, strerror(-r));
		return r;
	}
	worker->pending++;
	return 0;
}

void worker_bury(struct pass *pass, struct worker *worker)
{
	struct rank_name name = {.worker_id = worker->id};
	struct space space;
	struct sighting last;

	if (space_open(&space, pass->dir) < 0)
		return;
	if (sighting_look(&space, &name, &last) == 0 && last.state != SIGHTING_UNREADABLE) {
		pass->published.events += last.last_event_id;
		pass->published.blocks_stored += last.counters[RDX_COUNTER_BLOCKS_STORED];
		pass->published.blocks_removed += last.counters[RDX_COUNTER_BLOCKS_REMOVED];
		pass->published.clears += last.counters[RDX_COUNTER_CLEARS];
		pass->published.inexact_marks += last.counters[RDX_COUNTER_INEXACT_MARKS];
	}
	space_close(&space);
}

static uint64_t number(struct json_object *object, const char *name)
{
	uint64_t value = 0;

	requests_number(object, name, UINT64_MAX, &value);
	return value;
}

static int account(struct pass *pass, struct worker *worker)
{
	struct json_object *stats, *ns;
	struct publish_latency *latency = &pass->latency[worker->id];
	struct published *sum = &pass->published;
	int r = pass_command(pass, worker->id, "{\"command\":\"stats\"}\n", &stats);

	if (r < 0)
		return r;
	sum->events += number(stats, "events");
	sum->blocks_stored += number(stats, "blocks_stored");
	sum->blocks_removed += number(stats, "blocks_removed");
	sum->clears += number(stats, "clears");
	sum->inexact_marks += number(stats, "inexact_marks");
	ns = json_object_object_get(stats, "publish_ns");
	latency->calls = number(stats, "publish_calls");
	latency->p50_ns = number(ns, "p50");
	latency->p99_ns = number(ns, "p99");
	latency->max_ns = number(ns, "max");
	latency->per_block_ns = json_object_get_double(
		json_object_object_get(stats, "publish_ns_per_stored_block"));
	json_object_put(stats);
	return 0;
}

int workers_account(struct pass *pass)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < pass->settings->workers; i++)
		r = account(pass, &pass->workers[i]);
	return r;
}
