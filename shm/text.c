/* SPDX-License-Identifier: Apache-2.0 */
#include <ringdex/rdx_types.h>
#include <ringdex/rdx_version.h>

#include <stddef.h>

const char *rdx_tier_text(uint8_t tier_or_scope)
{
	static const char *const text[RDX_TIER_COUNT] = {"device", "host", "disk", "external"};

	if (tier_or_scope == RDX_SCOPE_ALL)
		return "all";
	return tier_or_scope < RDX_TIER_COUNT ? text[tier_or_scope] : NULL;
}

const char *rdx_state_text(uint8_t state)
{
	static const char *const text[] = {"EXACT", "RECOVERING", "INEXACT",
					   "STALE", "GONE",       "LACKING"};

	return state <= RDX_STATE_LACKING ? text[state] : NULL;
}

const char *rdx_inexact_text(uint8_t inexact)
{
	static const char *const text[] = {NULL, "lacking", "unknown"};

	return inexact <= RDX_INEXACT_UNKNOWN ? text[inexact] : NULL;
}

const char *rdx_event_text(uint8_t kind)
{
	static const char *const text[] = {NULL, "stored", "removed", "cleared", "inexact"};

	return kind <= RDX_EVENT_INEXACT ? text[kind] : NULL;
}

const char *rdx_source_text(uint32_t kind)
{
	return kind == RDX_SOURCE_BRIDGE ? "bridge" : NULL;
}

uint32_t rdx_version(void)
{
	return RDX_VERSION_MAJOR * 1000000 + RDX_VERSION_MINOR * 1000 + RDX_VERSION_PATCH;
}

const char *rdx_version_text(void)
{
	return RDX_VERSION;
}
