/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/messages.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(int error, const char *format, va_list arguments)
{
	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, arguments);
	if (error)
		fprintf(stderr, ": %s", explain(error));
	fputc('\n', stderr);
}

void complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(0, format, arguments);
	va_end(arguments);
}

void complain_of(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(error, format, arguments);
	va_end(arguments);
}

const char *explain(int error)
{
	switch (-error) {
	case EKEYREJECTED:
		return "made with another key or hash scheme than this directory's: "
		       "restart its worker, or name the right directory with --dir";
	case EPROTONOSUPPORT:
		return "written in a format version or with a feature this ringdex does not "
		       "know: use the version its worker uses";
	case EBADMSG:
		return "truncated, or not what a producer writes: restart its worker, or remove "
		       "the file if it has none";
	case EBUSY:
		return "held by another live process: stop that one first";
	case EACCES:
	case EPERM:
		return "Permission denied: run as the owner, or as a member of the group of the "
		       "files";
	case EMFILE:
		return "Too many open files: raise the limit with ulimit -n";
	case ESRCH:
		return "no live process holds it";
	case ESTALE:
		return "the worker has begun another life meanwhile: try again";
	case EAGAIN:
		return "events come too fast for this moment: try again";
	case EOWNERDEAD:
		return "its producer died in the middle of an event: restart its worker";
	default:
		return strerror(-error);
	}
}

void exit_no_memory(void)
{
	complain("out of memory");
	exit(EXIT_FAILED);
}

int finish(int status)
{
	int failed = ferror(stdout);

	errno = 0;
	if (fflush(stdout) == 0 && !failed)
		return status;
	complain("cannot write the output: %s", errno ? strerror(errno) : "it was cut off");
	return EXIT_FAILED;
}
