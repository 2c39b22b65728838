/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/options.h"

#include "tools/program/messages.h"
#include "tools/program/printable.h"
#include <ringdex/rdx_version.h>

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_KEY     0x100 /* of options without a letter */
#define DEFAULT_BYTES 64
#define RIGHT_BYTES   256 /* what would be right, in words */
#define OUTPUT_BYTES  65536

static const struct {
	const char *name;
	uint64_t ns;
} units[] = {
	{"ns", 1},
	{"us", UINT64_C(1000)},
	{"ms", UINT64_C(1000000)},
	{"s", UINT64_C(1000000000)},
	{"m", UINT64_C(60000000000)},
	{"h", UINT64_C(3600000000000)},
};
#define UNITS (sizeof(units) / sizeof(units[0]))

/* What argp's parser is given. */
struct parse {
	const struct options_program *program;
	void *input;
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

/* -- values -- */

int options_read_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret_value)
{
	unsigned long long value;
	char *end;
	int base = 10;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
		text += 2;
		base = 16;
	}
	/* strtoull takes signs and blanks */
	if (!strchr("0123456789abcdefABCDEF", text[0]) || !text[0])
		return 0;
	errno = 0;
	value = strtoull(text, &end, base);
	if (errno || *end || end == text || value < min || value > max)
		return 0;
	*ret_value = value;
	return 1;
}

/* Decimal digits with a point perhaps; strtod takes signs, blanks, "inf" and "nan". */
static int read_fraction(const char *text, double *ret_value, const char **ret_end)
{
	char *end;

	if (!strchr("0123456789.", text[0]) || !text[0])
		return 0;
	*ret_value = strtod(text, &end);
	*ret_end = end;
	return end != text;
}

static int read_duration(const char *text, uint64_t min, uint64_t max, uint64_t *ret_ns)
{
	const char *unit;
	double value;

	if (!read_fraction(text, &value, &unit))
		return 0;
	for (size_t i = 0; i < UNITS; i++) {
		double ns = value * (double)units[i].ns;

		if (strcmp(unit, units[i].name) != 0)
			continue;
		if (!(ns >= (double)min && ns <= (double)max))
			return 0;
		*ret_ns = (uint64_t)ns;
		return 1;
	}
	return 0;
}

/* In the largest unit that leaves no rest. */
static void write_duration(uint64_t ns, char *ret_text)
{
	size_t i = UNITS - 1;

	while (i && (ns == 0 || ns % units[i].ns))
		i--;
	snprintf(ret_text, DEFAULT_BYTES, "%" PRIu64 "%s", ns / units[i].ns, units[i].name);
}

static void *member(const struct options_entry *entry, void *input)
{
	return (char *)input + entry->at;
}

static void store_number(const struct options_entry *entry, void *input, uint64_t value)
{
	uint32_t narrow = (uint32_t)value;

	if (entry->bytes == sizeof(narrow)) {
		assert(value == narrow);
		memcpy(member(entry, input), &narrow, sizeof(narrow));
	} else {
		assert(entry->bytes == sizeof(value));
		memcpy(member(entry, input), &value, sizeof(value));
	}
}

static uint64_t load_number(const struct options_entry *entry, void *input)
{
	uint64_t value;
	uint32_t narrow;

	if (entry->bytes == sizeof(narrow)) {
		memcpy(&narrow, member(entry, input), sizeof(narrow));
		return narrow;
	}
	memcpy(&value, member(entry, input), sizeof(value));
	return value;
}

/* -- the kinds: each reads its value, or says what would be one -- */

/* "--x: 'text' is not " and then as printf. Ends the program. */
__attribute__((format(printf, 4, 5))) static void wrong(const struct argp_state *state,
							const struct options_entry *entry,
							const char *text, const char *format, ...)
{
	char right[RIGHT_BYTES];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(right, sizeof(right), format, arguments);
	va_end(arguments);
	options_error(state, "--%s: '%s' is not %s", entry->name, text, right);
}

static void take_number(const struct argp_state *state, const struct options_entry *entry,
			const char *text, void *input)
{
	const char *what = entry->kind == OPTIONS_POWER ? "power of two" : "whole number";
	uint64_t value = entry->min;

	if (!options_read_number(text, entry->min, entry->max, &value) ||
	    (entry->kind == OPTIONS_POWER && (value & (value - 1))))
		wrong(state, entry, text, "a %s from %" PRIu64 " to %" PRIu64, what, entry->min,
		      entry->max);
	store_number(entry, input, value);
}

static void take_fraction(const struct argp_state *state, const struct options_entry *entry,
			  const char *text, void *input)
{
	const char *end;
	double value = entry->least;

	/* the form also refuses what is not a number */
	if (!read_fraction(text, &value, &end) || *end ||
	    !(value >= entry->least && value <= entry->most))
		wrong(state, entry, text, "a number from %g to %g", entry->least, entry->most);
	memcpy(member(entry, input), &value, sizeof(value));
}

static void take_duration(const struct argp_state *state, const struct options_entry *entry,
			  const char *text, void *input)
{
	char min[DEFAULT_BYTES], max[DEFAULT_BYTES];
	uint64_t ns = entry->min;

	write_duration(entry->min, min);
	write_duration(entry->max, max);
	if (!read_duration(text, entry->min, entry->max, &ns))
		wrong(state, entry, text, "a duration from %s to %s, such as 250ms, 10s or 5m", min,
		      max);
	store_number(entry, input, ns);
}

static void take_choice(const struct argp_state *state, const struct options_entry *entry,
			const char *text, void *input)
{
	char all[RIGHT_BYTES] = "";
	size_t length = 0;

	for (uint32_t i = 0; entry->choices[i]; i++) {
		if (strcmp(entry->choices[i], text) == 0) {
			store_number(entry, input, i);
			return;
		}
		assert(length + strlen(entry->choices[i]) + 2 < sizeof(all));
		length += (size_t)snprintf(all + length, sizeof(all) - length, "%s %s",
					   i ? "," : "", entry->choices[i]);
	}
	wrong(state, entry, text, "one of%s", all);
}

static void take_text(const struct argp_state *state, const struct options_entry *entry,
		      const char *text, void *input)
{
	if (strlen(text) < entry->min)
		wrong(state, entry, text, "a name");
	memcpy(member(entry, input), &text, sizeof(text));
}

/* One more: the array is zeroed, and its last place stays so. */
static void take_texts(const struct argp_state *state, const struct options_entry *entry,
		       const char *text, void *input)
{
	const char **texts = member(entry, input);
	size_t most = entry->bytes / sizeof(*texts) - 1, count = 0;

	if (strlen(text) < entry->min)
		wrong(state, entry, text, "a name");
	while (texts[count])
		count++;
	if (count == most)
		options_error(state, "--%s: given more than %zu times", entry->name, most);
	texts[count] = text;
}

static void take(const struct argp_state *state, const struct options_entry *entry,
		 const char *text, void *input)
{
	const int one = 1;

	switch (entry->kind) {
	case OPTIONS_FLAG:
		memcpy(member(entry, input), &one, sizeof(one));
		return;
	case OPTIONS_TEXT:
		take_text(state, entry, text, input);
		return;
	case OPTIONS_TEXTS:
		take_texts(state, entry, text, input);
		return;
	case OPTIONS_FRACTION:
		take_fraction(state, entry, text, input);
		return;
	case OPTIONS_DURATION:
		take_duration(state, entry, text, input);
		return;
	case OPTIONS_CHOICE:
		take_choice(state, entry, text, input);
		return;
	default:
		take_number(state, entry, text, input);
	}
}

/* -- help -- */

/* The default as it would be written; "" for none. */
static void write_default(const struct options_entry *entry, void *input, char *ret_text)
{
	const char *text = entry->fallback;
	double fraction;

	ret_text[0] = 0;
	if (!text && entry->kind == OPTIONS_TEXT)
		memcpy(&text, member(entry, input), sizeof(text));
	if (!text && entry->kind == OPTIONS_CHOICE)
		text = entry->choices[load_number(entry, input)];
	if (text) {
		snprintf(ret_text, DEFAULT_BYTES, "%s", text);
	} else if (entry->kind == OPTIONS_NUMBER || entry->kind == OPTIONS_POWER) {
		snprintf(ret_text, DEFAULT_BYTES, "%" PRIu64, load_number(entry, input));
	} else if (entry->kind == OPTIONS_DURATION) {
		write_duration(load_number(entry, input), ret_text);
	} else if (entry->kind == OPTIONS_FRACTION) {
		memcpy(&fraction, member(entry, input), sizeof(fraction));
		snprintf(ret_text, DEFAULT_BYTES, "%g", fraction);
	}
}

static int key_of(const struct options_program *program, const struct options_entry *entry)
{
	return entry->letter ? entry->letter : FIRST_KEY + (int)(entry - program->entries);
}

/* The help with its default, to be freed. */
static char *doc_of(const struct options_entry *entry, void *input)
{
	char standard[DEFAULT_BYTES], *doc;

	write_default(entry, input, standard);
	if (asprintf(&doc, standard[0] ? "%s [default: %s]" : "%s", entry->help ? entry->help : "",
		     standard) < 0)
		messages_no_memory();
	return doc;
}

/* The table as argp wants it, to be freed with its texts. */
static struct argp_option *argp_options(const struct options_program *program, void *input)
{
	struct argp_option *list;
	size_t count = 0;
	int group = 0;

	while (program->entries[count].kind != OPTIONS_END)
		count++;
	list = calloc(count + 1, sizeof(*list));
	if (!list)
		messages_no_memory();
	for (size_t i = 0; i < count; i++) {
		const struct options_entry *entry = &program->entries[i];

		if (entry->kind == OPTIONS_HEADING) {
			list[i] =
				(struct argp_option){.doc = doc_of(entry, input), .group = ++group};
			continue;
		}
		list[i] = (struct argp_option){
			.name = entry->name,
			.key = key_of(program, entry),
			.arg = entry->value,
			.flags = entry->hidden ? OPTION_HIDDEN : 0,
			.doc = doc_of(entry, input),
			.group = group,
		};
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
		take(state, entry, text, parse->input);
		return 0;
	}
	return ARGP_ERR_UNKNOWN;
}

static void parse_words(const struct options_program *program, int argc, char **argv,
			unsigned int flags, void *input)
{
	const struct options_arguments *arguments = program->arguments;
	struct parse given = {.program = program, .input = input};
	struct argp_option *list = argp_options(program, input);
	struct argp argp = {
		.options = list,
		.parser = parse,
		.args_doc = arguments ? arguments->shown : NULL,
		.doc = program->about,
	};
	int r = argp_parse(&argp, argc, argv, flags, NULL, &given);

	for (struct argp_option *option = list; option->doc; option++)
		free((char *)option->doc);
	free(list);
	if (r == 0)
		return;
	if (!(flags & ARGP_NO_HELP)) /* else getopt has said it */
		messages_say("%s", strerror(r));
	exit(EXIT_USAGE);
}

void options_parse(const struct options_program *program, int argc, char **argv, void *input)
{
	static char version[RIGHT_BYTES], output[OUTPUT_BYTES];

	/* names may be of any language; numbers are those of C */
	setlocale(LC_CTYPE, "");
	snprintf(version, sizeof(version), "%s " RDX_VERSION, program_invocation_short_name);
	argp_program_version = version;
	argp_err_exit_status = EXIT_USAGE;
	/* glibc ignores a size without room; a whole --help in it says why it cannot be written */
	setvbuf(stdout, output, _IOFBF, sizeof(output));
	messages_check_output();
	parse_words(program, argc, argv, 0, input);
}

void options_parse_line(const struct options_program *program, int argc, char **argv, void *input)
{
	parse_words(program, argc, argv, ARGP_NO_HELP, input);
}

void options_take_text(const struct argp_state *state, const char *text, void *member)
{
	(void)state;
	memcpy(member, &text, sizeof(text));
}
