/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ringdex-clean: remove what dead workers and indexers left.
 */
#include "tools/inspect/space.h"
#include "tools/program/figures.h"
#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/options_shared.h"
#include <ringdex/rdx_clean.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct clean_options {
	const char *dir;
	uint64_t dead_for_ns;
	int dry_run;
	int keep_directories;
	int json;
};

struct clean {
	const struct clean_options *options;
	struct json_object *list; /* or NULL */
};

#define TO(member) OPTIONS_TO(struct clean_options, member)

static const struct options_entry entries[] = {
	OPTIONS_DIR(TO(dir)),
	{"dead-for", 0, "DURATION",
	 "Keep what is dead for less, counted from the first look that finds it dead: the first "
	 "run keeps everything",
	 OPTIONS_DURATION, TO(dead_for_ns), .max = UINT64_MAX, .fallback = "keep nothing"},
	{"dry-run", 'n', NULL, "Remove nothing, only say what would be", OPTIONS_FLAG, TO(dry_run)},
	{"keep-directories", 0, NULL,
	 "Keep the directories of workers, where containers mount them", OPTIONS_FLAG,
	 TO(keep_directories)},
	OPTIONS_JSON(TO(json)),
	{0},
};

static const struct options_program program = {
	.entries = entries,
	.about = "Remove what dead workers and indexers left in a namespace.\v"
		 "Removed are segments and lock files of ranks that no process holds, clear files "
		 "and directories of workers without ranks, files that were never completed, and "
		 "the indexes where no indexer runs. What lives is not touched, and a worker or "
		 "an indexer may start meanwhile. Space that a running process still has mapped "
		 "is free when it has let go.\n\n"
		 "Exit status: 0 all that is dead was removed or is kept by --dead-for, 1 "
		 "something could not be removed or the directory could not be read, 2 wrong "
		 "usage.",
};

static const char *const kinds[] = {
	[RDX_CLEANED_RANK] = "rank",
	[RDX_CLEANED_WORKER] = "worker",
	[RDX_CLEANED_TEMPORARY] = "temporary",
	[RDX_CLEANED_INDEX] = "index",
};

static const char *outcome(const struct clean *clean, const struct rdx_cleaned *what)
{
	if (what->cause == 0)
		return clean->options->dry_run ? "would remove" : "removed";
	return what->cause == -EAGAIN ? "kept" : "cannot remove";
}

static void add_json(const struct clean *clean, const struct rdx_cleaned *what)
{
	struct json_object *object = json_new_object();

	json_put_text(object, "kind", kinds[what->kind]);
	if (what->kind == RDX_CLEANED_RANK || what->kind == RDX_CLEANED_WORKER)
		json_put_id(object, "worker", what->worker_id);
	if (what->kind == RDX_CLEANED_RANK)
		json_put_number(object, "dp_rank", what->dp_rank);
	json_put_text(object, "file", what->name);
	json_put_text(object, "outcome", outcome(clean, what));
	json_put_text(object, "error",
		      what->cause && what->cause != -EAGAIN ? strerrorname_np(-what->cause) : NULL);
	json_put_number(object, "bytes", what->bytes);
	json_put_id(object, "dead_ns", what->dead_ns);
	json_append(clean->list, object);
}

static void tell(void *context, const struct rdx_cleaned *what)
{
	const struct clean *clean = context;
	char size[FIGURES_BYTES], age[FIGURES_BYTES];

	if (clean->list) {
		add_json(clean, what);
		return;
	}
	if (what->cause && what->cause != -EAGAIN) {
		messages_say_error(what->cause, "cannot remove %s %s", kinds[what->kind],
				   what->name);
		return;
	}
	printf("%s %s %s: %s", outcome(clean, what), kinds[what->kind], what->name,
	       figures_size(what->bytes, size));
	if (what->cause && what->dead_ns == 0)
		printf(", first seen dead now");
	else if (what->cause)
		printf(", seen dead for %s", figures_duration(what->dead_ns, age));
	putchar('\n');
}

static void print_sum(const struct clean *clean, const struct rdx_clean_result *result)
{
	char removed[FIGURES_BYTES], kept[FIGURES_BYTES];

	printf("%s %s in %" PRIu64 " item%s", clean->options->dry_run ? "would free" : "freed",
	       figures_size(result->bytes, removed), result->removed,
	       figures_plural(result->removed));
	if (result->kept)
		printf(", kept %" PRIu64, result->kept);
	if (result->failed)
		printf(", could not remove %" PRIu64, result->failed);
	if (result->kept + result->failed)
		printf(" (%s)", figures_size(result->kept_bytes, kept));
	putchar('\n');
}

static void print_json(const struct clean *clean, const struct rdx_clean_result *result)
{
	static const struct json_field fields[] = {
		JSON_FIELD(struct rdx_clean_result, removed),
		JSON_FIELD(struct rdx_clean_result, kept),
		JSON_FIELD(struct rdx_clean_result, failed),
		JSON_FIELD(struct rdx_clean_result, bytes),
		JSON_FIELD(struct rdx_clean_result, kept_bytes),
	};
	struct json_object *object = json_new_object();

	json_put_text(object, "dir", clean->options->dir);
	json_put_flag(object, "dry_run", clean->options->dry_run);
	JSON_PUT_FIELDS(object, fields, result);
	json_put(object, "items", json_object_get(clean->list));
	json_print(object);
}

static int run(struct clean *clean)
{
	const struct rdx_clean_options options = {
		.size = sizeof(options),
		.dir = clean->options->dir,
		.dead_for_ns = clean->options->dead_for_ns,
		.dry_run = (uint32_t)clean->options->dry_run,
		.keep_directories = (uint32_t)clean->options->keep_directories,
		.tell = tell,
		.context = clean,
	};
	struct rdx_clean_result result = {.size = sizeof(result)};
	struct space space;
	int r = space_open(&space, options.dir);

	if (r < 0)
		return EXIT_FAILED; /* why was said */
	space_close(&space);
	r = rdx_clean(&options, &result);
	if (r < 0) {
		messages_say_error(r, "cannot clean %s", clean->options->dir);
		return EXIT_FAILED;
	}
	if (clean->list)
		print_json(clean, &result);
	else
		print_sum(clean, &result);
	return result.failed ? EXIT_FAILED : EXIT_DONE;
}

int main(int argc, char **argv)
{
	struct clean_options options = {.dir = RDX_DEFAULT_DIR};
	struct clean clean = {.options = &options};
	int status;

	options_parse(&program, argc, argv, &options);
	if (options.json)
		clean.list = json_new_array();
	status = run(&clean);
	json_object_put(clean.list);
	return status;
}
