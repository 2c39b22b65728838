/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-feed: publish an engine-neutral stream of events. docs/feed-format.md.
 */
#include "tools/feed/feed_options.h"
#include "tools/feed/feed_ranks.h"
#include "tools/program/lines.h"
#include "tools/program/messages.h"
#include "tools/program/stop.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>

#define CHECK_MS  1000
#define NS_PER_MS UINT64_C(1000000)

/*
 * Removals of neighbouring lines are one call, since a call's cost is mostly the memory that it
 * waits for. One is held back only while the next line is there already.
 */
struct feed {
	struct lines lines;
	struct feed_line line;
	struct feed_line removed; /* held back; without names: none is */
	uint64_t removed_number;  /* of its first line */
	struct feed_ranks ranks;
	uint64_t bad_lines;
	uint32_t on_unreadable; /* FEED_UNREADABLE_... */
	const char *const *harmless_fields;
};

/* -EBADMSG is said, unless it was before; any other error is returned. */
static int say(const struct feed *feed, int error, uint64_t number,
	       const struct json_line_fault *fault)
{
	if (error != -EBADMSG)
		return error;
	if (fault->text[0])
		messages_say("%s:%" PRIu64 ": %s", feed->lines.name, number, fault->text);
	return 0;
}

/* The same, and it is counted. */
static int judge(struct feed *feed, int error, uint64_t number, const struct json_line_fault *fault)
{
	feed->bad_lines += error == -EBADMSG;
	return say(feed, error, number, fault);
}

static int publish_removed(struct feed *feed)
{
	struct json_line_fault fault;
	int r = 0;

	if (feed->removed.event.count)
		r = feed_ranks_publish(&feed->ranks, &feed->removed, feed->removed_number, &fault);
	feed->removed.event.count = 0;
	return judge(feed, r, feed->removed_number, &fault);
}

/* What a line said that cannot be read is not known: no rank that it may be about is EXACT. */
static int mark_unread(struct feed *feed, int has_rank)
{
	struct json_line_fault fault;
	int r = publish_removed(feed);

	if (r < 0 || feed->on_unreadable == FEED_UNREADABLE_SKIP)
		return r;
	if (has_rank) {
		r = feed_ranks_mark(&feed->ranks, feed->line.worker, feed->line.dp_rank,
				    feed->lines.number, &fault);
		return say(feed, r, feed->lines.number, &fault);
	}
	feed_ranks_mark_all(&feed->ranks, feed->lines.number);
	return 0;
}

/* The line is bad: say why, count it, and mark. */
static int judge_unread(struct feed *feed, int error, int has_rank,
			const struct json_line_fault *fault)
{
	int r = judge(feed, error, feed->lines.number, fault);

	return r < 0 ? r : mark_unread(feed, has_rank);
}

static int publish_line(struct feed *feed)
{
	struct json_line_fault fault;
	uint64_t number = feed->lines.number;
	const struct rdx_engine_options *options = &feed->ranks.engine_options;
	int r = 0;

	if (feed->removed.event.count)
		r = feed_line_join(&feed->removed, &feed->line, options);
	if (r)
		return r < 0 ? r : 0;
	r = publish_removed(feed);
	if (r < 0)
		return r;
	if (feed_line_is_removal(&feed->line, options)) {
		struct feed_line other = feed->removed;

		feed->removed = feed->line;
		feed->line = other;
		feed->removed_number = number;
		return 0;
	}
	r = feed_ranks_publish(&feed->ranks, &feed->line, number, &fault);
	return judge(feed, r, number, &fault);
}

static int publish(struct feed *feed, struct json_object *object)
{
	struct json_line_fault fault;
	int r = feed_line_read(&feed->line, object, feed->harmless_fields, &fault);

	if (r < 0)
		r = judge_unread(feed, r, feed->line.has_rank, &fault);
	else
		r = publish_line(feed);
	json_object_put(object);
	return r;
}

/* The next line as json_line_next, and while there is none a look at the ranks' files each second. */
static int next_line(struct feed *feed, struct json_object **ret_object,
		     struct json_line_fault *ret_fault)
{
	do
		feed_ranks_check(&feed->ranks);
	while (!lines_ready(&feed->lines) && lines_wait(&feed->lines, CHECK_MS) == 0);
	return json_line_next(&feed->lines, ret_object, ret_fault);
}

/* Publish all lines; 1 when told to stop, 0 at the end of the input, -errno. */
static int publish_all(struct feed *feed)
{
	struct json_line_fault fault;
	struct json_object *object;
	int r;

	while ((r = next_line(feed, &object, &fault)) != 0) {
		r = r > 0 ? publish(feed, object) : judge_unread(feed, r, 0, &fault);
		if (r == 0 && !lines_ready(&feed->lines))
			r = publish_removed(feed);
		if (r < 0)
			return r == -EINTR ? 1 : r;
	}
	return publish_removed(feed);
}

static void summarize(const struct feed *feed)
{
	struct feed_totals totals;

	feed_ranks_totals(&feed->ranks, &totals);
	messages_say("lines: %" PRIu64 ", bad: %" PRIu64 ", ranks: %u, events: %" PRIu64
		     ", blocks stored: %" PRIu64 ", removed: %" PRIu64 ", clears: %" PRIu64,
		     feed->lines.number, feed->bad_lines, totals.ranks, totals.events,
		     totals.blocks_stored, totals.blocks_removed, totals.clears);
}

static int run(struct feed *feed, const struct feed_options *options)
{
	int stopped, error = lines_open(&feed->lines, options->path);

	if (error) {
		messages_say_error(error, "cannot open %s", options->path);
		return EXIT_FAILED;
	}
	feed->ranks.input = feed->lines.name;
	stopped = publish_all(feed);
	if (stopped < 0)
		messages_say_error(stopped, "cannot read %s", feed->lines.name);
	feed_ranks_sum_up(&feed->ranks);
	if (!options->quiet)
		summarize(feed);
	while (options->hold && stopped == 0 && !stop_sleep(CHECK_MS * NS_PER_MS))
		feed_ranks_check(&feed->ranks);
	feed_ranks_close(&feed->ranks);
	feed_line_free(&feed->line);
	feed_line_free(&feed->removed);
	lines_close(&feed->lines);
	return stopped < 0 || feed->bad_lines ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	static struct feed_options options; /* its words live as long as the program */
	struct feed feed = {0};

	feed_options_parse(argc, argv, &options);
	feed.ranks.options = options.publisher;
	feed.ranks.engine_options = options.engine;
	feed.harmless_fields = options.engine.harmless_fields;
	feed.on_unreadable = options.on_unreadable;
	signal(SIGPIPE, SIG_IGN); /* a reader that goes away does not end the worker */
	stop_listen();
	return run(&feed, &options);
}
