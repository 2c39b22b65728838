/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/program/messages.h"
#include "tools/program/printable.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void (*writer)(const char *text);

static void write_plain(const char *text)
{
	fflush(stdout);
	flockfile(stderr); /* no other thread's line within this one */
	fprintf(stderr, "%s: ", program_invocation_short_name);
	printable_put(stderr, text);
	fputc('\n', stderr);
	funlockfile(stderr);
}

static void say(int error, const char *format, va_list arguments)
{
	char *text = NULL, *whole = NULL;
	const char *said = format; /* without memory */

	if (vasprintf(&text, format, arguments) < 0)
		text = NULL;
	if (text)
		said = text;
	if (error && asprintf(&whole, "%s: %s", said, messages_explain(error)) < 0)
		whole = NULL;
	if (whole)
		said = whole;
	if (writer)
		writer(said);
	else
		write_plain(said);
	free(whole);
	free(text);
}

void messages_set_writer(void (*write)(const char *text))
{
	writer = write;
}

void messages_say(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(0, format, arguments);
	va_end(arguments);
}

void messages_say_error(int error, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	say(error, format, arguments);
	va_end(arguments);
}

const char *messages_explain(int error)
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
		return "held by another running process: stop that one first";
	case EACCES:
		return "Permission denied: run as the owner of the files, or where it is enough to "
		       "read, as a member of their group";
	case EPERM:
		return "Operation not permitted: others may replace files in its directory, which "
		       "needs "
		       "the sticky bit (chmod 3775) where a group may write";
	case EDQUOT:
		return "beyond what one worker, or user, may take, which the options of ringdex "
		       "follow say, "
		       "or beyond the user's disk quota";
	case EMFILE:
		return "Too many open files: raise the limit with ulimit -n";
	case ESRCH:
		return "no running process holds it";
	case ESTALE:
		return "its worker has restarted meanwhile: try again";
	case EAGAIN:
		return "events come too fast: try again";
	case EIDRM:
		return "its files were removed: ask again, with ringdex follow running";
	case EOWNERDEAD:
		return "its producer died in the middle of an event: restart its worker";
	default:
		return strerror(-error);
	}
}

const char *messages_explain_create(int error)
{
	switch (-error) {
	case EINVAL:
		return "Invalid argument: give at least one tier a block";
	case ENAMETOOLONG:
		return "File name too long: instance, model and tenant have at most 255 bytes";
	case EBUSY:
		return "another running process has it: stop that one first, or choose another";
	case EAGAIN:
		return "a cleaner that does not go on has its lock: continue or end that one";
	case ENOSPC:
		return "No space left on device: make the file system larger, or the rings and "
		       "tiers "
		       "smaller";
	case EFBIG:
		return "File too large: raise the limit on the size of files (ulimit -f), or make "
		       "the "
		       "rings and tiers smaller";
	case EKEYREJECTED:
		return "its key file is damaged: choose another --dir, or remove the directory "
		       "while "
		       "nobody uses it";
	case EACCES:
		return "Permission denied: choose a --dir that this user may write";
	case EPERM:
		return "Operation not permitted: --dir and what is in it must be this user's or "
		       "root's, "
		       "with the sticky bit where a group may write (chmod 3775), lock files "
		       "readable "
		       "by their owner alone (remove one that others have locked), and a seccomp "
		       "filter allow fallocate, fcntl and madvise";
	case EROFS:
		return "Read-only file system: choose a --dir that this user may write";
	case EBADMSG:
		return "the file clear in the worker's directory is damaged, and another process "
		       "has "
		       "it open: stop all ranks of the worker, then start them";
	case ENOTEMPTY:
		return "Directory not empty: one has the name of a rank's .seg, .lock or "
		       ".tmp-*.seg, or of clear, in the worker's directory: remove it";
	case ENOENT:
		return "its parent is not a directory: create that one or choose another --dir";
	case ENOTDIR:
		return "Not a directory: neither may its parent be another thing, nor what has the "
		       "worker's name in it: remove that or choose another --dir";
	default:
		return messages_explain(error);
	}
}

void messages_no_memory(void)
{
	messages_say("out of memory");
	exit(EXIT_FAILED);
}

/* At exit. _exit, for exit must not be called again. */
static void close_output(void)
{
	int failed = ferror(stdout);

	errno = 0;
	if (fflush(stdout) == 0 && !failed)
		return;
	messages_say("cannot write the output: %s", errno ? strerror(errno) : "it was cut off");
	_exit(EXIT_FAILED);
}

void messages_check_output(void)
{
	if (atexit(close_output) != 0)
		messages_no_memory();
}
