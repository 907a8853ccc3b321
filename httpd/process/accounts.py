"""The accounts of a supervisor: what its workers have counted, through all generations.

A generation counts in a table of its own.  When it has ended, its counts are added to the ledger.
In an upgrade, the successor takes the accounts over before commands find it: it adds the ledger of
the predecessor to its own, and the tables of the predecessor once that has ended.

Called by `httpd.process.generations` and `httpd.process.supervisor`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping

from httpd.observe.counts import CountTable, Key, read_tables
from httpd.observe.ledger import Ledger, read_ledger
from httpd.process.plan import Plan
from httpd.protocol.messages import STATUSES
from httpd.protocol.tally import NO_NAME


class Accounts:
    """What was counted so far.

    Raises:
        OSError: when there is no memory or descriptor for the ledger.
    """

    def __init__(self) -> None:
        self.tables: dict[int, CountTable] = {}
        """Of the generations that have not ended, by their numbers."""
        self._ended: Counter[Key] = Counter()
        self._inherited: frozenset[int] = frozenset()
        self._before: Mapping[Key, int] = {}  # the ledger of a predecessor
        self._ledger = Ledger.create()

    def open(self, number: int, plan: Plan) -> None:
        """Make the table of a generation, before its workers are forked.

        Args:
            number: of the generation.
            plan: of the generation.

        Raises:
            OSError: when there is no memory or descriptor for it.
        """
        sites = [NO_NAME, *(site.name for site in plan.worker.frontend.gateway.sites)]
        self.tables[number] = CountTable.create(
            plan.process.workers, sites, sorted(STATUSES), number
        )
        self._write()

    def keep(self, numbers: Collection[int]) -> None:
        """Add the counts of generations that have ended to the ledger.

        Args:
            numbers: of the own generations that have not ended.
        """
        self._end(self.tables.keys() - self._inherited - {*numbers})

    def count(self, *key: str) -> None:
        """Count an event that no worker counts.

        Args:
            key: see `Key`.
        """
        self._ended[key] += 1
        self._write()

    # ---------------------------------------------------------------- upgrades

    def inherit(self, predecessor: int) -> None:
        """Take over the accounts of a predecessor, as they are now; its workers may still count.

        Args:
            predecessor: its pid.

        Raises:
            OSError: when it has ended; what was taken over before is kept.
            ValueError: its ledger cannot be read.
        """
        tables = read_tables(predecessor)  # first, so that none of those in the ledger is missing
        entries = read_ledger(predecessor)
        if entries is None:
            return  # of another version
        for number in self._inherited:
            del self.tables[number]
        inherited = {number: tables[number] for number in entries.running if number in tables}
        self.tables |= inherited
        self._inherited = frozenset(inherited)
        self._before = entries.values
        self._write()

    def end_inherited(self) -> None:
        """Add what a predecessor has counted, which has ended."""
        self._end(self._inherited)
        self._inherited = frozenset()

    def _end(self, numbers: Collection[int]) -> None:
        for number in numbers:
            self._ended.update(self.tables[number].values())
        if numbers:
            self._write(self.tables.keys() - {*numbers})
            for number in numbers:
                del self.tables[number]  # now that the ledger has its counts

    def _write(self, running: Collection[int] | None = None) -> None:
        values = self._ended + Counter(self._before)
        self._ledger.write(self.tables.keys() if running is None else running, values)

    def close(self) -> None:
        """Close the ledger in a worker, which has inherited it."""
        self._ledger.close()
