/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program's command line for other programs: manual pages and completions are made of it.
 */
#ifndef PROGRAM_MANUAL_H
#define PROGRAM_MANUAL_H

#include "tools/program/options.h"

/* What a program is asked for by docs/man/make.py, as its only argument; not in --help. */
#define MANUAL_OPTION "--help-json"

/* Print the tables as one JSON object. `input` holds the defaults. */
void manual_print(const struct options_program *program, void *input);

#endif
