"""HTTP dates (RFC 9110 §5.6.7): written as IMF-fixdate, read in all three formats.

`time.strftime` and `email.utils` are no help: the one follows the locale, the other accepts too
much.
"""

from __future__ import annotations

import re
import time
from functools import lru_cache

EARLIEST = -62_135_596_800
LATEST = 253_402_300_799
"""The first and the last second of the years 1 to 9999, in seconds since the epoch.

No earlier or later time has an HTTP date.
"""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_LENGTHS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_DAYS_TO_1970 = 719_162
"""From the first day of year 1."""

_DAY = f"(?:{'|'.join(_DAYS)})"
_LONG_DAY = f"(?:{'|'.join(_LONG_DAYS)})"
_MONTH = f"(?P<month>{'|'.join(_MONTHS)})"
_TIME = "(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"

_FORMATS = (
    # IMF-fixdate: Sun, 06 Nov 1994 08:49:37 GMT
    re.compile(f"{_DAY}, (?P<day>[0-9]{{2}}) {_MONTH} (?P<year>[0-9]{{4}}) {_TIME} GMT"),
    # rfc850-date: Sunday, 06-Nov-94 08:49:37 GMT
    re.compile(f"{_LONG_DAY}, (?P<day>[0-9]{{2}})-{_MONTH}-(?P<year>[0-9]{{2}}) {_TIME} GMT"),
    # asctime-date: Sun Nov  6 08:49:37 1994
    re.compile(f"{_DAY} {_MONTH} (?P<day>[0-9 ][0-9]) {_TIME} (?P<year>[0-9]{{4}})"),
)


@lru_cache(1024)
def format_date(seconds: int) -> str:
    """Return the IMF-fixdate of `seconds` since the epoch, from EARLIEST to LATEST.

    Files that were deployed together often have the same date, so the last dates are cached.
    """
    now = time.gmtime(seconds)
    return (
        f"{_DAYS[now.tm_wday]}, {now.tm_mday:02} {_MONTHS[now.tm_mon - 1]} {now.tm_year:04} "
        f"{now.tm_hour:02}:{now.tm_min:02}:{now.tm_sec:02} GMT"
    )


def parse_date(text: str, this_year: int) -> int | None:
    """Return the seconds since the epoch that an HTTP date names, or None when it is not one.

    Args:
        text: a field value.
        this_year: decides the century of a two-digit year, which is never more than fifty years in
            the future (RFC 9110 §5.6.7).
    """
    match = next((match for form in _FORMATS if (match := form.fullmatch(text))), None)
    if not match:
        return None
    year = int(match["year"])
    if len(match["year"]) == 2:
        year += this_year - this_year % 100
        if year > this_year + 50:
            year -= 100
    month = _MONTHS.index(match["month"]) + 1
    day, hour, minute, second = (int(match[part]) for part in ("day", "hour", "minute", "second"))
    if not year or not 1 <= day <= _days_in(year, month) or hour > 23 or minute > 59 or second > 60:
        return None
    return _day_number(year, month, day) * 86400 + hour * 3600 + minute * 60 + second


# The module `calendar` does the same, but with what it imports it takes a fiftieth of the start.


def _is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def _days_in(year: int, month: int) -> int:
    return 29 if month == 2 and _is_leap(year) else _LENGTHS[month - 1]


def _day_number(year: int, month: int, day: int) -> int:
    """Return the days from the epoch to a day."""
    before = year - 1
    leap_days = before // 4 - before // 100 + before // 400 + (month > 2 and _is_leap(year))
    return before * 365 + leap_days + sum(_LENGTHS[: month - 1]) + day - 1 - _DAYS_TO_1970
