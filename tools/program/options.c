/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/options.h"

#include "tools/program/manual.h"
#include "tools/program/messages.h"
#include "tools/program/options_value.h"
#include "tools/program/printable.h"
#include <ringdex/rdx_version.h>

#include <errno.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_KEY     0x100 /* of options without a letter */
#define VERSION_BYTES 256
#define OUTPUT_BYTES  65536

/* What argp's parser is given. */
struct parse {
	const struct options_program *program;
	void *input;
	uint8_t *given; /* by entry: it was; or NULL */
};

/* Of a line of a file, by its place: the lines behind argp's own messages say how to get help on a command.
 * It is told to keep silent, and getopt, which has no such lines, is not. */
static int is_of_a_line(const struct argp_state *state)
{
	return state->flags & ARGP_NO_HELP;
}

void options_error(const struct argp_state *state, const char *format, ...)
{
	va_list arguments;
	char *text;

	va_start(arguments, format);
	if (vasprintf(&text, format, arguments) < 0)
		messages_no_memory();
	va_end(arguments);
	if (!is_of_a_line(state))
		argp_error(state, "%s", text);
	fprintf(stderr, "%s: ", state->argv[0]);
	printable_put(stderr, text);
	fputc('\n', stderr);
	exit(EXIT_USAGE);
}

/* -- help -- */

static int key_of(const struct options_program *program, const struct options_entry *entry)
{
	return entry->letter ? entry->letter : FIRST_KEY + (int)(entry - program->entries);
}

/* The help with its default, to be freed. */
static char *doc_of(const struct options_entry *entry, void *input)
{
	char standard[OPTIONS_VALUE_DEFAULT_BYTES], *doc;

	options_value_default(entry, input, standard);
	if (asprintf(&doc, standard[0] ? "%s [default: %s]" : "%s", entry->help ? entry->help : "",
		     standard) < 0)
		messages_no_memory();
	return doc;
}

/* The table as argp wants it, to be freed with its texts. */
static struct argp_option *argp_options(const struct options_program *program, void *input)
{
	struct argp_option *list, *at;
	size_t count = 0;
	int group = 0;

	while (program->entries[count].kind != OPTIONS_END)
		count++;
	at = list = calloc(2 * count + 1, sizeof(*list)); /* each may have two names */
	if (!list)
		messages_no_memory();
	for (size_t i = 0; i < count; i++) {
		const struct options_entry *entry = &program->entries[i];

		if (entry->kind == OPTIONS_HEADING) {
			*at++ = (struct argp_option){.doc = doc_of(entry, input), .group = ++group};
			continue;
		}
		*at++ = (struct argp_option){
			.name = entry->name,
			.key = key_of(program, entry),
			.arg = entry->value,
			.flags = (entry->hidden ? OPTION_HIDDEN : 0) |
				 (entry->optional ? OPTION_ARG_OPTIONAL : 0),
			.doc = doc_of(entry, input),
			.group = group,
		};
		if (entry->also)
			*at++ = (struct argp_option){.name = entry->also,
						     .key = key_of(program, entry),
						     .flags = OPTION_ALIAS};
	}
	return list;
}

/* -- parsing -- */

static void take_argument(const struct argp_state *state, const struct parse *parse,
			  const char *text)
{
	const struct options_arguments *arguments = parse->program->arguments;

	if (!arguments || (arguments->most && state->arg_num >= arguments->most))
		options_error(state, "unexpected argument '%s'", text);
	else
		arguments->take(state, text, (char *)parse->input + arguments->at);
}

static void end_parsing(const struct argp_state *state, const struct parse *parse)
{
	const struct options_arguments *arguments = parse->program->arguments;

	if (arguments && arguments->missing && state->arg_num == 0)
		options_error(state, "missing argument: %s", arguments->missing);
	if (parse->program->check)
		parse->program->check(state, parse->input);
}

static void take(const struct argp_state *state, const struct parse *parse,
		 const struct options_entry *entry, const char *text)
{
	char wrong[OPTIONS_VALUE_WRONG_BYTES];

	if (!options_value_take(entry, text, parse->input, wrong))
		options_error(state, "--%s: %s", entry->name, wrong);
	if (parse->given)
		parse->given[entry - parse->program->entries] = 1;
}

static error_t parse(int key, char *text, struct argp_state *state)
{
	const struct parse *parse = state->input;
	const struct options_entry *entry = parse->program->entries;

	switch (key) {
	case ARGP_KEY_INIT:
		if (is_of_a_line(state))
			state->err_stream = NULL;
		return 0;
	case ARGP_KEY_ARG:
		take_argument(state, parse, text);
		return 0;
	case ARGP_KEY_END:
		end_parsing(state, parse);
		return 0;
	}
	for (; entry->kind != OPTIONS_END; entry++) {
		if (entry->kind == OPTIONS_HEADING || key != key_of(parse->program, entry))
			continue;
		take(state, parse, entry, text ? text : entry->optional);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void parse_words(const struct options_program *program, int argc, char **argv,
			unsigned int flags, void *input, uint8_t *given)
{
	const struct options_arguments *arguments = program->arguments;
	struct parse parsed = {.program = program, .input = input, .given = given};
	struct argp_option *list = argp_options(program, input);
	struct argp argp = {
		.options = list,
		.parser = parse,
		.args_doc = arguments ? arguments->shown : NULL,
		.doc = program->about,
	};
	int r = argp_parse(&argp, argc, argv, flags, NULL, &parsed);

	for (struct argp_option *option = list; option->doc || option->name; option++)
		free((char *)option->doc);
	free(list);
	if (r == 0)
		return;
	if (!(flags & ARGP_NO_HELP)) /* else getopt has said it */
		messages_say("%s", strerror(r));
	exit(EXIT_USAGE);
}

void options_parse_given(const struct options_program *program, int argc, char **argv, void *input,
			 uint8_t *ret_given)
{
	static char version[VERSION_BYTES], output[OUTPUT_BYTES];

	/* names may be of any language; numbers are those of C */
	setlocale(LC_CTYPE, "");
	snprintf(version, sizeof(version), "%s " RDX_VERSION, program_invocation_short_name);
	argp_program_version = version;
	argp_err_exit_status = EXIT_USAGE;
	/* glibc ignores a size without room; a whole --help in it says why it cannot be written */
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	messages_check_output();
	if (argc == 2 && strcmp(argv[1], MANUAL_OPTION) == 0) {
		manual_print(program, input);
		exit(EXIT_DONE);
	}
	parse_words(program, argc, argv, 0, input, ret_given);
}

void options_parse(const struct options_program *program, int argc, char **argv, void *input)
{
	options_parse_given(program, argc, argv, input, NULL);
}

void options_parse_line(const struct options_program *program, int argc, char **argv, void *input)
{
	parse_words(program, argc, argv, ARGP_NO_HELP, input, NULL);
}

void options_take_text(const struct argp_state *state, const char *text, void *member)
{
	(void)state;
	memcpy(member, &text, sizeof(text));
}
