// SPDX-License-Identifier: Apache-2.0
#include "tests/fuzz/ask_oracle.h"

#include "tests/fuzz/json_tree.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <map>
#include <set>

namespace
{

using members = std::map<std::string, const json_tree *>;

// Its members that are not null: false where it is no object, or has one twice or one that may not be there.
bool take_apart(const json_tree &from, const std::set<std::string> &names, members *to)
{
	std::set<std::string> seen;

	if (from.is != json_tree::OBJECT)
		return false;
	for (size_t i = 0; i < from.names.size(); i++) {
		if (!names.count(from.names[i]) || !seen.insert(from.names[i]).second)
			return false;
		if (from.items[i].is != json_tree::NOTHING)
			(*to)[from.names[i]] = &from.items[i];
	}
	return true;
}

const json_tree *find(const members &of, const char *name)
{
	const auto found = of.find(name);

	return found == of.end() ? nullptr : found->second;
}

bool is_number(const json_tree &from)
{
	return from.is == json_tree::WHOLE || from.is == json_tree::NEGATIVE ||
	       from.is == json_tree::REAL;
}

// 7.0 is a whole number below 2^53.
bool is_whole_real(const json_tree &from)
{
	return from.is == json_tree::REAL && std::fabs(from.real) < 9007199254740992.0 &&
	       std::floor(from.real) == from.real;
}

bool whole(const json_tree &from, uint64_t most, uint64_t *to)
{
	if (is_whole_real(from) && from.real >= 0)
		*to = static_cast<uint64_t>(from.real);
	else if (from.is == json_tree::WHOLE || (from.is == json_tree::NEGATIVE && !from.number))
		*to = from.number;
	else
		return false;
	return *to <= most;
}

bool hash(const json_tree &from, uint64_t *to)
{
	if (is_whole_real(from))
		*to = static_cast<uint64_t>(static_cast<int64_t>(from.real));
	else if (from.is == json_tree::WHOLE || from.is == json_tree::NEGATIVE)
		*to = from.number;
	else
		return false;
	return true;
}

bool is_text(const json_tree *from)
{
	return !from || (from->is == json_tree::TEXT && from->text.size() <= 255 &&
			 from->text.find('\0') == from->text.npos);
}

bool same_text(const json_tree *from, const char *text)
{
	return from ? from->text == text : !text[0];
}

// simdjson's -0 is 0.
json_tree::kind kind_of(const json_tree &from)
{
	return from.is == json_tree::NEGATIVE && !from.number ? json_tree::WHOLE : from.is;
}

bool same_tree(const json_tree &a, const json_tree &b)
{
	return kind_of(a) == kind_of(b) && a.truth == b.truth && a.number == b.number &&
	       a.text == b.text && a.names == b.names &&
	       std::memcmp(&a.real, &b.real, sizeof(a.real)) == 0 &&
	       std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
			  same_tree);
}

// Whether it is to be taken; where `prompt` is not NULL also whether it is what was read.
bool fits_list(const json_tree &from, enum ask_form form, const struct ask_prompt *prompt)
{
	if (from.is != json_tree::ARRAY)
		return false;
	if (prompt && (prompt->form != form || prompt->count != from.items.size()))
		return false;
	for (size_t i = 0; i < from.items.size(); i++) {
		uint64_t number;

		if (form == ASK_TOKENS ? !whole(from.items[i], UINT32_MAX, &number)
				       : !hash(from.items[i], &number))
			return false;
		if (prompt &&
		    number != (form == ASK_TOKENS ? prompt->tokens[i] : prompt->hashes[i]))
			return false;
	}
	return true;
}

// A list has no more entries than there are tokens. A fuzzer's body is too short for too many values.
bool fits_keys(const json_tree &from, size_t tokens, bool are_objects,
	       const struct ask_prompt *prompt)
{
	json_tree read;

	if (from.is != json_tree::ARRAY || from.items.size() > tokens)
		return false;
	return !prompt || (prompt->are_objects == are_objects &&
			   json_tree_read(prompt->keys, prompt->key_bytes, false, &read) &&
			   same_tree(from, read));
}

bool fits_prompt(const json_tree &from, const struct ask_prompt *prompt)
{
	static const std::map<std::string, enum ask_form> forms = {
		{"tokens", ASK_TOKENS},
		{"local_hashes", ASK_LOCAL_HASHES},
		{"prefix_hashes", ASK_PREFIX_HASHES}};
	static const std::set<std::string> names = {"tokens",    "local_hashes", "prefix_hashes",
						    "lora_name", "cache_salt",   "extra_keys",
						    "mm_keys",   "eagle"};
	size_t entries = 0;
	int count = 0;
	members of;

	if (!take_apart(from, names, &of))
		return false;
	for (const auto &form : forms)
		if (const json_tree *list = find(of, form.first.c_str())) {
			count++;
			entries = list->items.size();
			if (!fits_list(*list, form.second, prompt))
				return false;
		}
	const json_tree *lora = find(of, "lora_name"), *salt = find(of, "cache_salt"),
			*extra = find(of, "extra_keys"), *mm = find(of, "mm_keys"),
			*eagle = find(of, "eagle");
	if (count != 1 || (!find(of, "tokens") && of.size() > 1) || (extra && mm))
		return false;
	if (!is_text(lora) || !is_text(salt) || (eagle && eagle->is != json_tree::TRUTH) ||
	    (extra && !fits_keys(*extra, entries, false, prompt)) ||
	    (mm && !fits_keys(*mm, entries, true, prompt)))
		return false;
	return !prompt ||
	       (same_text(lora, prompt->lora_name) && same_text(salt, prompt->cache_salt) &&
		prompt->is_eagle == (eagle && eagle->truth) && (extra || mm || !prompt->keys));
}

bool fits_load(const json_tree &from, const struct ask_load *load)
{
	uint64_t worker, rank = 0;
	double units = 0;
	members of;

	if (!take_apart(from, {"worker", "dp_rank", "load"}, &of) || !find(of, "worker") ||
	    !whole(*of["worker"], UINT64_MAX, &worker))
		return false;
	if (const json_tree *said = find(of, "dp_rank"))
		if (!whole(*said, UINT32_MAX, &rank))
			return false;
	if (const json_tree *said = find(of, "load")) {
		units = said->real;
		if (!is_number(*said) || !(units >= 0 && units <= 1e15))
			return false;
	}
	return !load || (load->worker_id == worker && load->dp_rank == rank && load->load == units);
}

bool fits_lists(const members &of, enum ask_kind kind, const struct ask *ask)
{
	if (kind == ASK_CHOICE) {
		const json_tree *prompt = find(of, "prompt"), *loads = find(of, "loads");

		if (!prompt || !fits_prompt(*prompt, ask ? &ask->prompts[0] : nullptr) || !loads ||
		    loads->is != json_tree::ARRAY || loads->items.empty() ||
		    loads->items.size() > 256)
			return false;
		for (size_t i = 0; i < loads->items.size(); i++)
			if (!fits_load(loads->items[i], ask ? &ask->loads[i] : nullptr))
				return false;
		return !ask || (ask->prompt_count == 1 && ask->load_count == loads->items.size());
	}
	const json_tree *prompts = find(of, "prompts");
	if (!prompts || prompts->is != json_tree::ARRAY || prompts->items.empty() ||
	    prompts->items.size() > 64)
		return false;
	for (size_t i = 0; i < prompts->items.size(); i++)
		if (!fits_prompt(prompts->items[i], ask ? &ask->prompts[i] : nullptr))
			return false;
	return !ask || ask->prompt_count == prompts->items.size();
}

bool fits(const json_tree &root, enum ask_kind kind, const struct ask *ask)
{
	static const std::map<std::string, uint8_t> states = {{"exact", RDX_STATE_EXACT},
							      {"lacking", RDX_STATE_LACKING},
							      {"inexact", RDX_STATE_INEXACT},
							      {"stale", RDX_STATE_STALE}};
	std::set<std::string> names = {"model", "tenant", "min_state", "block_tokens"};
	uint64_t block_tokens = 0;
	members of;

	if (kind == ASK_CHOICE)
		names.insert({"prompt", "loads", "overlap_weight"});
	else
		names.insert("prompts");
	if (!take_apart(root, names, &of))
		return false;
	const json_tree *model = find(of, "model"), *tenant = find(of, "tenant"),
			*state = find(of, "min_state"), *weight = find(of, "overlap_weight"),
			*block = find(of, "block_tokens");
	if (!model || !is_text(model) || !is_text(tenant) || !fits_lists(of, kind, ask))
		return false;
	if ((state && (state->is != json_tree::TEXT || !states.count(state->text))) ||
	    (weight && (!is_number(*weight) || !(weight->real >= 0 && weight->real <= 1e9))) ||
	    (block && (!whole(*block, 65536, &block_tokens) || !block_tokens)))
		return false;
	return !ask || (same_text(model, ask->model) && same_text(tenant, ask->tenant) &&
			ask->min_state == (state ? states.at(state->text) : RDX_STATE_INEXACT) &&
			ask->overlap_weight == (weight ? weight->real : 1) &&
			ask->block_tokens == block_tokens);
}

bool has_beyond(const json_tree &from)
{
	return from.is_beyond || std::any_of(from.items.begin(), from.items.end(), has_beyond);
}

} // namespace

int ask_oracle(const char *json, size_t count, enum ask_kind kind, int r, const struct ask *ask)
{
	json_tree root;

	// simdjson has no place for whole numbers beyond 64 bits
	if (!json_tree_read(json, count, false, &root) || has_beyond(root))
		return r == -EBADMSG;
	return fits(root, kind, nullptr) ? r == 0 && fits(root, kind, ask) : r == -EINVAL;
}
