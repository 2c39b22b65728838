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

struct feed {
	struct lines lines;
	struct feed_line line;
	struct feed_ranks ranks;
	uint64_t bad_lines;
};

static int publish(struct feed *feed, struct json_object *object, struct json_line_fault *ret_fault)
{
	int r = feed_line_read(&feed->line, object, ret_fault);

	if (r == 0)
		r = feed_ranks_publish(&feed->ranks, &feed->line, feed->lines.number, ret_fault);
	json_object_put(object);
	return r;
}

/* Publish all lines; 1 when told to stop, 0 at the end of the input, -errno. */
static int publish_all(struct feed *feed)
{
	struct json_line_fault fault;
	struct json_object *object;
	int r;

	while ((r = json_line_next(&feed->lines, &object, &fault)) != 0) {
		if (r > 0)
			r = publish(feed, object, &fault);
		if (r == -EBADMSG) {
			messages_say("%s:%" PRIu64 ": %s", feed->lines.name, feed->lines.number,
				     fault.text);
			feed->bad_lines++;
		} else if (r < 0) {
			return r == -EINTR ? 1 : r;
		}
	}
	return 0;
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
	stopped = publish_all(feed);
	if (stopped < 0)
		messages_say_error(stopped, "cannot read %s", feed->lines.name);
	feed_ranks_warn(&feed->ranks, feed->lines.name);
	if (!options->quiet)
		summarize(feed);
	if (options->hold && stopped == 0)
		stop_sleep(STOP_FOREVER);
	feed_ranks_close(&feed->ranks);
	feed_line_free(&feed->line);
	lines_close(&feed->lines);
	return stopped < 0 || feed->bad_lines ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct feed_options options;
	struct feed feed = {0};

	feed_options_parse(argc, argv, &options);
	feed.ranks.options = options.publisher;
	signal(SIGPIPE, SIG_IGN); /* a reader that goes away does not end the worker */
	stop_listen();
	return run(&feed, &options);
}
