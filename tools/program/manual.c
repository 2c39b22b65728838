/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/manual.h"

#include "tools/program/json.h"
#include "tools/program/messages.h"
#include "tools/program/options_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct json_object *describe(const struct options_entry *entry, void *input)
{
	struct json_object *object = json_new_object();
	char standard[OPTIONS_VALUE_DEFAULT_BYTES], letter[2] = {entry->letter, 0};

	json_put_text(object, "heading", entry->kind == OPTIONS_HEADING ? entry->help : NULL);
	if (entry->kind == OPTIONS_HEADING)
		return object;
	options_value_default(entry, input, standard);
	json_put_text(object, "name", entry->name);
	json_put_text(object, "also", entry->also);
	json_put_text(object, "letter", entry->letter ? letter : NULL);
	json_put_text(object, "value", entry->value);
	json_put_flag(object, "is_optional", entry->optional != NULL);
	json_put_text(object, "help", entry->help);
	json_put_text(object, "default", standard[0] ? standard : NULL);
	if (entry->choices) {
		struct json_object *choices = json_new_array();

		for (uint32_t i = 0; entry->choices[i]; i++)
			json_append_text(choices, entry->choices[i]);
		json_put(object, "choices", choices);
	}
	return object;
}

void manual_print(const struct options_program *program, void *input)
{
	struct json_object *object = json_new_object(), *options = json_new_array();
	const char *notes = strchr(program->about, '\v');
	char *about = strndup(program->about,
			      notes ? (size_t)(notes - program->about) : strlen(program->about));

	if (!about)
		messages_no_memory();
	for (const struct options_entry *entry = program->entries; entry->kind != OPTIONS_END;
	     entry++)
		if (!entry->hidden)
			json_append(options, describe(entry, input));
	json_put_text(object, "program", program_invocation_short_name);
	json_put_text(object, "about", about);
	json_put_text(object, "notes", notes ? notes + 1 : NULL);
	json_put_text(object, "arguments", program->arguments ? program->arguments->shown : NULL);
	json_put(object, "options", options);
	json_print_line(object);
	free(about);
}
