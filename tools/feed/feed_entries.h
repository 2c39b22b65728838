/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options of programs that publish what an engine says: of the ranks, and of how the engine writes. TO is
 * OPTIONS_TO of a structure with the members publisher, engine, words, joined_late and keep_dead.
 */
#ifndef FEED_ENTRIES_H
#define FEED_ENTRIES_H

#include "tools/program/options_shared.h"

#define FEED_ENTRIES_DEFAULT_BLOCKS     32768
#define FEED_ENTRIES_DEFAULT_RING_SLOTS 65536
#define FEED_ENTRIES_DEFAULT_WAIT_NS    UINT64_C(5000000000)

extern const char *const feed_entries_inexact_or_skip[]; /* RDX_ENGINE_UNKNOWN_... */
extern const char *const feed_entries_cleared[];         /* RDX_ENGINE_CLEARED_... */
extern const char *const feed_entries_zero[];            /* what a parent of 0 is */

/* clang-format off */
#define FEED_ENTRIES_RANK(TO)                                                                      \
	OPTIONS_DIR(TO(publisher.dir)),                                                            \
	OPTIONS_MODEL(TO(publisher.model)),                                                        \
	OPTIONS_TENANT(TO(publisher.tenant), .fallback = "none"),                                  \
	OPTIONS_BLOCK_TOKENS(TO(publisher.block_tokens)),                                          \
	OPTIONS_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_DEVICE]), .max = RDX_TIER_BLOCKS_MAX),    \
	OPTIONS_HOST_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_HOST]), .max = RDX_TIER_BLOCKS_MAX), \
	OPTIONS_DISK_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_DISK]), .max = RDX_TIER_BLOCKS_MAX), \
	OPTIONS_EXTERNAL_BLOCKS(TO(publisher.tier_blocks[RDX_TIER_EXTERNAL]),                      \
				.max = RDX_TIER_BLOCKS_MAX),                                       \
	OPTIONS_RING_SLOTS(TO(publisher.ring_slots), .max = RDX_RING_SLOTS_MAX),                   \
	OPTIONS_CLEAR_SCOPE(TO(publisher.clear_scope)),                                            \
	{"report-mode", 0, "copies|mixed|presence",                                                \
	 "What a second store of a held block is: a copy more; either, so that the rank is "       \
	 "INEXACT; "                                                                               \
	 "a repetition, which one removal ends",                                                   \
	 OPTIONS_CHOICE, TO(publisher.report_mode), .choices = options_shared_reports},            \
	{"on-unknown", 0, "inexact|skip",                                                          \
	 "What an event, medium, kind of cache group or field means that nobody knows: its rank "  \
	 "is INEXACT or LACKING; or nothing",                                                      \
	 OPTIONS_CHOICE, TO(engine.on_unknown), .choices = feed_entries_inexact_or_skip},          \
	{"joined-late", 0, NULL,                                                                   \
	 "The stream does not begin at its engines' birth: all ranks are LACKING until a clear of "\
	 "all tiers",                                                                              \
	 OPTIONS_FLAG, TO(joined_late)},                                                           \
	{"wait-for-rank", 0, "DURATION",                                                           \
	 "How long to wait for another process that has the rank, and may be about to end",        \
	 OPTIONS_DURATION, TO(publisher.wait_ns), .max = UINT64_MAX / 2},                          \
	{"keep-dead", 0, NULL,                                                                     \
	 "Where the file system is full, do not remove what dead workers of this user left",       \
	 OPTIONS_FLAG, TO(keep_dead)}

#define FEED_ENTRIES_ENGINE(TO)                                                                    \
	{.kind = OPTIONS_HEADING, .help = "How the engine writes (docs/engines.md)"},              \
	{"medium", 0, "NAME=TIER",                                                                 \
	 "A medium's tier: device, host, disk, external; none: leave it out", OPTIONS_TEXTS,       \
	 TO(words.media), .min = 1},                                                               \
	{"event", 0, "NAME=KIND",                                                                  \
	 "What an event is: stored, removed, cleared, inexact, or a clear of one tier "            \
	 "(cleared:host); none: leave it out",                                                     \
	 OPTIONS_TEXTS, TO(words.events), .min = 1},                                               \
	{"cleared-means", 0, "all|device",                                                         \
	 "What a clear without a medium clears: all tiers, or the device", OPTIONS_CHOICE,         \
	 TO(engine.cleared_means), .choices = feed_entries_cleared},                               \
	{"counting-kinds", 0, "KIND,...", "Kinds of cache groups that decide a prefix hit",        \
	 OPTIONS_TEXT, TO(words.counting_kinds), .min = 1,                                         \
	 .fallback = "full_attention, mla_attention, sink_full_attention"},                        \
	{"counting-groups", 0, "N", "Cache groups of these kinds: all must hold a block",          \
	 OPTIONS_NUMBER, TO(engine.counting_groups), .min = 1, .max = RDX_ENGINE_GROUPS_MAX},      \
	{"zero-parent", 0, "name|root", "What a parent of 0 is: a name, or none (LMCache)",        \
	 OPTIONS_CHOICE, TO(engine.zero_is_root), .choices = feed_entries_zero},                   \
	{"ignore-field", 0, "NAME", "A field that does not change what an event means",            \
	 OPTIONS_TEXTS, TO(words.harmless_fields), .min = 1}
/* clang-format on */

#endif
