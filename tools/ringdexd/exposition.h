/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Metrics as text: Prometheus's format 0.0.4, or OpenMetrics 1.0 for who asks for it.
 */
#ifndef RINGDEXD_EXPOSITION_H
#define RINGDEXD_EXPOSITION_H

#include "tools/ringdexd/answer.h"
#include "tools/ringdexd/histogram.h"

struct exposition {
	struct answer *answer;
	int is_open;      /* OpenMetrics */
	const char *name; /* of the family */
	int has_labels;   /* of the sample that is begun */
};

void exposition_begin(struct exposition *ret_exposition, struct answer *answer, int is_open);
void exposition_end(struct exposition *exposition);

/* Samples of one family follow one another. `type`: "counter", whose name ends in _total, "gauge", "histogram". */
void exposition_family(struct exposition *exposition, const char *name, const char *type,
		       const char *help);

/* A sample: begun, labels, and its value; `suffix` is behind the family's name. */
void exposition_sample(struct exposition *exposition, const char *suffix);
/* Quotes, backslashes and ends of lines are escaped; what is no UTF-8 is U+FFFD. */
void exposition_label(struct exposition *exposition, const char *name, const char *value);
void exposition_label_number(struct exposition *exposition, const char *name, uint64_t value);
void exposition_number(struct exposition *exposition, uint64_t value);
/* UINT64_MAX: not known, NaN. */
void exposition_seconds(struct exposition *exposition, uint64_t ns);

/* A family of one sample without labels. */
void exposition_one(struct exposition *exposition, const char *name, const char *type,
		    const char *help, uint64_t value);

/* A histogram's samples, with one label, or without where `label` is NULL. */
void exposition_histogram(struct exposition *exposition, const struct histogram *histogram,
			  const char *label, const char *value);

#endif
