/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/machine.h"

#include "bench/measure.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#ifdef __clang__
#define COMPILER __VERSION__
#else
#define COMPILER "gcc " __VERSION__
#endif

static void add(struct json_object *machine, const char *key, const char *text)
{
	json_object_object_add(machine, key, json_object_new_string(text));
}

/* The first line of a file of /sys. 0: it has none. */
static int first_line(const char *path, char line[256])
{
	FILE *file = fopen(path, "r");
	int read = file && fgets(line, 256, file);

	if (file)
		fclose(file);
	if (read)
		line[strcspn(line, "\n")] = '\0';
	return read;
}

static void add_line(struct json_object *machine, const char *key, const char *path)
{
	char line[256];

	if (first_line(path, line))
		add(machine, key, line);
}

/* Of "always [madvise] never" the word in brackets. */
static void add_choice(struct json_object *machine, const char *key, const char *path)
{
	char line[256], *begin, *end;

	if (!first_line(path, line) || !(begin = strchr(line, '[')) || !(end = strchr(begin, ']')))
		return;
	*end = '\0';
	add(machine, key, begin + 1);
}

static void add_processor(struct json_object *machine)
{
	char line[512], *colon;
	FILE *file = fopen("/proc/cpuinfo", "r");

	while (file && fgets(line, sizeof(line), file)) {
		if (strncmp(line, "model name", 10) != 0 || !(colon = strchr(line, ':')))
			continue;
		line[strcspn(line, "\n")] = '\0';
		add(machine, "processor", colon + 2);
		break;
	}
	if (file)
		fclose(file);
}

static void add_state(struct json_object *machine)
{
	double load[3];
	char text[32];

	json_object_object_add(machine, "processors_used",
			       json_object_new_int64(measure_processors()));
	if (getloadavg(load, 3) > 0) {
		snprintf(text, sizeof(text), "%.1f", load[0]);
		json_object_object_add(machine, "load", json_object_new_double_s(load[0], text));
	}
	add_line(machine, "governor", "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
	add_choice(machine, "huge_pages", "/sys/kernel/mm/transparent_hugepage/enabled");
	add_choice(machine, "huge_pages_shared",
		   "/sys/kernel/mm/transparent_hugepage/shmem_enabled");
}

struct json_object *machine_facts(void)
{
	struct json_object *machine = json_object_new_object();
	const char *revision = getenv("RDX_BENCH_REVISION");
	struct utsname name;

	add_processor(machine);
	json_object_object_add(machine, "processors",
			       json_object_new_int64(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_object_add(machine, "memory_mib",
			       json_object_new_int64(sysconf(_SC_PHYS_PAGES) / 1024 *
						     sysconf(_SC_PAGESIZE) / 1024));
	add_line(machine, "l2", "/sys/devices/system/cpu/cpu0/cache/index2/size");
	add_line(machine, "l3", "/sys/devices/system/cpu/cpu0/cache/index3/size");
	add_state(machine);
	if (uname(&name) == 0)
		add(machine, "kernel", name.release);
	add(machine, "compiler", COMPILER);
	add(machine, "build", RDX_BENCH_BUILD);
	if (revision && *revision)
		add(machine, "revision", revision);
	return machine;
}
