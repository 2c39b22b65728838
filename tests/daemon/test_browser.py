#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser, with real workers: test_browser.py BIN_DIR io_uring|epoll DIR

With RDX_PICTURES=FOLDER it leaves pictures of the page there, for people to look at."""
import contextlib
import json
import os
import sys
import unittest

import browser
from rig import DIR, Daemon, free_port, until, worker
from test_page import HOSTILE, feed, line

PICTURES = os.environ.get("RDX_PICTURES")
CONTRAST = 4.5  # of text against its ground, as WCAG 2.2 wants it at level AA

# The contrast of each text that can be seen, the least one first.
CONTRASTS = """(() => {
  const parts = (color) => color.match(/[\\d.]+/g).map(Number);
  const light = (color) => parts(color).slice(0, 3).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, i) => sum + part * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (element) => {
    for (; element; element = element.parentElement) {
      const color = getComputedStyle(element).backgroundColor;
      if ((parts(color)[3] ?? 1) === 1) return color;
    }
    return "rgb(255,255,255)";
  };
  const seen = [...document.querySelectorAll("body *")].filter((element) => element.checkVisibility() &&
    [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim()));
  return seen.map((element) => {
    const style = getComputedStyle(element), isDrawn = element instanceof SVGElement;
    const [a, b] = [light(isDrawn ? style.fill : style.color), light(ground(element))];
    return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), element.tagName + " " + element.textContent.slice(0, 40)];
  }).sort((a, b) => a[0] - b[0]);
})()"""


@unittest.skipUnless(browser.PROGRAM, "there is no chromium: apt-get install chromium")
class Page(unittest.TestCase):
    """One browser for all, one daemon each: browsers are slow to start."""

    @classmethod
    def setUpClass(cls):
        cls.browser = browser.Browser(f"{DIR}/chromium")
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.browser.open("about:blank")  # which has nothing more to say of the daemon before
        self.browser.faults.clear()
        self.browser.urls.clear()
        self.browser.size(1280)
        self.browser.prefer("light")
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.addCleanup(self.browser.open, "about:blank")

    def daemon(self, name, *options):
        daemon = Daemon(name, *options)
        self.stack.callback(daemon.close)
        return daemon

    def feed(self, daemon, lines, *options):
        process = feed(daemon.directory, *options)
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        process.stdin.write(lines)
        process.stdin.close()
        return process

    def open(self, daemon):
        self.browser.open(f"http://127.0.0.1:{daemon.port}/")
        self.browser.until("document.getElementById('connection').textContent === 'live'")

    def check_quiet(self, daemon):
        """No fault was said, and nothing was asked for elsewhere."""
        self.browser.read()
        self.assertEqual(self.browser.faults, [])
        own = f"http://127.0.0.1:{daemon.port}/"
        self.assertEqual([url for url in self.browser.urls if not url.startswith(own)], [])

    def rows(self):
        return self.browser.say("[...document.querySelectorAll('#rows tr')].map((row) => "
                                "[...row.cells].map((cell) => cell.textContent))")

    def picture(self, name):
        if PICTURES:
            self.browser.picture(f"{PICTURES}/{name}.png")

    def test_ranks_live(self):
        """Real workers in the table; one that is killed is GONE, and that is said."""
        daemon = self.daemon("ranks")
        page = self.browser
        with worker(daemon.directory):
            victim = self.feed(daemon, line(7, names=[1, 2], token_ids=[5, 6, 7, 8]) + line(7, "cleared") +
                               line(7, names=[3], token_ids=[1, 2]), "--model=m", "--tenant=t")
            self.open(daemon)
            page.until("[...document.querySelectorAll('.state')].filter((it) => it.textContent === 'EXACT').length === 2")
            titles = page.say("[...document.querySelectorAll('#ranks thead th')].map((it) => it.textContent)")
            device = titles.index("Device")
            until(lambda: [row[device] for row in self.rows()] == ["3", "1"], "not all events are seen")
            page.until("document.querySelectorAll('#rows tr')[1].cells[15].textContent === '1'")  # its clear
            first, second = self.rows()
            self.assertEqual(len(first), len(titles))
            first, second = dict(zip(titles, first)), dict(zip(titles, second))
            self.assertEqual((first["Rank"], first["Device"], first["Model and instance"], first["Lag"]),
                             ("1:0", "3", "examplehttp://localhost:8000", "0"))
            self.assertEqual((second["Rank"], second["Model and instance"], second["Device"]),
                             ("7:0", "mtenant tfeed://7/0", "1"))
            self.assertEqual((second["Last barrier"], second["Clears"]), ("event 2", "1"))
            page.until("document.querySelectorAll('#timeline circle').length >= 2")
            page.until("document.querySelectorAll('#timeline path.clear').length === 1")
            victim.kill()
            page.until("document.querySelectorAll('.state')[1].textContent === 'GONE'")
            page.until("document.getElementById('changes').textContent.includes('7:0 is GONE')")
            self.assertEqual(page.text_of("#sums dd"), "1")
            page.say("document.getElementById('filter').value = 'gone', "
                     "document.getElementById('filter').dispatchEvent(new Event('input'))")
            self.assertEqual(page.say("[...document.querySelectorAll('#rows tr')].map((row) => row.hidden)"),
                             [True, False])
        self.check_quiet(daemon)

    def test_hostile_names(self):
        """Texts of workers stay texts, and long numbers stay what they are."""
        daemon = self.daemon("hostile")
        self.feed(daemon, line((1 << 64) - 2), f"--model={HOSTILE}", f"--instance={HOSTILE}</table><script>x</script>")
        self.open(daemon)
        self.browser.until("document.querySelector('#rows .state')?.textContent === 'EXACT'")
        row = self.rows()[0]
        self.assertEqual(row[0], f"{(1 << 64) - 2}:0")
        seen = HOSTILE.translate({1: "\ufffd", 10: "\ufffd", 0x202e: "\ufffd"})
        self.assertEqual(row[2], f"{seen}{seen}</table><script>x</script>")
        self.assertEqual(self.browser.say("document.querySelectorAll('main img, main script').length"), 0)
        self.assertEqual(self.browser.say("document.querySelector('#model').textContent"), seen)
        self.check_quiet(daemon)

    def test_prompt(self):
        """By keyboard alone: who holds it, and how much of it in which tier."""
        daemon = self.daemon("prompt")
        page = self.browser
        names, tokens = list(range(1, 9)), list(range(100, 116))
        self.feed(daemon, b"".join(
            [line(worker_id, names=names[:blocks], token_ids=tokens[:2 * blocks]) for worker_id, blocks in
             ((3, 8), (4, 2))] +
            [line(4, names=names[:5], token_ids=tokens[:10], tier="host"), line(4, names=names, token_ids=tokens, tier="disk")]),
            "--model=m", "--instance=http://10.0.0.4:8000", "--host-blocks=64", "--disk-blocks=64")
        self.open(daemon)
        page.until("document.querySelectorAll('#model option').length === 1 && "
                   "[...document.querySelectorAll('#rows tr')].filter((it) => it.textContent.includes('EXACT')).length === 2")
        page.say("document.getElementById('tokens').focus()")
        page.type(", ".join(map(str, tokens)))
        page.press("Enter", modifiers=2)
        page.until("document.querySelectorAll('#picture .device').length === 2")
        self.assertIn("2 ranks hold some of its 8 blocks", page.text_of("#answer"))
        widths = page.say("Object.fromEntries(['track', 'device', 'host', 'disk'].map((it) => [it, "
                          "[...document.querySelectorAll(`#picture rect.${it}`)].map((bar) => bar.getBoundingClientRect().width)]))")
        whole = widths["track"][0]
        for tier, blocks in (("device", [8, 2]), ("host", [3]), ("disk", [3])):
            self.assertEqual([round(width / whole * 8, 2) for width in widths[tier]], blocks, tier)
        self.assertEqual(page.say("[...document.querySelectorAll('#run-rows tr')].map((row) => "
                                  "[...row.cells].slice(0, 5).map((cell) => cell.textContent))"),
                         [["3:0", "EXACT", "8", "8", "8"], ["4:0", "EXACT", "2", "5", "8"]])
        self.assertEqual(page.say("document.querySelector('#picture svg').getAttribute('aria-label')"), page.text_of("#answer"))
        for theme in ("light", "dark"):
            page.prefer(theme)
            for width in (1280, 390):
                page.size(width)
                self.picture(f"prompt-{theme}-{width}")
        for text, answer in (("1", "shorter than a block"), ("9 9 9 9", "Nobody holds"), ("1 x 2", "no token id"),
                             ("4294967296", "no token id")):
            page.say("document.getElementById('tokens').select()")
            page.type(text)
            page.press("Enter", modifiers=2)
            page.until(f"document.getElementById('answer').textContent.includes({json.dumps(answer)})")
            self.assertTrue(page.say("document.getElementById('runs').hidden"))
        self.check_quiet(daemon)

    def test_block_sizes(self):
        """A model whose workers have several: each can be asked."""
        daemon = self.daemon("sizes")
        page = self.browser
        tokens = list(range(100, 108))
        self.feed(daemon, line(3, names=[1, 2, 3, 4], token_ids=tokens), "--model=m")
        self.feed(daemon, line(4, names=[1], token_ids=tokens[:4], block_size=4), "--model=m", "--block-tokens=4")
        self.open(daemon)
        page.until("[...document.querySelectorAll('#rows .state')].filter((it) => it.textContent === 'EXACT').length === 2")
        page.until("document.querySelectorAll('#model option').length === 2")
        texts = page.say("[...document.querySelectorAll('#model option')].map((it) => it.textContent)")
        self.assertEqual(texts, ["m, blocks of 2 tokens", "m, blocks of 4 tokens"])
        for place, blocks, size, rank in ((0, 4, 2, "3:0"), (1, 2, 4, "4:0")):
            page.say(f"document.getElementById('model').selectedIndex = {place}, document.getElementById('tokens').value = ''")
            page.say("document.getElementById('tokens').focus()")
            page.type(" ".join(map(str, tokens)))
            page.press("Enter", modifiers=2)
            page.until(f"document.getElementById('answer').textContent.includes('{blocks} blocks of {size} tokens')")
            self.assertEqual(page.say("[...document.querySelectorAll('#run-rows tr')].map((row) => row.cells[0].textContent)"),
                             [rank])
        self.check_quiet(daemon)

    def test_keyboard(self):
        """Tab comes to everything, in the order of the page, and each is seen to have the focus."""
        daemon = self.daemon("keys")
        page = self.browser
        with worker(daemon.directory):
            self.open(daemon)
            page.until("document.querySelectorAll('#model option').length === 1")
            page.say("document.body.focus()")
            visited = []
            for _ in range(12):
                page.press("Tab")
                visited.append(page.say("(() => { const it = document.activeElement, style = getComputedStyle(it), box = "
                                        "it.getBoundingClientRect(); return [it.id || it.type || it.tagName, "
                                        "style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2, "
                                        "box.width > 0 && box.left >= 0]; })()"))
            names = [name for name, _, _ in visited]
            self.assertEqual(names[:8], ["A", "theme", "filter", "ranks", "model", "radio", "tokens", "submit"])
            self.assertIn("SUMMARY", names)
            for name, is_outlined, is_there in visited[:9]:
                self.assertTrue(is_outlined and is_there, name)
            # the skip link goes where it says
            page.open(f"http://127.0.0.1:{daemon.port}/")
            page.press("Tab")
            page.until("document.activeElement.getBoundingClientRect().top >= 0")
            page.press("Enter")
            page.until("location.hash === '#ranks'")
        self.check_quiet(daemon)

    def test_names_for_screen_readers(self):
        """What a reader is told by the browser: captions, headers of rows and columns, names of all that can be used."""
        daemon = self.daemon("names")
        with worker(daemon.directory):
            self.open(daemon)
            self.browser.until("document.querySelectorAll('#rows tr').length === 1")
            nodes = [node for node in self.browser.call("Accessibility.getFullAXTree")["nodes"] if not node["ignored"]]
        named = {}
        for node in nodes:
            named.setdefault(node["role"]["value"], []).append(node.get("name", {}).get("value", ""))
        self.assertIn("Every rank, its state and what it holds now", named["table"])
        self.assertEqual(named["rowheader"], ["1:0"])
        self.assertGreaterEqual(len(named["columnheader"]), 16)
        self.assertIn("Ranks", named["region"])
        self.assertTrue(any("in the last ten minutes" in name for name in named["image"]), named["image"])
        self.assertTrue(any(name.startswith("Prompt") for name in named["textbox"]), named["textbox"])
        self.assertEqual(self.browser.say("[...document.querySelectorAll('[role=status]')].map((it) => it.id)"),
                         ["connection", "changes", "answer"])
        for role in ("button", "combobox", "textbox", "searchbox", "radio", "link", "image"):
            self.assertTrue(named.get(role), (role, sorted(named)))
            self.assertTrue(all(named[role]), (role, named[role]))

    def test_dark_and_light(self):
        daemon = self.daemon("colours")
        page = self.browser
        with worker(daemon.directory):
            self.feed(daemon, line(7), "--model=m")
            gone = self.feed(daemon, line(8), "--model=m")
            self.open(daemon)
            page.until("document.querySelectorAll('#rows .state').length === 3")
            gone.kill()
            page.until("!!document.querySelector('#rows .gone')")
            grounds = {}
            for theme in ("light", "dark"):
                page.prefer(theme)
                grounds[theme] = page.say("getComputedStyle(document.body).backgroundColor")
                least = page.say(CONTRASTS)[0]
                self.assertGreaterEqual(least[0], CONTRAST, (theme, least))
                for width in (1280, 390):
                    page.size(width)
                    page.until("document.documentElement.scrollWidth <= innerWidth")
                    self.picture(f"page-{theme}-{width}")
                page.size(1280)
            self.assertNotEqual(grounds["light"], grounds["dark"])
            # the switch wins over the system, and is remembered
            page.say("document.getElementById('theme').value = 'light', "
                     "document.getElementById('theme').dispatchEvent(new Event('change'))")
            self.assertEqual(page.say("getComputedStyle(document.body).backgroundColor"), grounds["light"])
            self.open(daemon)
            self.assertEqual(page.say("getComputedStyle(document.body).backgroundColor"), grounds["light"])
            self.assertEqual(page.say("document.getElementById('theme').value"), "light")
            page.say("localStorage.clear()")
        self.check_quiet(daemon)

    def test_gone_and_back(self):
        """A daemon that is killed is missed, and found again when it comes."""
        port = free_port()
        daemon = self.daemon("back", f"--listen=127.0.0.1:{port}")
        daemon.port = port  # of its addresses, that which its successor has
        page = self.browser
        with worker(daemon.directory):
            self.open(daemon)
            page.until("document.querySelectorAll('#rows tr').length === 1")
            self.check_quiet(daemon)
            daemon.close()
            page.until("document.getElementById('connection').textContent === 'ringdexd has gone: trying again'")
            self.assertTrue(page.say("document.body.classList.contains('old')"))
            self.picture("gone")
            self.daemon("back", f"--listen=127.0.0.1:{port}")
            page.until("document.getElementById('connection').textContent === 'live'")
            self.assertFalse(page.say("document.body.classList.contains('old')"))

    def test_token(self):
        """Asked for, refused, taken; kept nowhere but in memory."""
        with open(f"{DIR}/browser-token.txt", "w", encoding="ascii") as file:
            file.write("0123456789abcdef\n")
        daemon = self.daemon("browser-token", f"--token-file={DIR}/browser-token.txt")
        page = self.browser
        with worker(daemon.directory):
            page.open(f"http://127.0.0.1:{daemon.port}/")
            page.until("document.activeElement.id === 'token'")
            self.picture("token")
            page.type("wrong")
            page.press("Enter")
            page.until("document.getElementById('access-why').textContent === 'ringdexd refuses this token.'")
            page.until("document.activeElement.id === 'token'")
            page.type("0123456789abcdef")
            page.press("Enter")
            page.until("document.querySelectorAll('#rows tr').length === 1")
            self.assertTrue(page.say("document.getElementById('access').hidden"))
            self.assertEqual(page.say("[localStorage.length, sessionStorage.length, document.cookie, location.search]"),
                             [0, 0, "", ""])
            page.open(f"http://127.0.0.1:{daemon.port}/")
            page.until("document.activeElement.id === 'token'")
        self.assertTrue(all("401" in fault for fault in self.browser.faults), self.browser.faults)


if __name__ == "__main__":
    if not browser.PROGRAM:
        print("there is no chromium: apt-get install chromium")
        sys.exit(77)
    unittest.main(argv=["test_browser.py"], verbosity=2)
