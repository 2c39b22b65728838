/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The corpora of a benchmark's run.
 */
#ifndef CORPUS_FIND_H
#define CORPUS_FIND_H

#include "bench/corpus/corpus.h"
#include "bench/options.h"
#include "bench/report.h"

#define FIND_MOST         12 /* corpora of a program, and a NULL */
#define FIND_SMOKE_DIVIDE 64 /* so much smaller are those of a smoke run */

/* Open a corpus of options->corpora; a smoke run makes a small one of its own. 0 where there is none,
 * which is noted. */
int find_corpus(const struct options *options, struct report *report, const char *name,
		struct corpus *ret_corpus);

#endif
