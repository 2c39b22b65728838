/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/ringdexd/manager.h"

#include "shm/clock.h"
#include "tools/program/messages.h"

#include <inttypes.h>

#define LOOK_NS         UINT64_C(1000000000)
#define BEGIN_NS        UINT64_C(250000000) /* until it is ready */
#define LOOK_MIN_NS     UINT64_C(1000000)
#define LOOKS_A_TIMEOUT 4 /* two of them may be late */
#define PINGS_A_TIMEOUT 2 /* as sd_watchdog_enabled(3) advises */
#define NS_PER_US       1000

void manager_open(struct manager *ret_manager)
{
	*ret_manager = (struct manager){.state = KEEPER_STARTING};
	notify_open(&ret_manager->notify);
}

void manager_close(struct manager *manager)
{
	notify_close(&manager->notify);
}

uint64_t manager_look_ns(const struct manager *manager)
{
	uint64_t wanted = manager->notify.watchdog_ns / LOOKS_A_TIMEOUT;
	uint64_t most = manager->is_ready ? LOOK_NS : BEGIN_NS;

	if (!wanted || wanted > most)
		return most;
	return wanted > LOOK_MIN_NS ? wanted : LOOK_MIN_NS;
}

static void say_status(struct manager *manager, const struct keeper_report *report)
{
	if (manager->state == report->state && manager->error == report->error)
		return;
	manager->state = report->state;
	manager->error = report->error;
	if (report->state == KEEPER_IN_TROUBLE)
		notify_say(&manager->notify, "STATUS=in trouble: %s",
			   messages_explain(report->error));
	else
		notify_say(&manager->notify, "STATUS=%s", keeper_state_text(report->state));
}

void manager_look(struct manager *manager, struct keeper *keeper, uint64_t now_ns)
{
	struct keeper_report report;
	uint64_t beats = keeper_beats(keeper);

	keeper_report(keeper, &report);
	say_status(manager, &report);
	if (!manager->is_ready && report.state != KEEPER_STARTING) {
		notify_say(&manager->notify, "READY=1");
		manager->is_ready = 1;
	}
	if (!manager->notify.watchdog_ns || now_ns < manager->ping_ns || beats == manager->beats)
		return;
	manager->beats = beats;
	manager->ping_ns = now_ns + manager->notify.watchdog_ns / PINGS_A_TIMEOUT;
	notify_say(&manager->notify, "WATCHDOG=1");
}

void manager_reloading(struct manager *manager)
{
	notify_say(&manager->notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		   rdx_clock_ns() / NS_PER_US);
}

void manager_reloaded(struct manager *manager)
{
	notify_say(&manager->notify, "READY=1");
}

void manager_stopping(struct manager *manager)
{
	notify_say(&manager->notify, "STOPPING=1");
}
