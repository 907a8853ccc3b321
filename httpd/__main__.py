"""The command ``phttpd``, also ``python -m httpd``.

Checks the interpreter before anything else is imported: the rest of the package does not even parse
on an old one.  The syntax of this file is therefore the oldest that will do.
"""

import gc
import signal
import sys


def main():  # type: () -> int
    """Run the command and return its exit status."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this is the check for it
        sys.stderr.write("Error: need Python 3.11 or newer to run phttpd\n")
        return 1
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C prints no traceback, not even now
    gc.disable()  # what is imported is no garbage, and looking for some takes a tenth of the start
    from httpd.cli import run  # noqa: PLC0415

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
