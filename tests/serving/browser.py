"""A headless Chromium, driven by chromedriver through the W3C's WebDriver protocol.

Source: https://www.w3.org/TR/webdriver2/, and the DevTools commands that chromedriver passes on.
"""

import base64
import json
import re
import subprocess
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx2

ENTER, ARROW_DOWN, TAB = "\ue007", "\ue015", "\ue004"
_ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
_CAPABILITIES = {
    "browserName": "chrome",
    "goog:chromeOptions": {"args": _ARGUMENTS},
    "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"},
}


class Browser:
    """One session: a window with a page."""

    def __init__(self, session):
        self._session = session

    def _ask(self, command, **body):
        answer = self._session.post(command, json=body).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer

    def open(self, address, width, height):
        """Show a page in a window of that many CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._ask("goog/cdp/execute", cmd="Emulation.setDeviceMetricsOverride", params=size)
        self._ask("url", url=address)

    def press(self, keys):
        """Type where the focus is, as a keyboard does."""
        strokes = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("actions", actions=[{"type": "key", "id": "keyboard", "actions": strokes}])

    def value(self, expression):
        """Value of an expression of JavaScript in the page."""
        return self._ask("execute/sync", script=f"return {expression}", args=[])

    def wait_for(self, expression, seconds=60):
        """Wait until an expression holds, and return it."""
        end = time.monotonic() + seconds
        while not (value := self.value(expression)):
            assert time.monotonic() < end, f"{expression} does not hold: {self.value('document.body.innerText')}"
            time.sleep(0.05)
        return value

    def screenshot(self):
        """The window, as PNG."""
        return base64.b64decode(self._session.get("screenshot").json()["value"])

    def errors(self):
        """Warnings and errors in the page's console since the last call."""
        lines = self._ask("se/log", type="browser")
        return [line["message"] for line in lines if line["level"] in {"WARNING", "SEVERE"}]

    def hosts(self):
        """Every host that the page sent a request to since the last call."""
        events = [json.loads(line["message"])["message"] for line in self._ask("se/log", type="performance")]
        asked = [one["params"]["request"]["url"] for one in events if one["method"] == "Network.requestWillBeSent"]
        return {urlsplit(url).netloc for url in asked} - {""}  # a data: address has no host


@contextmanager
def browser():
    """Start chromedriver and a browser; both end with the context."""
    command = ["chromedriver", "--port=0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as driver:
        try:
            port = next(match[1] for line in driver.stdout if (match := re.search(r"successfully on port (\d+)", line)))
            base = f"http://127.0.0.1:{port}/session"
            with httpx2.Client(timeout=120, trust_env=False) as client:
                asked = {"capabilities": {"alwaysMatch": _CAPABILITIES}}
                answer = client.post(base, json=asked).json()["value"]
                assert "sessionId" in answer, answer
                session = f"{base}/{answer['sessionId']}"
                client.base_url = f"{session}/"
                try:
                    yield Browser(client)
                finally:  # a driver that ends before its session leaves the browser running
                    client.delete(session).raise_for_status()
        finally:
            driver.terminate()
