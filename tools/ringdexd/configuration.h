/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Options from elsewhere than the command line: from the environment, whose names are the options' in capitals
 * behind RINGDEXD_ (RINGDEXD_TOKEN_FILE), and from a file of "name = value" lines, read by inih. A flag wins over the
 * environment, and that over the file.
 */
#ifndef RINGDEXD_CONFIGURATION_H
#define RINGDEXD_CONFIGURATION_H

#include "tools/program/options.h"

#include <stdio.h>

#define CONFIGURATION_OPTIONS_MAX 64

/* One reading: texts that options point to. {0} is empty. */
struct configuration_texts {
	struct configuration_text *first;
	int is_again; /* others are served meanwhile: nothing waits for a pipe, which a start may */
};

/* Open a file that such a reading needs. -ESPIPE: it is a pipe, and is_again; -errno */
int configuration_open(const struct configuration_texts *texts, const char *path, FILE **ret_file);

/* Why it could not be opened, in words. */
const char *configuration_explain(int error);

void configuration_free(struct configuration_texts *texts);

/* Where such a text stood, to begin a message with: "FILE:LINE: ", "VARIABLE: "; "": it is none of these, as that
 * of a flag. */
const char *configuration_place(const struct configuration_texts *texts, const char *text);

/*
 * Set members of `input` that were not `given` as flags: from the environment, then from `*file`, which the
 * environment may have named; with a "-" before it, from there if there is such a file. Texts are kept in `texts`. Each fault is said, with its place and what would be
 * right; how many there are.
 */
int configuration_read(const struct options_program *program, const uint8_t *given, void *input,
		       const char *const *file, struct configuration_texts *texts);

/* Say which variables begin like ours and are none: Kubernetes makes such, and so does who mistypes. */
void configuration_say_unknown(const struct options_program *program);

#endif
