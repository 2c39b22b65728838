/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/doctor/findings.h"

#include "tools/program/messages.h"
#include "tools/program/printable.h"
#include "tools/program/sheet.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void findings_free(struct findings *findings)
{
	free(findings->list);
	*findings = (struct findings){0};
}

void findings_add(struct findings *findings, const char *check, enum finding_level level,
		  const char *advice, const char *format, ...)
{
	struct finding *list =
		realloc(findings->list, (findings->count + 1) * sizeof(*findings->list));
	struct finding *finding;
	va_list arguments;

	if (!list)
		messages_no_memory();
	findings->list = list;
	finding = &list[findings->count++];
	*finding = (struct finding){.level = level, .check = check, .advice = advice};
	va_start(arguments, format);
	vsnprintf(finding->text, sizeof(finding->text), format, arguments);
	va_end(arguments);
}

enum finding_level findings_worst(const struct findings *findings)
{
	enum finding_level worst = FINDING_OK;

	for (size_t i = 0; i < findings->count; i++)
		if (findings->list[i].level > worst)
			worst = findings->list[i].level;
	return worst;
}

const char *findings_level_text(enum finding_level level)
{
	static const char *const texts[] = {"ok", "note", "warning", "error"};

	return texts[level];
}

static void describe(struct sheet *sheet, const void *of, uint32_t i)
{
	static const enum table_tone tone[] = {TABLE_GOOD, TABLE_PLAIN, TABLE_WARNING, TABLE_BAD};
	const struct finding *finding = &((const struct findings *)of)->list[i];

	sheet_text(sheet, "LEVEL", "level", findings_level_text(finding->level));
	sheet_tone(sheet, tone[finding->level]);
	sheet_text(sheet, "CHECK", "check", finding->check);
	sheet_text(sheet, "FINDING", "finding", finding->text);
	sheet_text(sheet, NULL, "advice", finding->advice);
}

void findings_print(const struct findings *findings)
{
	sheet_print(NULL, describe, findings, 0, (uint32_t)findings->count);
	for (size_t i = 0; i < findings->count; i++) {
		if (!findings->list[i].advice)
			continue;
		printf("%s: %s: ", findings_level_text(findings->list[i].level),
		       findings->list[i].check);
		printable_put(stdout, findings->list[i].advice);
		putchar('\n');
	}
}

void findings_print_json(const struct findings *findings, const char *dir)
{
	struct json_object *object = json_new_object();

	json_put_text(object, "dir", dir);
	json_put_text(object, "worst", findings_level_text(findings_worst(findings)));
	json_put(object, "findings", sheet_list(describe, findings, (uint32_t)findings->count));
	json_print(object);
}
