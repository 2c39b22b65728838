/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-tail: events as JSON lines, as they happen.
 */
#include "consumer/reader/reader.h"
#include "consumer/reader/recovery.h"
#include "shm/clock.h"
#include "tools/inspect/event_line.h"
#include "tools/inspect/sighting.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BATCH_EVENTS 256               /* of one rank before the next has its turn */
#define POLL_NS      UINT64_C(2000000) /* between looks at rings that were read to their ends */
#define SCAN_NS      UINT64_C(100000000)
#define TRIES        64

struct tail_options {
	const char *dir;
	struct ranks wanted;
	int json; /* always */
	int from_barrier;
	int once;
	uint64_t count; /* events, 0: no end */
};

/* A rank that is, or would be, followed. */
struct source {
	struct rank_name name;
	struct rdx_reader *reader; /* NULL: not open */
	int error;                 /* why not, and already said */
};

struct tail {
	const struct tail_options *options;
	struct space space;
	struct source *sources;
	size_t source_count;
	struct event_line line;
	uint64_t printed;
	int started;  /* ranks that appear from now on are read from their birth */
	int troubles; /* events were lost, or a rank could not be read */
};

#define TO(member) OPTIONS_TO(struct tail_options, member)

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(dir)),
	OPTIONS_JSON(TO(json)),
	{"from-barrier", 0, NULL,
	 "Begin where recovery does, at the newest clear of all tiers in each ring or at the birth "
	 "of the rank, not at the next event",
	 OPTIONS_FLAG, TO(from_barrier)},
	{"count", 'c', "N", "Stop after N events", OPTIONS_NUMBER, TO(count), .min = 1,
	 .max = UINT64_MAX, .fallback = ""},
	{"once", 0, NULL, "Stop when every ring has been read to its end", OPTIONS_FLAG, TO(once)},
	{0},
};

static const struct options_arguments arguments = {
	.shown = "[WORKER[:RANK]...]",
	.take = ranks_take,
	.at = offsetof(struct tail_options, wanted),
};

static const struct options_program program = {
	.entries = entries,
	.arguments = &arguments,
	.about =
		"Print the events of all ranks, or of those named, as they are published, one JSON "
		"object a line, until SIGINT or SIGTERM. Ranks that appear later are printed from "
		"their birth.\v"
		"ringdex feed accepts these lines; prefix hashes are the names of the blocks: "
		"'ringdex tail --from-barrier --once | ringdex feed --dir OTHER --block-tokens N "
		"-' "
		"makes a second namespace that holds the same. When a rank begins another life, a "
		"line of type "
		"cleared without an event_id is printed. Events of different ranks are in no "
		"order.\n\n"
		"Exit status: 0 done or told to stop, 1 events were lost or a rank could not be "
		"read (standard error says which), 2 wrong usage.",
};

/* The oldest whole event in the ring. */
static int go_to_oldest(struct rdx_reader *reader)
{
	uint64_t newest_id, end, at;
	struct rdx_cursor cursor = {.epoch = reader->info.epoch};
	int r = rdx_recovery_newest(reader, &newest_id, &end);

	if (r < 0)
		return r;
	at = end > reader->info.ring_slots ? end - reader->info.ring_slots : 0;
	for (; at < end; at++) {
		struct rdx_event_head head;
		uint64_t first;

		if (rdx_recovery_head_at(reader, at, &head, &first) != RDX_RING_PUBLISHED ||
		    first != at)
			continue;
		cursor.position = at;
		cursor.event_id = head.event_id - 1;
		return rdx_reader_seek(reader, &cursor);
	}
	return -EAGAIN;
}

static int go_to_newest(struct rdx_reader *reader)
{
	struct rdx_cursor cursor = {.epoch = reader->info.epoch};
	int r = rdx_recovery_newest(reader, &cursor.event_id, &cursor.position);

	return r < 0 ? r : rdx_reader_seek(reader, &cursor);
}

static const char *source_text(const struct source *source)
{
	static char text[RANKS_TEXT_BYTES];

	return ranks_name_text(&source->name, text);
}

/* Where recovery from nothing, or after `from`, begins; where that is the ledger, at the
 * oldest event there is. */
static int go_to_recovery(struct tail *tail, struct source *source, const struct rdx_cursor *from)
{
	struct rdx_recovery recovery = {.size = sizeof(recovery)};
	struct rdx_cursor cursor;
	int r = rdx_reader_recover(source->reader, from, &recovery);

	if (r < 0 || recovery.way != RDX_RECOVERED_LEDGER)
		return r;
	for (int i = 0; i < TRIES; i++) {
		r = go_to_oldest(source->reader);
		if (r != -EAGAIN)
			break;
	}
	if (r < 0)
		return r;
	rdx_reader_cursor(source->reader, &cursor);
	messages_say("%s: lost the events %" PRIu64 " to %" PRIu64 ": the ring wrapped over them, "
		     "and no clear of all tiers came after them",
		     source_text(source), from ? from->event_id + 1 : 1, cursor.event_id);
	tail->troubles = 1;
	return 0;
}

static int open_source(struct tail *tail, struct source *source)
{
	int r = sighting_open(&tail->space, &source->name, &source->reader);
	struct rdx_cursor birth;

	for (int i = 0; r == 0 && i < TRIES; i++) {
		/* nothing was read of a life that began while we look */
		birth = (struct rdx_cursor){.epoch = source->reader->info.epoch};
		if (!tail->started && tail->options->from_barrier)
			r = go_to_recovery(tail, source, NULL);
		else if (tail->started)
			r = go_to_recovery(tail, source, &birth);
		else
			r = go_to_newest(source->reader);
		if (r != -EAGAIN)
			break;
		r = 0;
	}
	if (r < 0 && source->reader) {
		rdx_reader_close(source->reader);
		source->reader = NULL;
	}
	return r;
}

/* Say once that a rank cannot be read; it is tried again. */
static void source_failed(struct tail *tail, struct source *source, int error)
{
	if (source->reader) {
		rdx_reader_close(source->reader);
		source->reader = NULL;
	}
	if (error != source->error && error != -ENOENT && error != -ESTALE) {
		sighting_say_error(&tail->space, &source->name, error);
		tail->troubles = 1;
	}
	source->error = error;
}

static void try_source(struct tail *tail, struct source *source)
{
	int r = open_source(tail, source);

	if (r < 0)
		source_failed(tail, source, r);
	else
		source->error = 0;
}

static struct source *find_source(struct tail *tail, const struct rank_name *name)
{
	for (size_t i = 0; i < tail->source_count; i++)
		if (tail->sources[i].name.worker_id == name->worker_id &&
		    tail->sources[i].name.dp_rank == name->dp_rank &&
		    tail->sources[i].name.any_rank == name->any_rank)
			return &tail->sources[i];
	return NULL;
}

static void add_source(struct tail *tail, const struct rank_name *name)
{
	struct source *sources =
		realloc(tail->sources, (tail->source_count + 1) * sizeof(*sources));

	if (!sources)
		messages_no_memory();
	tail->sources = sources;
	sources[tail->source_count] = (struct source){.name = *name};
	try_source(tail, &sources[tail->source_count++]);
}

/* Find ranks that appeared or came back. */
static int discover(struct tail *tail)
{
	struct ranks found;
	int r = ranks_find(&tail->space, &tail->options->wanted, &found);

	if (r < 0)
		return r;
	for (size_t i = 0; i < found.count; i++) {
		struct source *source = find_source(tail, &found.names[i]);

		if (!source)
			add_source(tail, &found.names[i]);
		else if (!source->reader)
			try_source(tail, source);
	}
	ranks_free(&found);
	return 0;
}

/* Does the rank's name lead to another file than the one that is read? */
static int is_replaced(const struct tail *tail, const struct source *source)
{
	char path[RDX_NAME_BYTES];
	struct stat named, mapped;

	rdx_namespace_segment(source->name.worker_id, source->name.dp_rank, path);
	return fstatat(tail->space.dir_fd, path, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstat(source->reader->view.mapping.fd, &mapped) == 0 &&
	       (named.st_ino != mapped.st_ino || named.st_dev != mapped.st_dev);
}

/* Go on with the next life of a rank whose old one was read to its end. */
static void next_life(struct tail *tail, struct source *source)
{
	struct rdx_reader *old = source->reader;

	source->reader = NULL;
	event_line_print_restart(&old->info);
	rdx_reader_close(old);
	try_source(tail, source);
}

static int done(const struct tail *tail)
{
	return stop_asked() || (tail->options->count && tail->printed >= tail->options->count);
}

/* Print some events of one rank. How many, or how the reader failed. */
static int print_batch(struct tail *tail, struct source *source)
{
	struct rdx_event event = {.size = sizeof(event)};
	int count = 0;

	while (count < BATCH_EVENTS && !done(tail)) {
		int r = rdx_reader_next(source->reader, &event);

		if (r <= 0)
			return r < 0 ? r : count;
		event_line_print(&tail->line, &source->reader->info, &event);
		tail->printed++;
		count++;
	}
	return count;
}

/* One turn of one rank: 1 if there was something. */
static int turn(struct tail *tail, struct source *source)
{
	struct rdx_cursor cursor;
	int r;

	if (!source->reader)
		return 0;
	r = print_batch(tail, source);
	if (r == -EOVERFLOW) {
		rdx_reader_cursor(source->reader, &cursor);
		r = go_to_recovery(tail, source, &cursor);
		if (r == 0)
			return 1;
		/* -EAGAIN: it still moves too fast; -ESTALE: nothing but the next life is left */
		if (r == -ESTALE)
			next_life(tail, source);
		if (r == -EAGAIN || r == -ESTALE)
			return 1;
	}
	if (r < 0)
		source_failed(tail, source, r);
	return r > 0;
}

static int follow(struct tail *tail)
{
	uint64_t scanned = rdx_clock_ns();

	while (!done(tail)) {
		int busy = 0;

		for (size_t i = 0; i < tail->source_count && !done(tail); i++)
			busy |= turn(tail, &tail->sources[i]);
		if (!busy && tail->options->once)
			break;
		if (!busy && fflush(stdout) != 0)
			break; /* finish says why */
		if (!tail->options->once && rdx_clock_ns() - scanned >= SCAN_NS) {
			int r = discover(tail);

			if (r < 0)
				return r;
			for (size_t i = 0; i < tail->source_count; i++)
				if (tail->sources[i].reader &&
				    is_replaced(tail, &tail->sources[i]) &&
				    print_batch(tail, &tail->sources[i]) == 0)
					next_life(tail, &tail->sources[i]);
			scanned = rdx_clock_ns();
		}
		if (!busy)
			stop_sleep(POLL_NS);
	}
	return 0;
}

/* Open what is there, and say what was named but is not. */
static int start(struct tail *tail)
{
	struct ranks found = {0};
	int r = discover(tail);

	if (r < 0)
		return r;
	for (size_t i = 0; i < tail->source_count; i++)
		ranks_add(&found, &tail->sources[i].name);
	if (ranks_missing(&tail->space, &tail->options->wanted, &found,
			  tail->options->once ? RANKS_SEE_LS : "waiting for it"))
		tail->troubles |= tail->options->once;
	ranks_free(&found);
	tail->started = 1;
	return 0;
}

int main(int argc, char **argv)
{
	struct tail_options options = {.dir = RDX_DEFAULT_DIR};
	struct tail tail = {.options = &options};
	int r;

	options_parse(&program, argc, argv, &options);
	stop_listen();
	if (space_open(&tail.space, options.dir) < 0)
		return EXIT_FAILED;
	r = start(&tail);
	if (r == 0)
		r = follow(&tail);
	for (size_t i = 0; i < tail.source_count; i++)
		rdx_reader_close(tail.sources[i].reader);
	free(tail.sources);
	event_line_free(&tail.line);
	ranks_free(&options.wanted);
	space_close(&tail.space);
	return r < 0 || tail.troubles ? EXIT_FAILED : EXIT_DONE;
}
