"""One headless Chromium, driven through Debian's chromedriver.

Everything that the browser complained about is recorded: console messages, requests that failed
or were answered with an error, and requests to anywhere but the server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory
from typing import Any

from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from tests.support import require
from tests.support.server import DEADLINE

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
    "--window-size=1280,900",
)

PREFERENCES = {"session.restore_on_startup": 4, "session.startup_urls": ["about:blank"]}
"""Begin with an empty page; Debian's start page is on the web."""

WAIT = """
const done = arguments[arguments.length - 1];
const holds = () => (%s);
const look = () => {
  const value = holds();
  if (value) {
    observer.disconnect();
    done(value);
  }
};
const observer = new MutationObserver(look);
observer.observe(document, {
  subtree: true, childList: true, attributes: true, characterData: true,
});
look();
"""

FETCH = """
const done = arguments[arguments.length - 1];
const [addresses] = arguments;
const hex = (bytes) =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, "0")).join("");
const get = async (address) => {
  const response = await fetch(address, { cache: "no-store" });
  const body = await response.arrayBuffer();
  return {
    status: response.status,
    type: response.headers.get("Content-Type"),
    sha256: hex(await crypto.subtle.digest("SHA-256", body)),
  };
};
Promise.all(addresses.map(get)).then(done);
"""


@dataclass
class Traffic:
    """Network traffic since the last call."""

    responses: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


class Browser:
    """A browser with a fresh profile, for pages of one server."""

    def __init__(self, driver: webdriver.Chrome, origin: str) -> None:
        self.driver = driver
        self.origin = origin
        driver.set_script_timeout(DEADLINE)
        driver.set_page_load_timeout(DEADLINE)

    def open(self, path: str) -> None:
        """Go to a page of the server and wait until it and its images are loaded."""
        self.driver.get(f"{self.origin}/{path.lstrip('/')}")

    def run(self, script: str, *arguments: object) -> Any:
        """Run a function body in the page and return its value."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, expression: str, timeout: float = DEADLINE) -> Any:
        """Return the value of a JavaScript expression, once a change of the page made it true."""
        self.driver.set_script_timeout(timeout)
        return self.driver.execute_async_script(WAIT % expression)

    def fetch(self, addresses: list[str]) -> list[dict[str, Any]]:
        """Fetch all addresses at once inside the page: status, type and SHA-256 of each."""
        result: list[dict[str, Any]] = self.driver.execute_async_script(FETCH, addresses)
        return result

    def click(self, variant_key: str) -> None:
        self.run("document.querySelector(arguments[0]).click()", variant_key)

    def type(self, variant_key: str, text: str) -> None:
        """Replace the text of a field."""
        script = "const [field, text] = [document.querySelector(arguments[0]), arguments[1]];"
        self.run(
            f"{script} field.value = text; field.dispatchEvent(new Event('input'))",
            variant_key,
            text,
        )

    def allow_scripts(self, allowed: bool) -> None:
        """Let pages that are opened from now on run scripts, or not."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not allowed})

    def prefer(self, scheme: str) -> None:
        """Be as on a machine whose user wants pages to be `light` or `dark`."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def inaccessible(self) -> list[str]:
        """Return the accessibility faults that axe-core finds in the page."""
        found = Axe().run(self.driver)
        return [
            f"{violation['id']}: {node['html']}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def text(self, variant_key: str) -> str:
        return str(self.run("return document.querySelector(arguments[0]).textContent", variant_key))

    def width(self, pixels: int) -> None:
        """Show the pages as on a screen of this width."""
        self.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": pixels, "height": 844, "deviceScaleFactor": 1, "mobile": pixels < 600},
        )

    def slow_down(self, rate: int) -> None:
        """Let no more than so many bytes in per second; -1 for as many as there are."""
        conditions = {"offline": False, "latency": 0, "uploadThroughput": -1}
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd(
            "Network.emulateNetworkConditions", {**conditions, "downloadThroughput": rate}
        )

    def traffic(self) -> Traffic:
        """Return the responses and the failures since the last call."""
        seen = Traffic()
        for entry in self._log("performance"):
            event = json.loads(entry["message"])["message"]
            self._note(event["method"], event["params"], seen)
        return seen

    def _log(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def _note(self, method: str, params: dict[str, Any], seen: Traffic) -> None:
        if method == "Network.requestWillBeSent":
            url = params["request"]["url"]
            if not url.startswith((self.origin, "data:", "chrome:", "about:")):
                seen.failures.append(f"request to elsewhere: {url}")
        elif method == "Network.responseReceived":
            response = params["response"]
            seen.responses.append(response)
            if response["status"] >= 400:
                seen.failures.append(f"{response['status']} {response['url']}")
        elif method == "Network.loadingFailed" and not params.get("canceled"):
            seen.failures.append(f"failed: {params}")

    def console(self) -> list[str]:
        """Return what was written to the console since the last call."""
        return [f"{entry['level']}: {entry['message']}" for entry in self._log("browser")]

    def complaints(self) -> list[str]:
        """Return everything that a person with the developer tools open would see in red."""
        return self.console() + self.traffic().failures

    def check(self) -> None:
        """Fail if there is anything to complain about."""
        complaints = self.complaints()
        assert not complaints, complaints

    def forget(self) -> None:
        """Be as a browser that was just started: an empty page, cache and log, a wide window."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Network.clearBrowserCache", {})
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        self.complaints()


@contextmanager
def chromium(origin: str) -> Iterator[Browser]:
    """Run a browser for a `with` block; afterwards it must have nothing left to complain about."""
    options = webdriver.ChromeOptions()
    options.binary_location = require.command("chromium", "chromium")
    service = Service(require.command("chromedriver", "chromium-driver"), env=offline())
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    options.add_experimental_option("prefs", PREFERENCES)
    with TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=service)
        try:
            browser = Browser(driver, origin)
            yield browser
            browser.check()
        finally:
            driver.quit()


def offline() -> dict[str, str]:
    """Return the environment in which Selenium looks for nothing outside this machine."""
    return {**os.environ, "SE_OFFLINE": "true", "SE_AVOID_STATS": "true"}
