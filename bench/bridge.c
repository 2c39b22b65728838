/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What does it cost the bridge to publish a block that an engine said over ZeroMQ?
 *
 * An engine's messages are made beforehand, in the layouts that engines have, and sent over a real socket
 * to ringdex-bridge, a process on one processor. They store blocks, 8 an event, and remove all again but
 * one: that it is alone in the end, and the rank exact, shows that nothing was lost. Taken: CPU of all its
 * threads, by block stored or removed. The floor: libmsgpack alone makes trees of the same batches. Then
 * 100,000 events a second, a message each.
 */
#include "bench/bridge_engine.h"
#include "bench/measure.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/scratch.h"
#include "shm/clock.h"
#include <ringdex/rdx_reader.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_NS UINT64_C(240000000000) /* on the busiest machine */
#define LOOK_NS     1000000
#define RATE        100000 /* messages a second, an event each */
#define LEFT_MAX    64     /* blocks that are looked at */

static const char *const layout_name[BRIDGE_LAYOUTS] = {"vllm-map", "vllm-array", "sglang",
							"tensorrt"};

/* One life of a bridge. */
struct life {
	uint64_t cpu_ns;
	uint64_t wall_ns;
};

struct bench {
	uint32_t groups; /* of messages */
	uint32_t paced;  /* groups at RATE */
	uint32_t lost;   /* lives in which something was */
	uint64_t worker; /* of the last life: each has its own */
	char program[PATH_MAX];
	char said[PATH_MAX]; /* what the bridge writes */
	char dir[SCRATCH_BYTES];
};

/* --- the bridge, a process of its own --- */

static pid_t start_bridge(const struct bench *bench, const char *endpoint)
{
	char worker[32];
	char *arguments[] = {
		(char *)bench->program, "--dir",  (char *)bench->dir, "--worker",       worker,
		"--blocks=65536",       "--json", "--endpoint",       (char *)endpoint, NULL};
	pid_t child;
	int fd;

	snprintf(worker, sizeof(worker), "%" PRIu64, bench->worker);
	child = measure_fork();
	if (child != 0)
		return child;
	measure_pin(0);
	fd = open(bench->said, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0)
		dup2(fd, STDOUT_FILENO);
	execv(bench->program, arguments);
	perror(bench->program);
	_exit(127);
}

static uint64_t cpu_of(pid_t process)
{
	struct timespec used = {0, 0};
	clockid_t clock;

	if (clock_getcpuclockid(process, &clock) == 0)
		clock_gettime(clock, &used);
	return (uint64_t)used.tv_sec * 1000000000 + (uint64_t)used.tv_nsec;
}

/* Has the rank the last message, and holds it one block, exactly? */
static int is_done(const struct bench *bench, uint64_t last)
{
	uint64_t hashes[LEFT_MAX], count = 0;
	struct rdx_reader *reader;
	struct rdx_cursor at = {0};
	int r;

	if (rdx_reader_open(&reader, bench->dir, bench->worker, 0) < 0)
		return 0;
	r = rdx_reader_resident(reader, RDX_TIER_DEVICE, hashes, LEFT_MAX, &count, &at);
	rdx_reader_close(reader);
	return r >= 0 && count == 1 && at.event_id >= last;
}

static int await(const struct bench *bench, uint64_t last)
{
	uint64_t until = rdx_clock_ns() + PATIENCE_NS;
	struct timespec nap = {0, LOOK_NS};

	while (!is_done(bench, last)) {
		if (rdx_clock_ns() > until)
			return 0;
		clock_nanosleep(CLOCK_MONOTONIC, 0, &nap, NULL);
	}
	return 1;
}

/* Did it say that something was missing or refused? It tells each change of what a rank is worth. */
static int lost_some(const struct bench *bench)
{
	FILE *file = fopen(bench->said, "r");
	int lost = !file;
	char line[4096];

	while (file && fgets(line, sizeof(line), file))
		lost |= !strstr(line, "\"gaps\":0,") || strstr(line, "INEXACT") ||
			strstr(line, "LACKING");
	if (file)
		fclose(file);
	return lost;
}

/* All messages through a new bridge. */
static struct life live(struct bench *bench, const struct bridge_messages *messages, uint32_t rate)
{
	struct bridge_engine engine = {0};
	struct life life = {0};
	pid_t bridge;
	int done = 0;

	if (bridge_engine_open(&engine) < 0) {
		bench->lost++;
		bridge_engine_close(&engine);
		return life;
	}
	bench->worker++;
	bridge = start_bridge(bench, engine.endpoint);
	if (bridge_engine_await(&engine)) {
		life = (struct life){cpu_of(bridge), rdx_clock_ns()};
		bridge_engine_send(&engine, messages, rate);
		done = await(bench, messages->count);
		life = (struct life){cpu_of(bridge) - life.cpu_ns, rdx_clock_ns() - life.wall_ns};
	}
	kill(bridge, SIGTERM);
	waitpid(bridge, NULL, 0);
	bridge_engine_close(&engine);
	bench->lost += !done || lost_some(bench);
	return life;
}

/* --- what is measured --- */

/* A tree of each batch: CPU in ns. */
static uint64_t decode(const struct bridge_messages *messages)
{
	uint64_t begin = measure_cpu_ns();
	msgpack_unpacked tree;

	msgpack_unpacked_init(&tree);
	for (uint32_t i = 0; i < messages->count; i++) {
		size_t at = 0;

		msgpack_unpack_next(&tree, messages->batches[i].data, messages->batches[i].size,
				    &at);
		measure_use((uint64_t)tree.data.type);
	}
	msgpack_unpacked_destroy(&tree);
	return measure_cpu_ns() - begin;
}

static void measure_layout(struct bench *bench, struct report *report, enum bridge_layout layout,
			   uint32_t rounds)
{
	double *floor = measure_values(rounds), *ours = measure_values(rounds);
	char id[64], floor_id[64], what[96];
	struct bridge_messages messages;

	bridge_messages_make(&messages, layout, bench->groups, 0);
	for (uint32_t round = 0; round < rounds; round++) {
		floor[round] = (double)decode(&messages) / (double)messages.blocks;
		ours[round] = (double)live(bench, &messages, 0).cpu_ns / (double)messages.blocks;
	}
	snprintf(floor_id, sizeof(floor_id), "bridge.%s.block.floor", layout_name[layout]);
	snprintf(what, sizeof(what), "libmsgpack alone: a block, %s", layout_name[layout]);
	REPORT_ROW(report, .id = floor_id, .what = what, .unit = "ns", .values = floor,
		   .count = rounds);
	snprintf(id, sizeof(id), "bridge.%s.block.ringdex", layout_name[layout]);
	snprintf(what, sizeof(what), "CPU of a block stored or removed, %s", layout_name[layout]);
	REPORT_ROW(report, .id = id, .what = what, .unit = "ns", .values = ours, .count = rounds,
		   .floor = floor_id);
	bridge_messages_free(&messages);
	free(floor);
	free(ours);
}

static void measure_rate(struct bench *bench, struct report *report, uint32_t rounds)
{
	double *cpu = measure_values(rounds), *behind = measure_values(rounds);
	struct bridge_messages messages;

	bridge_messages_make(&messages, BRIDGE_VLLM_MAP, bench->paced, 1);
	for (uint32_t round = 0; round < rounds; round++) {
		struct life life = live(bench, &messages, RATE);
		double least_ns = 1e9 * messages.count / RATE;

		cpu[round] = 100.0 * (double)life.cpu_ns / least_ns;
		behind[round] = ((double)life.wall_ns - least_ns) / 1e6;
	}
	REPORT_ROW(report, .id = "bridge.rate.cpu.ringdex",
		   .what = "100,000 messages a second: of a processor", .unit = "%", .values = cpu,
		   .count = rounds);
	REPORT_ROW(report, .id = "bridge.rate.behind.ringdex",
		   .what = "the same: published after its time", .unit = "ms", .values = behind,
		   .count = rounds);
	report_number(report, "bridge.lost.ringdex", "runs in which anything was lost", "",
		      bench->lost);
	free(cpu);
	free(behind);
	report_note(report, "%u messages at that rate, an event of a block each", messages.count);
	bridge_messages_free(&messages);
}

/* The bridge lies beside this program. */
static int find_bridge(struct bench *bench)
{
	ssize_t length = readlink("/proc/self/exe", bench->program, sizeof(bench->program) - 1);
	char *slash;

	if (length < 0)
		return -errno;
	bench->program[length] = '\0';
	slash = strrchr(bench->program, '/');
	if (slash - bench->program + sizeof("/ringdex-bridge") > sizeof(bench->program))
		return -ENAMETOOLONG;
	strcpy(slash, "/ringdex-bridge");
	return access(bench->program, X_OK) < 0 ? -errno : 0;
}

int main(int argc, char **argv)
{
	struct options options = {.name = "bridge",
				  .question = "What does it cost the bridge to publish a block "
					      "that an engine said over ZeroMQ?",
				  .rounds_by_length = {7, 3, 1}};
	struct bench bench = {.lost = 0};
	struct report *report;
	int r;

	options_parse(argc, argv, &options);
	bench.groups = (uint32_t)options_pick(&options, 4000, 1000, 4);
	bench.paced = (uint32_t)options_pick(&options, 100000, 50000, 50);
	r = find_bridge(&bench);
	if (r < 0) {
		fprintf(stderr, "bench-bridge: %s: %s\n", bench.program, strerror(-r));
		return 1;
	}
	if (scratch_make(bench.dir) < 0)
		return 1;
	snprintf(bench.said, sizeof(bench.said), "%s/said", bench.dir);
	measure_pin(1);
	report = report_begin(&options);
	for (int layout = 0; layout < BRIDGE_LAYOUTS; layout++)
		measure_layout(&bench, report, (enum bridge_layout)layout, options.rounds);
	measure_rate(&bench, report, options.rounds);
	report_check(report, !bench.lost, "nothing is lost, no rank is inexact");
	scratch_remove(bench.dir);
	return report_end(report);
}
