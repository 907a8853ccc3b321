"""The page of parallel downloads, from a test's point of view."""

from __future__ import annotations

from dataclasses import dataclass

from tests.browser.chromium import Browser
from tests.support.server import DEADLINE

LANES = "[...document.querySelectorAll('.lane')]"

RECORD = """
window.record = [];
const lanes = () => [...document.querySelectorAll(".lane")];
new MutationObserver(() => {
  window.record.push(lanes().map((lane) => Number(lane.dataset.received)));
}).observe(document.querySelector("#lanes"), { subtree: true, attributes: true });
"""


@dataclass
class Downloads:
    """One browser that has the page open."""

    browser: Browser

    def start(self, source: str = "file", count: int = 6) -> None:
        """Fill in the form, begin to record how the bars move, and press Start."""
        self.browser.click(f"#{source}")
        self.browser.run("document.querySelector('#count').value = arguments[0]", str(count))
        self.browser.run(RECORD)
        self.browser.click("#start")

    def stop(self) -> None:
        self.browser.click("#stop")

    def wait_until_all_move(self) -> None:
        """Wait until each lane has received something since now."""
        self.browser.run("window.from = arguments[0]", self.received())
        self.browser.wait(
            f"{LANES}.length > 0 && {LANES}.every((lane, i) => "
            "lane.dataset.state === 'running' && "
            "Number(lane.dataset.received) > (window.from[i] ?? 0))"
        )

    def wait_until_all_are(self, state: str, timeout: float = DEADLINE) -> None:
        self.browser.wait(f"{LANES}.every((lane) => lane.dataset.state === '{state}')", timeout)

    def received(self) -> list[int]:
        numbers: list[int] = self.browser.run(
            f"return {LANES}.map((lane) => Number(lane.dataset.received))"
        )
        return numbers

    def recorded(self) -> list[list[int]]:
        """Return the bytes of each lane, at every change of a bar since the start."""
        record: list[list[int]] = self.browser.run("return window.record")
        return record

    def message(self) -> str:
        """Wait for the message of the page, and return it."""
        return str(self.browser.wait("!message.hidden && message.textContent"))


def downloads(browser: Browser) -> Downloads:
    """Open the page."""
    browser.open("downloads/")
    return Downloads(browser)
