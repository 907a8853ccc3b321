#!/bin/sh
# Installs the Debian packages that the race needs and that are not there, without starting their
# services.  Called by `make race`.
set -eu

missing=""
need() {  # need COMMAND PACKAGE...
    PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null || { shift; missing="$missing $*"; }
}
need apache2 apache2-bin
need gcc gcc libc6-dev
need h2o h2o
need lighttpd lighttpd
need nginx nginx-light
need wrk wrk
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "the race needs Debian packages; as root: apt-get install --no-install-recommends$missing" >&2
    exit 69
fi

# A policy of “no” keeps packages from starting their services (invoke-rc.d(8)); one that is there
# already is the administrator's, and is left alone.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
# shellcheck disable=SC2086 # one word for each package
apt-get install -y -qq --no-install-recommends $missing >/dev/null
