/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-size: how much memory a host needs, and the settings that give it.
 */
#include "consumer/writer/columns.h"
#include "consumer/writer/grow.h"
#include "shm/event.h"
#include "shm/index_layout.h"
#include "shm/segment.h"
#include "tools/program/figures.h"
#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define MIB               (UINT64_C(1) << 20)
#define SMALL_FILES_BYTES (UINT64_C(1) << 20) /* key, bell, locks, clear files, .ctl */
#define INITIAL_BLOCKS    UINT64_C(4096)      /* of an index, as in rdx_indexer.h */
#define SETS_SHARE        8   /* of a table's lines, for sets of ranks that share blocks */
#define NAME_BYTES        100 /* of a publisher's own memory, for a name that it can know */
#define LACKING_BYTES     12  /* and for a block's share of those that it lacks */
#define EVENT_BLOCKS_MAX  1000000
#define NS_PER_S          UINT64_C(1000000000)
#define OUTAGE_MAX_NS     (UINT64_C(1000) * 24 * 3600 * NS_PER_S)

struct size_options {
	int json;
	uint64_t ranks;
	uint64_t restarting;
	uint64_t tier_blocks[RDX_TIER_COUNT];
	uint64_t blocks_per_event;
	double events_per_second;
	uint64_t outage_ns;
};

struct sizes {
	uint64_t event_slots; /* of one batch of blocks_per_event */
	uint64_t slots_needed;
	struct rdx_segment_header segment;
	uint64_t ring_bytes;
	uint64_t ledger_bytes;
	double bridged_s;        /* by the ring chosen */
	uint64_t segments_bytes; /* of all ranks */
	uint64_t restart_bytes;
	uint64_t publisher_bytes; /* private to each rank's process */
	uint64_t blocks;          /* of all ranks, in all tiers */
	uint32_t tiers;
	uint64_t index_bytes;
	uint64_t index_peak_bytes; /* while a new table is built */
	uint64_t total_bytes;
};

#define TO(member) OPTIONS_TO(struct size_options, member)
#define TIER(tier) TO(tier_blocks[tier]), .max = RDX_TIER_BLOCKS_MAX

static const struct options_entry entries[] = {
	OPTIONS_JSON(TO(json)),
	{.help = "What ranks hold:", .kind = OPTIONS_HEADING},
	{"ranks", 0, "N", "Ranks on the host, each with a segment", OPTIONS_NUMBER, TO(ranks),
	 .min = 1, .max = RDX_RANKS_MAX},
	{"restarting", 0, "N",
	 "Ranks that restart at the same time, the old segment of each beside the new one until "
	 "that is complete",
	 OPTIONS_NUMBER, TO(restarting), .max = RDX_RANKS_MAX},
	OPTIONS_BLOCKS(TIER(RDX_TIER_DEVICE)),
	OPTIONS_HOST_BLOCKS(TIER(RDX_TIER_HOST)),
	OPTIONS_DISK_BLOCKS(TIER(RDX_TIER_DISK)),
	OPTIONS_EXTERNAL_BLOCKS(TIER(RDX_TIER_EXTERNAL)),
	{.help = "What they publish:", .kind = OPTIONS_HEADING},
	{"events-per-second", 0, "R", "Events a second of one rank", OPTIONS_FRACTION,
	 TO(events_per_second), .least = 1e-6, .most = 1e9},
	{"blocks-per-event", 0, "N", "Blocks in one event", OPTIONS_NUMBER, TO(blocks_per_event),
	 .min = 1, .max = EVENT_BLOCKS_MAX},
	{"outage", 0, "TIME",
	 "How long a router may be away and still continue from the ring; after that it recovers "
	 "from the newest clear or from the ledger, as exactly",
	 OPTIONS_DURATION, TO(outage_ns), .min = 1, .max = OUTAGE_MAX_NS},
	{0},
};

static void check(const struct argp_state *state, void *input)
{
	struct size_options *options = input;
	uint64_t blocks = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		blocks += options->tier_blocks[tier];
	if (!blocks)
		options_error(state, "missing option: --blocks, how many a rank holds");
	if (options->restarting > options->ranks)
		options->restarting = options->ranks;
}

static const struct options_program program = {
	.entries = entries,
	.check = check,
	.about =
		"Say how large the rings, segments and the index of a host are, and which settings "
		"of Docker and Kubernetes give them room.\v"
		"All sizes are upper bounds: the index has room for ranks which share no block, "
		"and an eighth more for the sets of ranks that do.\n\n"
		"Exit status: 0 done, 1 no ring or index can be that large, 2 wrong usage.",
};

static uint64_t next_power_of_two(uint64_t value)
{
	uint64_t power = RDX_RING_SLOTS_MIN;

	while (power < value)
		power *= 2;
	return power;
}

/* Slots of one batch: it is split into events of RDX_EVENT_SLOTS_MAX. */
static uint64_t batch_slots(uint64_t blocks)
{
	uint64_t most = rdx_event_hashes_max(RDX_EVENT_STORED, RDX_EVENT_SLOTS_MAX);
	uint64_t rest = blocks % most;

	return blocks / most * RDX_EVENT_SLOTS_MAX +
	       (rest ? rdx_event_slots(RDX_EVENT_STORED, (uint32_t)rest) : 0);
}

static int plan_segment(const struct size_options *options, struct sizes *sizes)
{
	struct rdx_segment_spec spec = {.block_tokens = 16, .instance = "-", .model = "-"};
	double slots, outage_s = (double)options->outage_ns / (double)NS_PER_S;
	int r;

	sizes->event_slots = batch_slots(options->blocks_per_event);
	slots = options->events_per_second * outage_s * (double)sizes->event_slots;
	/* one event may span an eighth of a ring */
	if (slots < (double)(8 * sizes->event_slots))
		slots = (double)(8 * sizes->event_slots);
	if (slots > (double)RDX_RING_SLOTS_MAX) {
		messages_say("a ring of %.0f slots is too large, the most is %llu: give a shorter "
			     "--outage",
			     slots, (unsigned long long)RDX_RING_SLOTS_MAX);
		return -EINVAL;
	}
	sizes->slots_needed = (uint64_t)slots + ((double)(uint64_t)slots < slots);
	spec.ring_slots = next_power_of_two(sizes->slots_needed);
	memcpy(spec.tier_blocks, options->tier_blocks, sizeof(spec.tier_blocks));
	r = rdx_segment_plan(&spec, &sizes->segment);
	if (r < 0) {
		messages_say_error(r, "cannot make such a segment");
		return r;
	}
	sizes->ring_bytes = spec.ring_slots * sizeof(struct rdx_slot);
	sizes->ledger_bytes = sizes->segment.file_bytes - sizes->ring_bytes - RDX_RING_OFFSET;
	sizes->bridged_s =
		(double)spec.ring_slots / (double)sizes->event_slots / options->events_per_second;
	sizes->segments_bytes = options->ranks * sizes->segment.file_bytes;
	sizes->restart_bytes = options->restarting * sizes->segment.file_bytes;
	sizes->publisher_bytes = sizes->segment.ledger_records * NAME_BYTES;
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		sizes->publisher_bytes += options->tier_blocks[tier] * LACKING_BYTES;
	return 0;
}

static uint64_t index_bytes(const struct size_options *options, uint64_t blocks)
{
	uint64_t bytes = rdx_grow_bytes_for(blocks > INITIAL_BLOCKS ? blocks : INITIAL_BLOCKS);

	return options->ranks > 1 ? bytes + bytes / SETS_SHARE : bytes;
}

static int plan_index(const struct size_options *options, struct sizes *sizes)
{
	uint64_t ranks_most;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++) {
		sizes->tiers += options->tier_blocks[tier] != 0;
		sizes->blocks += options->ranks * options->tier_blocks[tier];
	}
	ranks_most = RDX_COLUMNS_MAX / (RDX_COLUMNS_EACH * sizes->tiers);
	if (options->ranks > ranks_most) {
		messages_say("%" PRIu64 " ranks of %" PRIu32
			     " tiers do not fit into one index, the most is %" PRIu64
			     ": use two namespaces",
			     options->ranks, sizes->tiers, ranks_most);
		return -ENOSPC;
	}
	sizes->index_bytes = index_bytes(options, sizes->blocks);
	/* two tables, while one replaces the other */
	sizes->index_peak_bytes = 2 * sizes->index_bytes;
	return 0;
}

static uint64_t mebibytes(uint64_t bytes)
{
	return (bytes + MIB - 1) / MIB;
}

static void print_segment(const struct size_options *options, const struct sizes *sizes)
{
	char a[FIGURES_BYTES], b[FIGURES_BYTES], c[FIGURES_BYTES];

	printf("Ring of each rank: %s slots, %s\n", figures_grouped(sizes->segment.ring_slots, a),
	       figures_size(sizes->ring_bytes, b));
	printf("  %g events/s of %" PRIu64
	       " blocks, %s slots of 64 bytes each, for %g s: %s slots;\n"
	       "  the next power of two covers %.1f s\n",
	       options->events_per_second, options->blocks_per_event,
	       figures_grouped(sizes->event_slots, a),
	       (double)options->outage_ns / (double)NS_PER_S,
	       figures_grouped(sizes->slots_needed, b), sizes->bridged_s);
	printf("Segment of each rank: %s\n", figures_size(sizes->segment.file_bytes, a));
	printf("  header 8 KiB, ring %s, ledger %s:\n", figures_size(sizes->ring_bytes, a),
	       figures_size(sizes->ledger_bytes, b));
	printf("  %s blocks that can be known at once, of %zu bytes\n",
	       figures_grouped(sizes->segment.ledger_records, c), sizeof(struct rdx_ledger_record));
	printf("Segments: %s\n", figures_size(sizes->segments_bytes + sizes->restart_bytes, a));
	printf("  %" PRIu64 " rank%s, and %" PRIu64
	       " more while old and new ones are side by side\n",
	       options->ranks, figures_plural(options->ranks), options->restarting);
}

static void print_index(const struct sizes *sizes)
{
	char a[FIGURES_BYTES], b[FIGURES_BYTES];

	printf("Index: %s, and %s while a new table is built beside the old one\n",
	       figures_size(sizes->index_bytes, a), figures_size(sizes->index_peak_bytes, b));
	printf("  %s blocks if no two ranks share one, in lines of %d and %zu bytes that are not "
	       "filled up\n",
	       figures_grouped(sizes->blocks, a), RDX_LINE_SLOTS, sizeof(struct rdx_line));
}

static void print_settings(const struct size_options *options, const struct sizes *sizes)
{
	char a[FIGURES_BYTES];

	printf("Total: %s\n\n", figures_size(sizes->total_bytes, a));
	printf("Publisher: ring_slots = %" PRIu64, sizes->segment.ring_slots);
	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		if (options->tier_blocks[tier])
			printf(", tier_blocks[%d] = %" PRIu64, tier, options->tier_blocks[tier]);
	printf("\nDocker: --shm-size=%" PRIu64 "m\n", mebibytes(sizes->total_bytes));
	printf("Kubernetes:\n"
	       "  volumes:\n"
	       "  - name: ringdex\n"
	       "    emptyDir:\n"
	       "      medium: Memory\n"
	       "      sizeLimit: %" PRIu64 "Mi\n",
	       mebibytes(sizes->total_bytes));
	printf("Memory limit: add %" PRIu64 "Mi to the container of each rank, for its segment and "
	       "about %" PRIu64 "Mi\n  of its publisher's own, and %" PRIu64
	       "Mi to the indexer's: a page counts against the container\n  that touches it "
	       "first.\n",
	       mebibytes(sizes->segment.file_bytes + sizes->publisher_bytes),
	       mebibytes(sizes->publisher_bytes), mebibytes(sizes->index_peak_bytes));
	printf("Add what else uses /dev/shm (NCCL, PyTorch).\n");
}

static void print_json(const struct size_options *options, const struct sizes *sizes)
{
	static const struct json_field fields[] = {
		JSON_FIELD_AS("ring_slots", struct sizes, segment.ring_slots),
		JSON_FIELD_AS("ring_slots_needed", struct sizes, slots_needed),
		JSON_FIELD_AS("slots_per_event", struct sizes, event_slots),
		JSON_FIELD(struct sizes, ring_bytes),
		JSON_FIELD(struct sizes, ledger_bytes),
		JSON_FIELD_AS("segment_bytes", struct sizes, segment.file_bytes),
		JSON_FIELD(struct sizes, segments_bytes),
		JSON_FIELD(struct sizes, restart_bytes),
		JSON_FIELD(struct sizes, publisher_bytes),
		JSON_FIELD_AS("index_blocks", struct sizes, blocks),
		JSON_FIELD(struct sizes, index_bytes),
		JSON_FIELD(struct sizes, index_peak_bytes),
		JSON_FIELD(struct sizes, total_bytes),
	};
	struct json_object *object = json_new_object();

	json_put_number(object, "ranks", options->ranks);
	JSON_PUT_FIELDS(object, fields, sizes);
	json_put_fraction(object, "bridged_seconds", sizes->bridged_s);
	json_put_number(object, "shm_size_mib", mebibytes(sizes->total_bytes));
	json_print(object);
}

int main(int argc, char **argv)
{
	struct size_options options = {.ranks = 1,
				       .restarting = 1,
				       .blocks_per_event = 8,
				       .events_per_second = 1000,
				       .outage_ns = 10 * NS_PER_S};
	struct sizes sizes = {.tiers = 0};

	options_parse(&program, argc, argv, &options);
	if (plan_segment(&options, &sizes) < 0 || plan_index(&options, &sizes) < 0)
		return EXIT_FAILED;
	sizes.total_bytes = sizes.segments_bytes + sizes.restart_bytes + sizes.index_peak_bytes +
			    SMALL_FILES_BYTES;
	if (options.json) {
		print_json(&options, &sizes);
	} else {
		print_segment(&options, &sizes);
		print_index(&sizes);
		print_settings(&options, &sizes);
	}
	return EXIT_DONE;
}
