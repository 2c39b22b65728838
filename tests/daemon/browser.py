# SPDX-License-Identifier: Apache-2.0
"""A headless Chromium, told what to do through its debugging pipe: no driver and no library is needed."""
import base64
import json
import os
import shutil
import subprocess

from rig import PATIENCE_S, die_with_parent, until

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--disable-gpu", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
         "--disable-extensions", "--disable-dev-shm-usage", "--no-zygote", "--mute-audio")
KEYS = {"Tab": 9, "Enter": 13, "Escape": 27, "ArrowDown": 40, " ": 32}


class Browser:
    """One page in one browser, whose messages are read while something is waited for."""

    def __init__(self, folder):
        # the browser reads at 3 and writes at 4
        read_at, self.write_fd = os.pipe()
        self.read_fd, write_at = os.pipe()
        os.set_blocking(self.read_fd, False)
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{read_at} 4>&{write_at}', "bash", PROGRAM, *FLAGS,
             f"--user-data-dir={folder}", "about:blank"], pass_fds=(read_at, write_at),
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent)
        os.close(read_at)
        os.close(write_at)
        self.text, self.number, self.answers, self.session = b"", 0, {}, None
        self.faults, self.urls = [], []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.read_fd)
        os.close(self.write_fd)

    def read(self):
        """What has come until now."""
        try:
            while (got := os.read(self.read_fd, 1 << 20)):
                self.text += got
        except BlockingIOError:
            pass
        *messages, self.text = self.text.split(b"\0")
        for message in messages:
            self.take(json.loads(message))

    def take(self, message):
        method, given = message.get("method"), message.get("params", {})
        if "id" in message:
            self.answers[message["id"]] = message
        elif method == "Network.requestWillBeSent":
            self.urls.append(given["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.faults.append(json.dumps(given["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "warning", "assert"):
            self.faults.append(json.dumps(given["args"]))
        elif method == "Log.entryAdded" and given["entry"]["level"] in ("error", "warning"):
            self.faults.append(f"{given['entry']['text']} {given['entry'].get('url')}")
        elif method == "Page.javascriptDialogOpening":
            self.faults.append("a dialog")
            self.send("Page.handleJavaScriptDialog", accept=True)

    def send(self, method, **given):
        self.number += 1
        message = {"id": self.number, "method": method, "params": given}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.write_fd, data):]
        return self.number

    def call(self, method, **given):
        number = self.send(method, **given)

        def is_answered():
            self.read()
            assert self.process.poll() is None, "the browser has ended"
            return number in self.answers
        until(is_answered, f"{method} is never answered")
        answer = self.answers.pop(number)
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def open(self, url):
        self.call("Page.navigate", url=url)
        self.until("document.readyState === 'complete'")

    def say(self, expression):
        """What an expression of the page comes to."""
        got = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in got, (expression, got)
        return got["result"].get("value")

    def until(self, expression):
        return until(lambda: self.say(expression), f"never: {expression}")

    def text_of(self, selector):
        return self.say(f"document.querySelector({json.dumps(selector)}).textContent")

    def size(self, width, height=900):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self.until(f"innerWidth === {width}")

    def prefer(self, scheme):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key, modifiers=0):
        """Modifiers: 2 is Ctrl, 8 is Shift."""
        key_text = {"Enter": "\r", " ": " "}.get(key)
        more = {"text": key_text} if key_text and not modifiers else {}
        for kind in ("keyDown" if more else "rawKeyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code={" ": "Space"}.get(key, key),
                      windowsVirtualKeyCode=KEYS[key], modifiers=modifiers, **(more if kind == "keyDown" else {}))

    def type(self, text):
        self.call("Input.insertText", text=text)

    def picture(self, path):
        """Of the whole page, however long."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        got = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                        clip={"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1})
        with open(path, "wb") as file:
            file.write(base64.b64decode(got["data"]))
