/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/corpus/find.h"

#include "bench/corpus/simulate.h"
#include "bench/scratch.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SEED 1

/* The file goes as soon as it is mapped. */
static int make_small(const char *name, struct corpus *ret_corpus)
{
	char dir[SCRATCH_BYTES], path[SCRATCH_BYTES + 32];
	struct requests requests;
	struct simulate_options how = {&requests, SEED, FIND_SMOKE_DIVIDE};
	int r = scratch_make(dir);

	if (r < 0)
		return r;
	snprintf(path, sizeof(path), "%s/corpus", dir);
	r = requests_make(&requests, SEED, FIND_SMOKE_DIVIDE);
	if (r == 0) {
		r = simulate_run(recipe_find(name), &how, path);
		requests_free(&requests);
	}
	if (r == 0)
		r = corpus_open(ret_corpus, path);
	scratch_remove(dir);
	return r;
}

int find_corpus(const struct options *options, struct report *report, const char *name,
		struct corpus *ret_corpus)
{
	char path[4096];
	int r;

	snprintf(path, sizeof(path), "%s/%s.corpus", options->corpora, name);
	r = options->length == OPTIONS_SMOKE ? make_small(name, ret_corpus)
					     : corpus_open(ret_corpus, path);
	if (r < 0)
		report_note(report, "%s is left out: %s; bench-corpus makes it", path,
			    strerror(-r));
	return r == 0;
}
