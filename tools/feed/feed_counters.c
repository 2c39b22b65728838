/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_counters.h"

#include "shm/segment_layout.h"
#include "tools/program/counters.h"
#include "tools/program/figures.h"
#include "tools/program/messages.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

static const struct {
	size_t offset; /* in the publisher's or the translator's statistics */
	int is_engines;
	int is_harmless;
	unsigned int counter; /* of the publisher: whose text it has */
	const char *text;
} kinds[] = {
#define PUBLISHER(name, field)                                                                     \
	{                                                                                          \
		offsetof(struct rdx_publisher_stats, field), 0, 0, RDX_COUNTER_##name, NULL        \
	}
#define ENGINE(field, harmless, text)                                                              \
	{                                                                                          \
		offsetof(struct rdx_engine_stats, field), 1, harmless, 0, text                     \
	}
	ENGINE(other_owners, 1, "event left out: by locality or ownership not this worker's"),
	ENGINE(left_out, 1, "event left out, as --medium or --event says"),
	ENGINE(other_groups, 1, "event left out: of a cache group that decides no prefix hit"),
	ENGINE(unknown_types, 0, "event of an unknown type: give --event"),
	ENGINE(unknown_media, 0, "event of an unknown medium: give --medium"),
	ENGINE(unknown_kinds, 0, "event of an unknown kind of cache group: give --counting-kinds"),
	ENGINE(unknown_fields, 0,
	       "event with an unknown field: give --ignore-field if it means nothing"),
	ENGINE(unknown_keys, 0, "event with extra keys that are not understood"),
	ENGINE(nameless_adapters, 0, "event with a lora_id and no lora_name"),
	ENGINE(contradictions, 0, "event with fields that are missing or contradict each other"),
	ENGINE(further_groups, 0,
	       "event of a further cache group that counts: give --counting-groups"),
	ENGINE(late, 0, "time that the stream did not begin at the engine's birth"),
	ENGINE(gaps, 0, "gap in the sequence: events are lost"),
	ENGINE(restarts, 1, "time that the sequence began again: all was cleared"),
	ENGINE(unreadable, 0, "line that could not be read"),
	PUBLISHER(UNKNOWN_PARENTS, unknown_parents),
	PUBLISHER(UNKNOWN_NAMES, unknown_names),
	PUBLISHER(UNKNOWN_REMOVALS, unknown_removals),
	PUBLISHER(MISMATCHED, mismatched),
	PUBLISHER(OTHER_BLOCK_SIZE, other_block_size),
	PUBLISHER(CONFLICTS, conflicts),
	PUBLISHER(LEDGER_FULL, ledger_full),
	PUBLISHER(MAP_FULL, map_full),
	PUBLISHER(UNREPRESENTED, unrepresented),
	PUBLISHER(INEXACT_MARKS, inexact_marks),
#undef PUBLISHER
#undef ENGINE
};
#define KINDS (sizeof(kinds) / sizeof(*kinds))
static_assert(KINDS <= FEED_COUNTERS_MAX, "room");

static int is_unreadable(size_t kind)
{
	return kinds[kind].is_engines &&
	       kinds[kind].offset == offsetof(struct rdx_engine_stats, unreadable);
}

static const char *text_of(size_t kind)
{
	const char *text = kinds[kind].text;

	if (!text)
		text = counters_warning(kinds[kind].counter);
	return text ? text : "time it became LACKING or INEXACT";
}

/* At `line_number` of the input; 0: at its end, as a sum. */
static void say(const struct feed_counters *counters, size_t kind, const char *input,
		uint64_t line_number)
{
	const char *weight = kinds[kind].is_harmless ? "note" : "warning";
	char text[FIGURES_COUNTED_BYTES];

	figures_counted(counters->seen[kind], text_of(kind), text);
	if (line_number)
		messages_say("%s:%" PRIu64 ": %s: worker %" PRIu64 " rank %u: %s", input,
			     line_number, weight, counters->worker, counters->dp_rank, text);
	else
		messages_say("%s: %s: worker %" PRIu64 " rank %u: in all %s", input, weight,
			     counters->worker, counters->dp_rank, text);
}

void feed_counters_note(struct feed_counters *counters, const struct rdx_publisher *publisher,
			const struct rdx_engine *engine, const char *input, uint64_t line_number)
{
	struct rdx_publisher_stats published = {.size = sizeof(published)};
	struct rdx_engine_stats translated = {.size = sizeof(translated)};

	rdx_publisher_get_stats(publisher, &published);
	rdx_engine_get_stats(engine, &translated);
	for (size_t i = 0; i < KINDS; i++) {
		const char *stats =
			kinds[i].is_engines ? (const char *)&translated : (const char *)&published;
		uint64_t value;

		memcpy(&value, stats + kinds[i].offset, sizeof(value));
		counters->seen[i] = value;
		if (counters->says_unreadable && is_unreadable(i))
			continue;
		if (!value || counters->said[i])
			continue;
		counters->said[i] = value;
		say(counters, i, input, line_number);
	}
}

void feed_counters_sum_up(const struct feed_counters *counters, const char *input)
{
	for (size_t i = 0; i < KINDS; i++) {
		if (counters->seen[i] != counters->said[i])
			say(counters, i, input, 0);
	}
}
