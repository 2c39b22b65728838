/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The page of ringdexd. Texts of workers are foreign: they are shown by textContent only, never as markup.
 */
"use strict";

(() => {
  const SILENCE_MS = 5000;        // after which a connection that says nothing is given up
  const RETRY_MS = [1000, 2000, 4000];
  const TIMELINE_MS = 10 * 60 * 1000;
  const NAMED_CHANGES = 4;        // read aloud at once, the others are counted
  const SVG = "http://www.w3.org/2000/svg";
  const THEME = "ringdex-theme";
  const TONES = { exact: "good", lacking: "warn", inexact: "warn", recovering: "warn", live: "warn",
    stale: "bad", unreadable: "bad", gone: "faint", dead: "faint" };
  const KINDS = { barrier: "recovered from a barrier", ledger: "recovered from its ledger", clear: "clears" };
  const TIERS = { device: "in the device", host: "with the host's memory", disk: "with the disk" };

  const at = (id) => document.getElementById(id);
  let token = "";                 // in memory only
  let seen = null;                // the last overview
  let lastRuns = null;            // the last answer to a prompt

  /*
   * Colours: before anything is drawn
   */
  function useTheme(theme) {
    if (theme) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  }
  function savedTheme() {
    try { return localStorage.getItem(THEME) || ""; } catch { return ""; }
  }
  useTheme(savedTheme());

  /*
   * Figures and texts
   */
  const numbers = new Intl.NumberFormat("en");
  const few = new Intl.NumberFormat("en", { maximumSignificantDigits: 2 });
  const grouped = (number) => numbers.format(number);
  const plural = (number, thing) => `${grouped(number)} ${thing}${number === 1 ? "" : "s"}`;

  function duration(ns) {
    const units = [["d", 86400e9], ["h", 3600e9], ["min", 60e9], ["s", 1e9], ["ms", 1e6], ["\u00b5s", 1e3]];
    for (const [unit, size] of units)
      if (ns >= size) return `${ns / size < 10 ? few.format(ns / size) : Math.round(ns / size)} ${unit}`;
    return `${ns} ns`;
  }
  function bytes(count) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let i = 0;
    for (; count >= 1024 && i < units.length - 1; i++) count /= 1024;
    return `${count < 10 ? few.format(count) : Math.round(count)} ${units[i]}`;
  }
  /* What turns the direction of writing, or is no letter, is not let through. */
  const shown = (text) => text.replace(/[\u0000-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, "\ufffd");
  const known = (value, format) => value === null ? "\u2013" : format(value);
  const rankName = (rank) => `${rank.worker}:${rank.dp_rank}`;
  const clock = (ms) => new Date(ms).toLocaleTimeString("en-GB");

  function setText(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
  function make(name, properties, ...children) {
    const element = document.createElement(name);
    Object.assign(element, properties);
    element.append(...children);
    return element;
  }
  function draw(name, attributes, ...children) {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...children);
    return element;
  }
  function tell(id, text, tone) {
    const pill = at(id);
    setText(pill, text);
    pill.dataset.tone = tone;
  }
  /* A worker's id has 64 bits, which no number of this language holds: it stays a text. Within a text of
   * JSON this name would have backslashes before its quotes. */
  const parse = (text) => JSON.parse(text.replace(/"worker":(\d+)/g, '"worker":"$1"'));

  /*
   * Ranks
   */
  const rowOf = new Map();
  const keyOf = (rank) => JSON.stringify([rank.worker, rank.dp_rank, rank.model, rank.tenant, rank.block_tokens]);

  function recoveries(rank) {
    const { barrier, ledger } = rank.recoveries;
    const ways = [[rank.recoveries.continue, "continued"], [barrier, "barrier"], [ledger, "ledger"]];
    return ways.filter(([count]) => count).map(([count, way]) => `${grouped(count)} ${way}`).join(", ") || "none";
  }
  function lastBarrier(rank) {
    if (rank.last_barrier_event_id === null) return "\u2013";
    return rank.last_barrier_event_id ? `event ${grouped(rank.last_barrier_event_id)}` : "birth";
  }
  const FIGURES = [
    (rank) => grouped(rank.held_blocks.device),
    (rank) => grouped(rank.held_blocks.host),
    (rank) => grouped(rank.held_blocks.disk),
    (rank) => grouped(rank.held_blocks.external),
    (rank) => known(rank.events_per_second, (rate) => grouped(Math.round(rate))),
    (rank) => known(rank.lag_events, grouped),
    (rank) => known(rank.event_age_ns, duration),
    (rank) => known(rank.age_ns, duration),
    recoveries,
    (rank) => grouped(rank.events_dead),
    (rank) => grouped(rank.slots_lost),
    lastBarrier,
    (rank) => known(rank.clears, grouped),
  ];

  function newRow() {
    const row = make("tr", {}, make("th", { scope: "row" }), make("td", {}, make("span", { className: "state" })),
      make("td", { className: "text" }, make("bdi", {}), make("small", {}), make("small", {}, make("bdi", {}))));
    for (const figure of FIGURES) row.append(make("td", { className: figure === recoveries ? "" : "number" }));
    return row;
  }
  function fillRow(row, rank) {
    const cells = row.children, state = cells[1].firstChild, [model, tenant, instance] = cells[2].children;
    setText(cells[0], rankName(rank));
    setText(state, rank.state.toUpperCase());
    state.dataset.tone = TONES[rank.state] || "bad";
    setText(model, shown(rank.model));
    setText(tenant, rank.tenant ? `tenant ${shown(rank.tenant)}` : "");
    setText(instance.firstChild, shown(rank.instance));
    FIGURES.forEach((figure, i) => setText(cells[3 + i], figure(rank)));
    row.className = TONES[rank.state] === "faint" ? "gone" : "";
    row.dataset.words = [rankName(rank), rank.state, rank.model, rank.tenant, rank.instance].join("\n").toLowerCase();
  }
  function filterRows() {
    const wanted = at("filter").value.trim().toLowerCase(), rows = [...at("rows").children];
    for (const row of rows) row.hidden = !row.dataset.words.includes(wanted);
    const none = rows.every((row) => row.hidden);
    at("empty").hidden = !none;
    if (none) setText(at("empty"), rows.length ? "No rank has this in its name, state, model or instance."
      : "There is no rank yet: start a worker in this directory.");
  }
  function showRanks(ranks) {
    const body = at("rows"), keys = new Set();
    ranks.forEach((rank, i) => {
      const key = keyOf(rank), row = rowOf.get(key) || newRow();
      keys.add(key);
      rowOf.set(key, row);
      fillRow(row, rank);
      if (body.children[i] !== row) body.insertBefore(row, body.children[i] || null);
    });
    for (const [key, row] of rowOf)
      if (!keys.has(key)) {
        row.remove();
        rowOf.delete(key);
      }
    filterRows();
  }
  /* What a screen reader is told: who came, went, or changed its state. */
  function showChanges(before, ranks) {
    const was = new Map(before.map((rank) => [keyOf(rank), rank])), changes = [];
    for (const rank of ranks) {
      const old = was.get(keyOf(rank));
      was.delete(keyOf(rank));
      if (!old || old.state !== rank.state)
        changes.push(`${rankName(rank)} is ${rank.state.toUpperCase()}`);
    }
    for (const rank of was.values()) changes.push(`${rankName(rank)} is no longer there`);
    if (!changes.length) return;
    const more = changes.length - NAMED_CHANGES;
    setText(at("changes"), `${clock(seen.time_ms)}: ${changes.slice(0, NAMED_CHANGES).join(", ")}` +
      (more > 0 ? `, and ${grouped(more)} more` : ""));
  }

  /*
   * Sums
   */
  function showSums(overview) {
    const alive = overview.ranks.filter((rank) => TONES[rank.state] !== "faint");
    const sum = (figure) => alive.reduce((total, rank) => total + (figure(rank) || 0), 0);
    const sums = [
      ["Ranks alive", grouped(alive.length)],
      ["Not exact", grouped(alive.filter((rank) => rank.state !== "exact").length)],
      ["Blocks in devices", grouped(sum((rank) => rank.held_blocks.device))],
      ["Events a second", grouped(Math.round(sum((rank) => rank.events_per_second)))],
      ["Most events behind", grouped(Math.max(0, ...alive.map((rank) => rank.lag_events || 0)))],
      ["Indexes", `${grouped(overview.indexer.indexes)}, ${bytes(overview.indexer.table_bytes)}`],
    ];
    const list = at("sums");
    if (!list.children.length)
      for (const [name] of sums) list.append(make("div", {}, make("dt", { textContent: name }), make("dd", {})));
    sums.forEach(([, value], i) => setText(list.children[i].lastChild, value));
  }
  function showIndexer(indexer) {
    const tones = { "at work": "good", "in trouble": "bad", stuck: "bad", "standing by": "faint" };
    const refused = indexer.ranks_refused ? `, ${plural(indexer.ranks_refused, "rank")} refused` : "";
    tell("indexer", `indexer ${indexer.state}${refused}`, refused ? "warn" : tones[indexer.state] || "warn");
  }

  /*
   * Recoveries and clears
   */
  function incidents(overview) {
    const all = overview.recoveries.map((it) => ({ kind: it.way, time_ms: it.time_ms, text: `${rankName(it)} ` +
      `${KINDS[it.way]} in ${duration(it.took_ns)}: ${it.way === "ledger" ? `${plural(it.blocks, "block")}, ` : ""}` +
      `${plural(it.events_replayed, "event")} replayed, ${grouped(it.events_skipped)} skipped` }));
    for (const it of overview.clears)
      all.push({ kind: "clear", time_ms: it.time_ms, text: plural(it.count, "clear") });
    return all.sort((a, b) => a.time_ms - b.time_ms);
  }
  /* A form for each kind, so that none is known by its colour alone. */
  function mark(kind, x, y) {
    if (kind === "barrier") return draw("circle", { class: kind, cx: x, cy: y, r: 5 });
    if (kind === "ledger") return draw("path", { class: kind, d: `M${x - 6} ${y}L${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}Z` });
    return draw("path", { class: kind, d: `M${x - 6} ${y + 5}L${x} ${y - 6}L${x + 6} ${y + 5}Z` });
  }
  function drawTimeline(all, now, text) {
    const width = Math.max(280, at("timeline").clientWidth), left = 78, right = width - 14, bottom = 72;
    const x = (ms) => right - (now - ms) / TIMELINE_MS * (right - left);
    const svg = draw("svg", { role: "img", "aria-label": text, viewBox: `0 0 ${width} 92`, width, height: 92 });
    for (const [name, y] of [["Recoveries", 22], ["Clears", 52]])
      svg.append(draw("text", { x: 0, y: y + 4, class: "soft" }, name),
        draw("line", { class: "axis", x1: left, x2: right, y1: y, y2: y }));
    for (let minutes = 10; minutes >= 0; minutes -= 2) {
      const tick = x(now - minutes * 60000);
      svg.append(draw("line", { class: "axis", x1: tick, x2: tick, y1: 8, y2: bottom }),
        draw("text", { x: tick, y: bottom + 16, class: "soft", "text-anchor": minutes ? "middle" : "end" },
          minutes ? `${minutes} min` : "now"));
    }
    for (const it of all)
      svg.append(draw("g", {}, draw("title", {}, `${clock(it.time_ms)} ${it.text}`),
        mark(it.kind, x(it.time_ms), it.kind === "clear" ? 52 : 22)));
    at("timeline").replaceChildren(svg);
  }
  let listed = "";
  function listHistory(all) {
    const key = all.map((it) => `${it.time_ms} ${it.text}`).join("\n");
    if (key === listed) return;
    listed = key;
    at("history-list").replaceChildren(...[...all].reverse().map((it) =>
      make("li", { textContent: `${clock(it.time_ms)} ${it.text}` })));
  }
  function showHistory(overview) {
    const all = incidents(overview);
    const recent = all.filter((it) => overview.time_ms - it.time_ms <= TIMELINE_MS);
    const recovered = recent.filter((it) => it.kind !== "clear").length;
    const cleared = overview.clears.filter((it) => overview.time_ms - it.time_ms <= TIMELINE_MS)
      .reduce((total, it) => total + it.count, 0);
    const counts = `${grouped(recovered)} ${recovered === 1 ? "recovery" : "recoveries"} and ${plural(cleared, "clear")}`;
    const last = all.length ? ` The last: ${clock(all[all.length - 1].time_ms)} ${all[all.length - 1].text}.` : "";
    drawTimeline(recent, overview.time_ms, `${counts} in the last ten minutes`);
    setText(at("history-text"), overview.indexer.state === "standing by"
      ? "Another process maintains the indexes: it knows of recoveries and clears."
      : `${counts} in the last ten minutes.${last}`);
    listHistory(all);
  }

  /*
   * Who holds a prompt
   */
  function showModels(ranks) {
    const alive = ranks.filter((rank) => rank.state !== "unreadable" && TONES[rank.state] !== "faint");
    const nameOf = (rank) => JSON.stringify([rank.model, rank.tenant]);
    const sizes = new Map(alive.map((rank) => [nameOf(rank), new Set()])), names = new Map();
    for (const rank of alive) sizes.get(nameOf(rank)).add(rank.block_tokens);
    for (const rank of alive)
      names.set(JSON.stringify([rank.model, rank.tenant, rank.block_tokens]),
        (shown(rank.model) || "(without a name)") + (rank.tenant ? ` (tenant ${shown(rank.tenant)})` : "") +
        (sizes.get(nameOf(rank)).size > 1 ? `, blocks of ${plural(rank.block_tokens, "token")}` : ""));
    const select = at("model"), chosen = select.value;
    const there = [...select.options].map((option) => [option.value, option.textContent]);
    if (JSON.stringify([...names]) === JSON.stringify(there)) return;
    select.replaceChildren(...[...names].map(([value, textContent]) => make("option", { value, textContent })));
    if (names.has(chosen)) select.value = chosen;
  }
  /* The numbers as JSON: local hashes have 64 bits. */
  function readNumbers(text, isHashes) {
    const words = text.replace(/[[\],;]/g, " ").split(/\s+/).filter(Boolean);
    const [least, most] = isHashes ? [-(1n << 63n), (1n << 64n) - 1n] : [0n, (1n << 32n) - 1n];
    if (!words.length) throw new Error("There is no number in the prompt.");
    return `[${words.map((word) => {
      const text = word.replace(/^["']|["']$/g, "");
      const number = /^(-?\d+|0[xX][0-9a-fA-F]+)$/.test(text) ? BigInt(text) : null;
      if (number === null || number < least || number > most)
        throw new Error(`\u201c${shown(word.slice(0, 40))}\u201d is no ${isHashes ? "local hash" : "token id"}.`);
      return number;
    }).join(",")}]`;
  }
  async function ask() {
    if (!at("model").value) throw new Error("No rank is alive.");
    const [model, tenant, size] = JSON.parse(at("model").value);
    const kind = new FormData(at("prompt")).get("kind");
    const list = readNumbers(at("tokens").value, kind === "local_hashes");
    const body = `{"model":${JSON.stringify(model)},"tenant":${JSON.stringify(tenant)},"block_tokens":${size},"prompts":[{"${kind}":${list}}]}`;
    const answer = await fetch("v1/query", { method: "POST", headers: { ...access(), "Content-Type": "application/json" },
      body, cache: "no-store" });
    const text = await answer.text();
    if (answer.status === 401) live.abort(); // whose next try asks for another token
    if (!answer.ok) throw new Error(`${answer.status}: ${shown(faultOf(text))}`);
    return parse(text);
  }
  function faultOf(text) {
    try { return JSON.parse(text).error || text; } catch { return text.trim(); }
  }
  const reach = (run) => Math.max(run.device_blocks, run.host_blocks, run.disk_blocks);
  const cut = (text, width) => text.length * 6.8 > width ? `${text.slice(0, Math.max(1, Math.floor(width / 6.8) - 1))}\u2026` : text;

  function drawRun(run, y, total, width) {
    const most = width - 74, x = (blocks) => blocks / total * most, group = draw("g", {});
    let from = 0;
    group.append(draw("text", { x: 0, y: y + 11 }, cut(`${rankName(run)}  ${run.state.toUpperCase()}  ${shown(run.instance)}`, width)),
      draw("rect", { class: "track", x: 0, y: y + 17, width: most, height: 14 }));
    for (const tier of Object.keys(TIERS)) {
      const to = Math.max(from, run[`${tier}_blocks`]), place = { x: x(from), y: y + 17, width: x(to) - x(from), height: 14 };
      if (to > from) group.append(draw("rect", { ...place, class: tier }));
      if (to > from && tier !== "device") group.append(draw("rect", { ...place, fill: `url(#${tier}-pattern)` }));
      from = to;
    }
    group.append(draw("text", { x: width, y: y + 28, "text-anchor": "end" }, `${grouped(reach(run))} of ${grouped(total)}`));
    return group;
  }
  function drawRuns() {
    if (!lastRuns) return;
    const { runs, total } = lastRuns, width = Math.max(280, at("picture").clientWidth), step = 40;
    const svg = draw("svg", { role: "img", "aria-label": at("answer").textContent,
      viewBox: `0 0 ${width} ${runs.length * step}`, width, height: runs.length * step });
    runs.forEach((run, i) => svg.append(drawRun(run, i * step, total, width)));
    at("picture").replaceChildren(svg);
  }
  function runRow(run) {
    const row = make("tr", {}, make("th", { scope: "row", textContent: rankName(run) }),
      make("td", { textContent: run.state.toUpperCase() }));
    for (const tier of Object.keys(TIERS))
      row.append(make("td", { className: "number", textContent: grouped(run[`${tier}_blocks`]) }));
    row.append(make("td", { className: "text" }, make("bdi", { textContent: shown(run.instance) })));
    return row;
  }
  function showRuns(said) {
    const total = said.answers[0].blocks, runs = said.answers[0].ranks.filter(reach);
    runs.sort((a, b) => b.device_blocks - a.device_blocks || reach(b) - reach(a));
    const size = `blocks of ${plural(said.block_tokens, "token")}`;
    if (!total) setText(at("answer"), `The prompt is shorter than a block: ${size}.`);
    else if (!runs.length) setText(at("answer"), `Nobody holds any of its ${grouped(total)} ${size}.`);
    else setText(at("answer"), `${plural(runs.length, "rank")} hold${runs.length === 1 ? "s" : ""} some of its ` +
      `${grouped(total)} ${size}: ${rankName(runs[0])} has the most in its device, ${grouped(runs[0].device_blocks)}.`);
    lastRuns = total && runs.length ? { runs, total } : null;
    at("runs").hidden = !lastRuns;
    at("run-rows").replaceChildren(...runs.map(runRow));
    drawRuns();
  }
  async function onAsk(event) {
    event.preventDefault();
    const button = at("prompt").querySelector("button");
    button.disabled = true;
    try {
      showRuns(await ask());
    } catch (error) {
      lastRuns = null;
      at("runs").hidden = true;
      setText(at("answer"), error instanceof TypeError ? "ringdexd does not answer." : error.message);
    }
    button.disabled = false;
  }

  /*
   * Live
   */
  const access = () => token ? { Authorization: `Bearer ${token}` } : {};
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

  function askForToken() {
    setText(at("access-why"), token ? "ringdexd refuses this token." : "This ringdexd asks for its token.");
    at("access").hidden = false;
    at("token").focus();
  }
  function givenToken() {
    return new Promise((resolve) => {
      at("access").onsubmit = (event) => {
        event.preventDefault();
        token = at("token").value.trim();
        at("token").value = "";
        resolve();
      };
    });
  }
  function isVisible() {
    return document.hidden ? new Promise((resolve) => {
      document.addEventListener("visibilitychange", resolve, { once: true });
    }).then(isVisible) : Promise.resolve();
  }
  function show(overview) {
    const before = seen;
    seen = overview;
    document.body.classList.remove("old");
    tell("connection", "live", "good");
    at("access").hidden = true;
    showIndexer(overview.indexer);
    showSums(overview);
    if (before) showChanges(before.ranks, overview.ranks);
    showRanks(overview.ranks);
    showModels(overview.ranks);
    showHistory(overview);
  }
  /* One event's lines; other fields than these are of no use here. */
  function onEvent(text) {
    const lines = text.split("\n");
    const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6));
    if (lines.includes("event: overview")) show(parse(data.join("\n")));
  }
  /* EventSource could not send the token, so the stream is read by hand. */
  async function readEvents(body, heard) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { value, done } = await reader.read();
      if (done) throw new Error("ringdexd has gone");
      heard();
      const events = (text + value).split("\n\n");
      text = events.pop();
      events.forEach(onEvent);
    }
  }
  let live = new AbortController();
  async function listen() {
    const control = live = new AbortController();
    const hide = () => document.hidden && control.abort();
    let timer;
    const heard = () => {
      clearTimeout(timer);
      timer = setTimeout(() => control.abort(new Error("ringdexd is silent")), SILENCE_MS);
    };
    document.addEventListener("visibilitychange", hide); // who does not look on costs nothing
    heard();
    try {
      const answer = await fetch("v1/live", { headers: access(), signal: control.signal, cache: "no-store" });
      if (answer.status === 401) return 401;
      if (!answer.ok) throw new Error(`${answer.status}: ${shown(faultOf(await answer.text()))}`);
      await readEvents(answer.body, heard);
    } finally {
      clearTimeout(timer);
      control.abort();
      document.removeEventListener("visibilitychange", hide);
    }
  }
  async function follow() {
    for (let tries = 0; ; tries++) {
      const before = seen;
      try {
        await isVisible();
        if (await listen() === 401) {
          const given = givenToken();
          tell("connection", "a token is needed", "warn");
          askForToken();
          await given;
          continue;
        }
      } catch (error) {
        if (document.hidden) continue;
        const why = error instanceof TypeError ? (seen ? "ringdexd has gone" : "ringdexd does not answer") : error.message;
        tell("connection", `${why}: trying again`, "bad");
        document.body.classList.add("old");
      }
      if (seen !== before) tries = 0;
      await sleep(RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]);
    }
  }

  function legend(id, entries, picture) {
    for (const [name, text] of Object.entries(entries))
      at(id).append(make("li", {}, picture(name), text));
  }
  function begin() {
    at("theme").value = savedTheme();
    at("theme").addEventListener("change", () => {
      useTheme(at("theme").value);
      try { localStorage.setItem(THEME, at("theme").value); } catch { /* it lasts as long as the page */ }
    });
    at("filter").addEventListener("input", filterRows);
    at("prompt").addEventListener("submit", onAsk);
    at("tokens").addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) at("prompt").requestSubmit();
    });
    const swatch = (...marks) => draw("svg", { width: 14, height: 14 }, ...marks);
    legend("tiers", TIERS, (tier) => swatch(draw("rect", { class: tier, width: 14, height: 14 }),
      draw("rect", { fill: tier === "device" ? "none" : `url(#${tier}-pattern)`, width: 14, height: 14 })));
    legend("kinds", KINDS, (kind) => swatch(mark(kind, 7, 7)));
    addEventListener("resize", () => {
      drawRuns();
      if (seen) showHistory(seen);
    });
    follow();
  }
  document.addEventListener("DOMContentLoaded", begin);
})();
