"""The settings of the log."""

from __future__ import annotations

from dataclasses import dataclass

from httpd.observe.access_formats import FORMATS
from httpd.settings.declaration import Option, key
from httpd.settings.kinds import FLAG, one_of
from httpd.settings.log_target import LOG_TARGET
from httpd.settings.system_kinds import PATH


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """The settings of the log."""

    log_file: str | None = key(
        PATH,
        None,
        "Where a daemon logs; in the foreground, the log goes to the terminal.",
        details="The default is `/var/log/phttpd.log` for root and"
        " `~/.local/state/phttpd/phttpd.log` for other users. Root follows a symbolic link on the"
        " way there only if root owns the link, or only root may write in its directory. In the"
        " foreground, and so under systemd, the key has no effect; `--log-file` has.",
        option=Option("where a daemon logs; in the foreground: instead of here", "FILE"),
    )
    verbose: bool = key(
        FLAG,
        False,
        "Log every request, and why each connection was closed. Otherwise only errors are logged.",
        option=Option("log every request, and more"),
    )
    access_log: str | None = key(
        LOG_TARGET,
        False,
        "Where to log every request, and nothing else: a file; `journal`; `stdout`, in the"
        " foreground only; or `false` for nowhere.",
        details="It does not depend on `verbose`, which logs requests beside the messages. Where"
        " both lead to the same file, a request has one line there. SIGUSR1 reopens the file. A"
        " site of `sites` may have an access log of its own.",
    )
    access_log_format: str = key(
        one_of(*FORMATS),
        "combined",
        "What the line of a request looks like: `combined`, for the Combined Log Format, `json`, or"
        " `short`, for a person who watches.",
        details="With `short`, the log does not say why each connection was closed, and on a"
        " terminal the status is coloured, unless the environment variable `NO_COLOR` is set, or"
        " `TERM` is `dumb`.",
    )
