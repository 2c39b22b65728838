/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_options.h"
#include "tools/program/arguments.h"

#include <stddef.h>

#define DEFAULT_BLOCKS 32768

RDX_API const char *argp_program_version = "ringdex-feed " RDX_VERSION;

enum feed_option {
	OPTION_DIR = 'd',
	OPTION_MODEL = 'm',
	OPTION_QUIET = 'q',
	OPTION_HOLD = 0x100,
	OPTION_TENANT,
	OPTION_INSTANCE,
	OPTION_BLOCK_SIZE,
	OPTION_BLOCKS,
	OPTION_HOST_BLOCKS,
	OPTION_DISK_BLOCKS,
	OPTION_EXTERNAL_BLOCKS,
	OPTION_RING_SLOTS,
	OPTION_CLEAR_SCOPE,
	OPTION_REPORT_MODE,
};

static const struct argp_option options[] = {
	{ "dir", OPTION_DIR, "DIR", 0, "Namespace (/dev/shm/ringdex)", 0 },
	{ "model", OPTION_MODEL, "TEXT", 0, "Model name (feed)", 0 },
	{ "tenant", OPTION_TENANT, "TEXT", 0, "Tenant (none)", 0 },
	{ "instance", OPTION_INSTANCE, "TEXT", 0, "Where requests go (feed://WORKER/RANK)", 0 },
	{ "block-size", OPTION_BLOCK_SIZE, "N", 0, "Tokens per block (16)", 0 },
	{ "blocks", OPTION_BLOCKS, "N", 0, "Most blocks of the device tier, each rank (32768)", 0 },
	{ "host-blocks", OPTION_HOST_BLOCKS, "N", 0, "Of the host tier (32768)", 0 },
	{ "disk-blocks", OPTION_DISK_BLOCKS, "N", 0, "Of the disk tier (0: not kept)", 0 },
	{ "external-blocks", OPTION_EXTERNAL_BLOCKS, "N", 0, "Of the external tier (0: not kept)",
	  0 },
	{ "ring-slots", OPTION_RING_SLOTS, "N", 0, "Slots of 64 bytes, a power of two (65536)", 0 },
	{ "clear-scope", OPTION_CLEAR_SCOPE, "rank|worker", 0, "Whom a clear concerns (rank)", 0 },
	{ "report-mode", OPTION_REPORT_MODE, "copies|mixed", 0, "What a store of a held name means: "
	  "a copy; or a copy or a repetition, which makes the rank INEXACT (copies)", 0 },
	{ "hold", OPTION_HOLD, NULL, 0, "Stay alive behind the input's end until SIGTERM or "
	  "SIGINT: a dead worker's blocks leave the index", 0 },
	{ "quiet", OPTION_QUIET, NULL, 0, "No summary", 0 },
	{ 0 },
};

static int parse_size(int key, const char *arg, struct argp_state *state,
		      struct rdx_publisher_options *p)
{
	static const struct {
		int key;
		const char *name;
	} tiers[RDX_TIER_COUNT] = {
		{ OPTION_BLOCKS, "blocks" },
		{ OPTION_HOST_BLOCKS, "host-blocks" },
		{ OPTION_DISK_BLOCKS, "disk-blocks" },
		{ OPTION_EXTERNAL_BLOCKS, "external-blocks" },
	};

	for (uint32_t tier = 0; tier < RDX_TIER_COUNT; tier++) {
		if (tiers[tier].key != key)
			continue;
		p->tier_blocks[tier] = arguments_number(state, tiers[tier].name, arg, 0,
							RDX_TIER_BLOCKS_MAX);
		return 0;
	}
	if (key == OPTION_BLOCK_SIZE) {
		p->block_tokens = (uint32_t)arguments_number(state, "block-size", arg, 1,
							     RDX_BLOCK_TOKENS_MAX);
		return 0;
	}
	if (key == OPTION_RING_SLOTS) {
		p->ring_slots = arguments_ring_slots(state, "ring-slots", arg);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	static const char *const scopes[] = { "rank", "worker", NULL };
	static const char *const modes[] = { "copies", "mixed", NULL };
	struct feed_options *o = state->input;

	switch (key) {
	case OPTION_DIR:
		o->publisher.dir = arg;
		return 0;
	case OPTION_MODEL:
		o->publisher.model = arg;
		return 0;
	case OPTION_TENANT:
		o->publisher.tenant = arg;
		return 0;
	case OPTION_INSTANCE:
		o->publisher.instance = arg;
		return 0;
	case OPTION_CLEAR_SCOPE:
		o->publisher.clear_scope = arguments_choice(state, "clear-scope", arg, scopes);
		return 0;
	case OPTION_REPORT_MODE:
		o->publisher.report_mode = arguments_choice(state, "report-mode", arg, modes);
		return 0;
	case OPTION_HOLD:
		o->hold = 1;
		return 0;
	case OPTION_QUIET:
		o->quiet = 1;
		return 0;
	case ARGP_KEY_ARG:
		if (o->path)
			argp_error(state, "one file at a time: %s", arg);
		o->path = arg;
		return 0;
	case ARGP_KEY_END:
		if (!o->path)
			argp_error(state, "name a file, or - for standard input");
		return 0;
	default:
		return parse_size(key, arg, state, &o->publisher);
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "FILE",
	.doc = "Publish a stream of KV-cache events, one JSON object per line; - reads standard "
	       "input.\v"
	       "Each worker and rank that the stream names becomes a segment of the namespace. A "
	       "line has worker, dp_rank, type (stored, removed, cleared, inexact), tier, names, "
	       "parent, and token_ids or local_hashes; docs/feed-format.md has all fields and "
	       "their other names. What `ringdex tail' prints is such a stream.\n\n"
	       "A bad line is reported with its number, the rest is published. Exit status: 0; 1 "
	       "when a line was bad or the file could not be read; 2 for wrong usage.",
};

void feed_options_parse(int argc, char **argv, struct feed_options *ret_options)
{
	*ret_options = (struct feed_options){ .publisher = RDX_PUBLISHER_OPTIONS_INIT };
	ret_options->publisher.model = "feed";
	ret_options->publisher.tier_blocks[RDX_TIER_DEVICE] = DEFAULT_BLOCKS;
	ret_options->publisher.tier_blocks[RDX_TIER_HOST] = DEFAULT_BLOCKS;
	argp_err_exit_status = ARGUMENTS_EXIT_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, ret_options);
}
