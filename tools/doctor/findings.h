/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What ringdex-doctor found out: one finding or more for each thing that it checked.
 */
#ifndef DOCTOR_FINDINGS_H
#define DOCTOR_FINDINGS_H

#include <stddef.h>

#define FINDINGS_TEXT_BYTES 512

enum finding_level {
	FINDING_OK,
	FINDING_NOTE,    /* works, and could be better */
	FINDING_WARNING, /* something will go wrong, or has for somebody */
	FINDING_ERROR,   /* ringdex does not work here */
};

struct finding {
	enum finding_level level;
	const char *check;              /* what was checked, one word */
	char text[FINDINGS_TEXT_BYTES]; /* what there is */
	const char *advice;             /* what to do; NULL: nothing */
};

/* A growing list. {0} is empty. */
struct findings {
	struct finding *list;
	size_t count;
};
void findings_free(struct findings *findings);

/* `check` and `advice` stay the caller's and must outlive the list. Ends the program without memory. */
__attribute__((format(printf, 5, 6))) void findings_add(struct findings *findings,
							const char *check, enum finding_level level,
							const char *advice, const char *format,
							...);

/* FINDING_OK where there is none. */
enum finding_level findings_worst(const struct findings *findings);

/* "ok", "note", "warning", "error" */
const char *findings_level_text(enum finding_level level);

/* As a table, then what to do about those that want something done; or as JSON. */
void findings_print(const struct findings *findings);
void findings_print_json(const struct findings *findings, const char *dir);

#endif
