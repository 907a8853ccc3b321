#!/usr/bin/python3 -I
"""The command ``phttpd`` as it is installed for a whole machine."""

import sys

sys.path.insert(0, "/usr/share/phttpd")

from httpd.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
