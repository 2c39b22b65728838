/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/mock/announce.h"
#include "shm/clock.h"

#include <stdlib.h>

#define WIDE_WORDS 4 /* of a name of 32 bytes */

int announcer_open(struct announcer *ret_announcer, const struct rdx_publisher_options *options,
		   uint8_t name_bytes, struct rdx_hash_key *ret_key)
{
	struct announcer announcer = {.name_bytes = name_bytes};
	int error = rdx_publisher_open(&announcer.publisher, options);

	if (error)
		return error;
	announcer.epoch = rdx_publisher_epoch(announcer.publisher);
	*ret_key = *rdx_publisher_hash_key(announcer.publisher);
	*ret_announcer = announcer;
	return 0;
}

void announcer_close(struct announcer *announcer)
{
	rdx_publisher_close(announcer->publisher);
	samples_free(&announcer->calls);
	free(announcer->wide);
	announcer->publisher = NULL;
	announcer->wide = NULL;
}

static void widen(uint64_t name, uint64_t *ret_words)
{
	for (uint32_t i = 0; i < WIDE_WORDS; i++)
		ret_words[i] = rdx_trace_mix(name + i * RDX_TRACE_GOLDEN);
}

/* The event's names as they are published; the parent's is behind them. NULL: no memory. */
static const void *published_names(struct announcer *announcer, const struct engine_event *event,
				   const void **ret_parent)
{
	uint64_t *parent;

	*ret_parent = event->parent ? &event->parent : NULL;
	if (announcer->name_bytes == sizeof(uint64_t))
		return event->names;
	if (event->count + 1 > announcer->wide_capacity) {
		uint64_t *wide = realloc(announcer->wide, 2 * (event->count + (size_t)1) *
								  WIDE_WORDS * sizeof(*wide));

		if (!wide)
			return NULL;
		announcer->wide = wide;
		announcer->wide_capacity = 2 * (event->count + 1);
	}
	for (uint32_t i = 0; i < event->count; i++)
		widen(event->names[i], announcer->wide + (size_t)i * WIDE_WORDS);
	parent = announcer->wide + (size_t)event->count * WIDE_WORDS;
	if (event->parent) {
		widen(event->parent, parent);
		*ret_parent = parent;
	}
	return announcer->wide;
}

static int publish(struct announcer *announcer, const struct engine_event *event, uint64_t time_ns,
		   const void *names, const void *parent)
{
	if (event->kind == RDX_EVENT_CLEARED)
		return rdx_publish_cleared(announcer->publisher, event->tier, time_ns);
	if (event->kind == RDX_EVENT_REMOVED)
		return rdx_publish_removed(announcer->publisher,
					   &(struct rdx_removed){
						   .size = sizeof(struct rdx_removed),
						   .time_ns = time_ns,
						   .names = names,
						   .count = event->count,
						   .tier = event->tier,
						   .name_bytes = announcer->name_bytes,
					   });
	return rdx_publish_stored(
		announcer->publisher,
		&(struct rdx_stored){
			.size = sizeof(struct rdx_stored),
			.time_ns = time_ns,
			.names = names,
			.parent = parent,
			.tokens = event->tokens,
			.token_count = (uint64_t)event->count * event->block_tokens,
			.count = event->count,
			.tier = event->tier,
			.name_bytes = announcer->name_bytes,
		});
}

void announcer_event(void *context, const struct engine_event *event)
{
	struct announcer *announcer = context;
	const void *parent;
	const void *names = published_names(announcer, event, &parent);
	uint64_t started_ns = rdx_clock_ns(), took_ns;
	int error;

	if (names || event->kind == RDX_EVENT_CLEARED)
		error = publish(announcer, event, started_ns, names, parent);
	else
		error = rdx_publish_inexact(announcer->publisher, RDX_INEXACT_UNKNOWN, started_ns);
	took_ns = rdx_clock_ns() - started_ns;
	samples_add(&announcer->calls, took_ns);
	announcer->blocks += event->count;
	if (event->tokens) {
		announcer->stored_ns += took_ns;
		announcer->stored_blocks += event->count;
	}
	if (error) {
		announcer->failed++;
		if (!announcer->first_error)
			announcer->first_error = error;
	}
}
