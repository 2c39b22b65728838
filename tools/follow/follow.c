/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-follow: maintains the index of a directory until told to stop.
 */
#include "shm/clock.h"
#include "tools/follow/watch.h"
#include "tools/inspect/house.h"
#include "tools/inspect/sighting.h"
#include "tools/program/figures.h"
#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include "tools/program/printable.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS   UINT64_C(50000000) /* between looks at what changed */
#define NS_PER_MS UINT64_C(1000000)
#define DAY_NS    UINT64_C(86400000000000)
#define SAY_NS    UINT64_C(60000000000) /* between two words on the same trouble */

struct follow_options {
	struct rdx_indexer_options indexer;
	uint64_t worker_gib; /* 0: the library's default */
	int json;
	uint64_t interval_ns; /* 0: only at changes */
	uint64_t clean_ns;    /* or HOUSE_NEVER */
};

struct follow {
	const struct follow_options *options;
	struct space space;
	struct rdx_indexer *indexer;
	struct watch watch;
	uint64_t recoveries; /* reported */
	uint64_t look_ns;    /* the next one */
	int waits_to_look;   /* something may have changed since the last one */
	uint64_t print_ns;   /* the next one without a change */
	int printed;
	int trouble; /* that was said last, at trouble_ns */
	uint64_t trouble_ns;
	int lock_cause; /* likewise */
	struct house house;
};

#define TO(member) OPTIONS_TO(struct follow_options, member)

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(indexer.dir)),
	OPTIONS_JSON(TO(json)),
	OPTIONS_WAIT(TO(indexer.wait_mode)),
	OPTIONS_REST(TO(indexer.rest_mode)),
	OPTIONS_LIMITS(TO),
	{"interval", 'i', "TIME", "With --json: print the state at this interval too",
	 OPTIONS_DURATION, TO(interval_ns), .min = NS_PER_MS, .max = DAY_NS, .fallback = ""},
	OPTIONS_CLEAN_DEAD_FOR(TO(clean_ns)),
	{0},
};

static void check(const struct argp_state *state, void *input)
{
	const struct follow_options *options = input;

	if (options->interval_ns && !options->json)
		options_error(state, "--interval goes with --json only");
}

static const struct options_program program = {
	.entries = entries,
	.check = check,
	.about =
		"Maintain the index of a namespace: follow every rank, recover it when needed, and "
		"let every process of this host ask (ringdex query). Runs until SIGINT or SIGTERM. "
		"A missing directory is created.\v"
		"It prints a line when a rank comes, goes, or changes its state: EXACT, "
		"RECOVERING, LACKING (blocks are missing: they could not be represented or did not "
		"fit), INEXACT (answers may be wrong either way; ringdex ls calls it unknown), "
		"STALE, GONE; and one for each recovery of a rank. With --json each change prints "
		"the "
		"whole state on a line, \"recovered\" being new since the line before.\n\n"
		"Exit status: 0 told to stop, 1 it could not start or go on, 2 wrong usage.",
};

static const char *const ways[] = {NULL, "continue", "barrier", "ledger"}; /* RDX_RECOVERED_ */

static uint64_t held(const struct rdx_index_rank *info)
{
	uint64_t blocks = 0;

	for (int tier = 0; tier < RDX_TIER_COUNT; tier++)
		blocks += info->blocks[tier];
	return blocks;
}

/* ", 2.1 s ago": since the newest event; "" where there is none. */
static const char *ago(uint64_t age_ns, char *ret_text, size_t bytes)
{
	char age[FIGURES_BYTES];

	ret_text[0] = 0;
	if (age_ns != UINT64_MAX)
		snprintf(ret_text, bytes, ", %s ago", figures_duration(age_ns, age));
	return ret_text;
}

static void print_words(const struct follow *follow, const struct watched_rank *rank)
{
	const struct rdx_index_rank *info = &rank->info;
	const struct rank_name name = {.worker_id = info->worker_id, .dp_rank = info->dp_rank};
	const char *state = rdx_state_text(info->state);
	char text[RANKS_TEXT_BYTES], blocks[FIGURES_BYTES], reason[SIGHTING_REASON_BYTES];
	char age[FIGURES_BYTES + 8];

	printf("%s ", ranks_text(info->worker_id, info->dp_rank, text));
	if (info->state == RDX_STATE_GONE) {
		printf("GONE: no running process holds it\n");
		return;
	}
	if (!rank->followed) {
		printf("not followed: %s\n",
		       info->cause == -ENOSPC
			       ? "there is no room for it in the index"
			       : sighting_diagnose(&follow->space, &name, info->cause, reason));
		return;
	}
	printf("%s", state ? state : "?");
	if (info->cause)
		printf(": %s", info->cause == -ENOSPC ? "its blocks do not fit into the index"
						      : messages_explain(info->cause));
	else if (info->state == RDX_STATE_INEXACT || info->state == RDX_STATE_LACKING)
		printf(" until what it could not represent is removed or cleared");
	printf(": %s block%s after event %" PRIu64 "%s, ", figures_grouped(held(info), blocks),
	       figures_plural(held(info)), info->last_event_id,
	       ago(info->event_age_ns, age, sizeof(age)));
	printable_put(stdout, info->instance);
	putchar('\n');
}

static struct json_object *rank_json(const struct follow *follow, const struct watched_rank *rank)
{
	const struct rdx_index_rank *info = &rank->info;
	struct json_object *object = json_new_object();
	struct json_object *blocks, *recoveries;

	json_put_id(object, "worker", info->worker_id);
	json_put_number(object, "dp_rank", info->dp_rank);
	json_put_flag(object, "followed", rank->followed);
	json_put_text(object, "cause", info->cause ? strerrorname_np(-info->cause) : NULL);
	if (rank->followed || info->state == RDX_STATE_GONE)
		json_put_text(object, "state", rdx_state_text(info->state));
	if (!rank->followed)
		return object;
	json_put_text(object, "model", follow->watch.names[rank->index].model);
	json_put_text(object, "tenant", follow->watch.names[rank->index].tenant);
	json_put_number(object, "block_tokens", follow->watch.names[rank->index].block_tokens);
	json_put_text(object, "instance", info->instance);
	json_put_id(object, "epoch", info->epoch);
	json_put_number(object, "last_event_id", info->last_event_id);
	json_put_number(object, "position", info->position);
	json_put_age(object, "age_ns", info->age_ns);
	json_put_age(object, "event_age_ns", info->event_age_ns);
	blocks = json_new_object();
	for (uint8_t tier = 0; tier < RDX_TIER_COUNT; tier++)
		json_put_number(blocks, rdx_tier_text(tier), info->blocks[tier]);
	json_put(object, "blocks", blocks);
	json_put_number(object, "events", info->events);
	json_put_number(object, "events_dead", info->events_dead);
	json_put_number(object, "slots_lost", info->slots_lost);
	recoveries = json_new_object();
	for (uint32_t i = RDX_RECOVERED_CONTINUE; i <= RDX_RECOVERED_LEDGER; i++)
		json_put_number(recoveries, ways[i], info->recoveries[i]);
	json_put(object, "recoveries", recoveries);
	json_put_number(object, "recovery_ns", info->recovery_ns);
	return object;
}

static void print_recovery(const struct rdx_recovery_row *row)
{
	char rank[RANKS_TEXT_BYTES], took[FIGURES_BYTES];

	printf("%s recovered by its %s in %s: %" PRIu64 " block%s, %" PRIu64
	       " event%s replayed, %" PRIu64 " skipped\n",
	       ranks_text(row->worker_id, row->dp_rank, rank), ways[row->way],
	       figures_duration(row->duration_ns, took), row->ledger_blocks,
	       figures_plural(row->ledger_blocks), row->events_replayed,
	       figures_plural(row->events_replayed), row->events_skipped);
}

static struct json_object *recovery_json(const struct rdx_recovery_row *row)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct rdx_recovery_row, dp_rank),
		JSON_FIELD(struct rdx_recovery_row, events_skipped),
		JSON_FIELD(struct rdx_recovery_row, ledger_blocks),
		JSON_FIELD(struct rdx_recovery_row, events_replayed),
		JSON_FIELD(struct rdx_recovery_row, duration_ns),
	};
	struct json_object *object = json_new_object();

	json_put_text(object, "way", ways[row->way]);
	json_put_id(object, "worker", row->worker_id);
	JSON_PUT_FIELDS(object, fields, row);
	return object;
}

/* What recovered since the look before: into a list, or without one to people. How many. */
static int report_recoveries(struct follow *follow, const struct rdx_indexer_stats *stats,
			     struct json_object *list)
{
	struct rdx_recovery_row row = {.size = sizeof(row)};
	uint64_t first = follow->recoveries, begun;

	begun = stats->recoveries[RDX_RECOVERED_BARRIER] + stats->recoveries[RDX_RECOVERED_LEDGER];
	for (uint64_t i = first; i < begun; i++) {
		if (rdx_indexer_recovery(follow->indexer, i, &row) < 0)
			continue; /* one of very many, no longer kept; or not shown yet */
		follow->recoveries = i + 1;
		if (list)
			json_append(list, recovery_json(&row));
		else
			print_recovery(&row);
	}
	return follow->recoveries > first;
}

static void print_json(const struct follow *follow, const struct rdx_indexer_stats *stats,
		       struct json_object *recovered)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct rdx_indexer_stats, indexes),
		JSON_FIELD_AS("ranks_alive", struct rdx_indexer_stats, ranks),
		JSON_FIELD(struct rdx_indexer_stats, unreadable),
		JSON_FIELD(struct rdx_indexer_stats, refused),
		JSON_FIELD(struct rdx_indexer_stats, events),
		JSON_FIELD(struct rdx_indexer_stats, blocks_stored),
		JSON_FIELD(struct rdx_indexer_stats, blocks_removed),
		JSON_FIELD(struct rdx_indexer_stats, clears),
		JSON_FIELD(struct rdx_indexer_stats, events_dead),
		JSON_FIELD(struct rdx_indexer_stats, slots_lost),
		JSON_FIELD(struct rdx_indexer_stats, generations),
		JSON_FIELD(struct rdx_indexer_stats, table_bytes),
		JSON_FIELD(struct rdx_indexer_stats, wakes),
		JSON_FIELD(struct rdx_indexer_stats, naps),
	};
	struct json_object *object = json_new_object();
	struct json_object *ranks = json_new_array();

	json_put_id(object, "time_ns", rdx_clock_ns());
	json_put_text(object, "wait", options_shared_waits[stats->wait_mode]);
	json_put_text(object, "lock_cause",
		      stats->lock_cause ? strerrorname_np(-stats->lock_cause) : NULL);
	JSON_PUT_FIELDS(object, fields, stats);
	for (size_t i = 0; i < follow->watch.rank_count; i++)
		json_append(ranks, rank_json(follow, &follow->watch.ranks[i]));
	json_put(object, "ranks", ranks);
	json_put(object, "recovered", json_object_get(recovered));
	json_print_line(object);
}

/* Once, and again after a while: it goes on, and tries again. */
static void say_trouble(struct follow *follow, int error)
{
	uint64_t now = rdx_clock_ns();

	if (error == follow->trouble && now - follow->trouble_ns < SAY_NS)
		return;
	follow->trouble = error;
	follow->trouble_ns = now;
	messages_say("cannot look at all of %s now, and tries again: %s", follow->space.dir,
		     messages_explain(error));
}

/* Without its lock the indexer goes on; said when that changes, 1. */
static int report_lock(struct follow *follow, const struct rdx_indexer_stats *stats)
{
	if (stats->lock_cause == follow->lock_cause)
		return 0;
	follow->lock_cause = stats->lock_cause;
	if (stats->lock_cause)
		messages_say("%s/indexer.lock was removed and cannot be made again, so no index is "
			     "made until it can: %s",
			     follow->space.dir, strerror(-stats->lock_cause));
	else
		messages_say("%s/indexer.lock is held again", follow->space.dir);
	return 1;
}

/* Has who reads the output gone? Without a change nothing is written, and so nothing fails. */
static int is_unread(void)
{
	struct pollfd output = {.fd = STDOUT_FILENO};

	return poll(&output, 1, 0) > 0 && output.revents & (POLLERR | POLLHUP);
}

/* Print what changed. -errno. */
static int report(struct follow *follow)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};
	struct json_object *recovered;
	uint64_t now = rdx_clock_ns();
	int changes, due;

	follow->waits_to_look = now < follow->look_ns;
	if (follow->waits_to_look)
		return 0;
	follow->look_ns = now + LOOK_NS;
	if (is_unread()) {
		messages_say("nobody reads the output any more");
		return -EPIPE;
	}
	(void)rdx_indexer_get_stats(follow->indexer, &stats);
	changes = watch_look(&follow->watch, &follow->space, follow->indexer, &stats);
	if (follow->watch.trouble)
		say_trouble(follow, follow->watch.trouble);
	changes += report_lock(follow, &stats);
	house_keep(&follow->house, now);
	recovered = follow->options->json ? json_new_array() : NULL;
	changes += report_recoveries(follow, &stats, recovered);
	due = !follow->printed || (follow->options->interval_ns && now >= follow->print_ns);
	if (follow->options->json && (changes || due)) {
		print_json(follow, &stats, recovered);
		follow->print_ns = now + follow->options->interval_ns;
	}
	json_object_put(recovered);
	if (!follow->options->json)
		for (size_t i = 0; i < follow->watch.rank_count; i++)
			if (follow->watch.ranks[i].changed)
				print_words(follow, &follow->watch.ranks[i]);
	follow->printed = 1;
	return fflush(stdout) ? -EPIPE : 0;
}

static void print_removed(const struct rdx_cleaned *what)
{
	char size[FIGURES_BYTES];

	printf("removed %s, which was dead: %s\n", what->name, figures_size(what->bytes, size));
}

static const char *why_not_on(int error)
{
	switch (error) {
	case -ENOENT:
		return "the directory was removed: start ringdex follow again, which makes it";
	case -ESTALE:
		return "another directory has its name now: start ringdex follow again";
	case -EBUSY:
		return "indexer.lock was removed, and another process maintains the index now: ask "
		       "that one with ringdex query";
	default:
		return messages_explain(error);
	}
}

/* As long as the indexer may, where there is nothing to say. */
static int64_t rest_ns(const struct follow *follow)
{
	return follow->waits_to_look || follow->options->interval_ns ? (int64_t)LOOK_NS : -1;
}

static int run(struct follow *follow)
{
	while (!stop_asked()) {
		int r = rdx_indexer_poll(follow->indexer, 0);

		if (r >= 0)
			r = report(follow);
		if (r >= 0) /* it looks at all rings again by itself, for less than a poll */
			r = rdx_indexer_wait(follow->indexer, rest_ns(follow));
		if (watch_is_want(r)) {
			say_trouble(follow, r);
			stop_sleep(LOOK_NS);
			r = 0;
		}
		if (r == -EPIPE)
			return r; /* that is said, or finish says why */
		if (r < 0) {
			messages_say("cannot go on in %s: %s", follow->space.dir, why_not_on(r));
			return r;
		}
	}
	return 0;
}

static void print_start(const struct follow *follow)
{
	struct rdx_indexer_stats stats = {.size = sizeof(stats)};

	if (follow->options->json || rdx_indexer_get_stats(follow->indexer, &stats) < 0)
		return;
	printf("following %s, waiting with %s\n", follow->space.dir,
	       options_shared_waits[stats.wait_mode]);
	fflush(stdout);
}

static void say_start_failed(const struct follow_options *options, int error)
{
	const char *dir = options->indexer.dir;

	if (error == -EBUSY)
		messages_say("another running process maintains the index of %s: ask that one with "
			     "ringdex "
			     "query, or stop it first",
			     dir);
	else if (options->indexer.wait_mode == RDX_WAIT_URING &&
		 (error == -ENOSYS || error == -EPERM))
		messages_say("io_uring is not available here: use --wait auto or --wait epoll");
	else
		messages_say("cannot maintain the index of %s: %s", dir,
			     messages_explain_create(error));
}

int main(int argc, char **argv)
{
	struct follow_options options = {.indexer = {.size = sizeof(struct rdx_indexer_options)}};
	struct follow follow = {.options = &options};
	int r;

	options.indexer.dir = RDX_DEFAULT_DIR;
	options.indexer.stale_after_ns = 250 * NS_PER_MS;
	options.indexer.initial_blocks = 4096;
	options.clean_ns = HOUSE_NEVER;
	options_parse(&program, argc, argv, &options);
	options.indexer.worker_bytes_max = options.worker_gib << 30;
	space_guard();
	/* who reads its messages may go; is_unread and fflush see to its output */
	signal(SIGPIPE, SIG_IGN);
	stop_listen();
	r = rdx_indexer_open(&follow.indexer, &options.indexer);
	if (r < 0) {
		say_start_failed(&options, r);
		return EXIT_FAILED;
	}
	follow.house = (struct house){.dir = options.indexer.dir,
				      .dead_for_ns = options.clean_ns,
				      .removed = options.json ? NULL : print_removed};
	r = space_open(&follow.space, options.indexer.dir);
	if (r == 0) {
		print_start(&follow);
		r = run(&follow);
		space_close(&follow.space);
	}
	watch_free(&follow.watch);
	rdx_indexer_close(follow.indexer);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
