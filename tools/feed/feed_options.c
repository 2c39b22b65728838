/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/feed/feed_options.h"

#include "tools/program/options_shared.h"

#define DEFAULT_BLOCKS     32768
#define DEFAULT_RING_SLOTS 65536

#define TO(member) OPTIONS_TO(struct feed_options, member)

static const char *const unreadable[] = {"inexact", "skip", NULL};

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(publisher.dir)),
	OPTIONS_MODEL(TO(publisher.model)),
	OPTIONS_TENANT(TO(publisher.tenant), .fallback = "none"),
	OPTIONS_INSTANCE(TO(publisher.instance), .fallback = "feed://WORKER/RANK"),
	OPTIONS_BLOCK_TOKENS(TO(publisher.block_tokens)),
	OPTIONS_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_DEVICE]), .max = RDX_TIER_BLOCKS_MAX),
	OPTIONS_HOST_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_HOST]), .max = RDX_TIER_BLOCKS_MAX),
	OPTIONS_DISK_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_DISK]), .max = RDX_TIER_BLOCKS_MAX),
	OPTIONS_EXTERNAL_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_EXTERNAL]),
				.max = RDX_TIER_BLOCKS_MAX),
	OPTIONS_RING_SLOTS(TO(publisher.ring_slots), .max = RDX_RING_SLOTS_MAX),
	OPTIONS_CLEAR_SCOPE(TO(publisher.clear_scope)),
	{"report-mode", 0, "copies|mixed|presence",
	 "What a second store of a block is: a further copy; one or a repetition, which makes the "
	 "rank INEXACT; a repetition, so that one removal ends it",
	 OPTIONS_CHOICE, TO(publisher.report_mode), .choices = options_shared_reports},
	{"on-unreadable", 0, "inexact|skip",
	 "What a line that cannot be read means: its rank is INEXACT, all ranks where it names "
	 "none; or nothing",
	 OPTIONS_CHOICE, TO(on_unreadable), .choices = unreadable},
	OPTIONS_HOLD(TO(hold)),
	{"quiet", 'q', NULL, "Print no summary", OPTIONS_FLAG, TO(quiet)},
	{0},
};

static const struct options_arguments arguments = {
	.shown = "FILE|-",
	.missing = "FILE, or - for standard input",
	.most = 1,
	.take = options_take_text,
	.at = offsetof(struct feed_options, path),
};

static const struct options_program program = {
	.entries = entries,
	.arguments = &arguments,
	.about = "Publish the KV-cache events of FILE, one JSON object a line.\v"
		 "Each worker and rank that the events name becomes a segment of the namespace. "
		 "A line has worker, dp_rank, type (stored, removed, cleared, inexact), tier, "
		 "names, parent, and token_ids or local_hashes; docs/feed-format.md has all "
		 "fields. ringdex tail prints such lines. A bad line is reported with its number, "
		 "the rest is published.\n\n"
		 "Exit status: 0 all was published, 1 a line was bad or the file could not be "
		 "read, 2 wrong usage.",
};

void feed_options_parse(int argc, char **argv, struct feed_options *ret_options)
{
	*ret_options =
		(struct feed_options){.publisher = {.size = sizeof(struct rdx_publisher_options)}};
	ret_options->publisher.dir = RDX_DEFAULT_DIR;
	ret_options->publisher.model = "feed";
	ret_options->publisher.block_tokens = 16;
	ret_options->publisher.ring_slots = DEFAULT_RING_SLOTS;
	ret_options->publisher.tier_blocks[RDX_TIER_DEVICE] = DEFAULT_BLOCKS;
	ret_options->publisher.tier_blocks[RDX_TIER_HOST] = DEFAULT_BLOCKS;
	options_parse(&program, argc, argv, ret_options);
}
