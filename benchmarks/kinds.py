"""The kinds of servers that are measured: what each one is configured with and started by.

All serve one directory on one port of 127.0.0.1 from so many workers, without a log unless asked
for one, and answer with comparable fields: type, length, dates, entity tag, twelve hours to keep,
`X-Content-Type-Options`.  Otherwise they are as their makers ship them.  (The Python servers other
than phttpd have the fields that they have.)
"""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.environment import UnavailableError, program
from benchmarks.race.floor import compile_floor

HOST = "127.0.0.1"

FOREVER = "100min"
"""A keep-alive timeout that no benchmark lives to see."""

OPEN_FILES = 12_000
"""Files that a server may keep open beside its connections, where it has such a setting."""

OPEN_FILE_CACHE = f"open_file_cache max={OPEN_FILES}; open_file_cache_valid 1s;"


@dataclass(frozen=True)
class Setup:
    """What to run.

    Args:
        kind: a key of KINDS.
        docroot: the directory to serve; anyone must be allowed to read it.
        workers: processes.
        threads: loops in each worker of phttpd; threads of the Python servers that have some.
        connections: that it must be able to hold.
        core: that it is kept on; None for any.
        prefix: words that the command is to run under.
        log: whether it logs requests to a file in its own directory.
        response: what the floor sends.
        mode: of the floor, and a path for it.
        phttpd: the words that run phttpd; the checkout under this Python by default.
    """

    kind: str
    docroot: Path
    workers: int = 2
    threads: int = 4
    connections: int = 16384
    core: int | None = None
    prefix: Sequence[str] = ()
    log: bool = False
    response: bytes = b""
    mode: Sequence[str] = ()
    phttpd: Sequence[str] = (sys.executable, "-m", "httpd")


@dataclass(frozen=True)
class Kind:
    """One kind of server.

    Args:
        command: writes the configuration into the given directory, and returns the words that run a
            server on the given port.
        loops: how many epoll instances a setup makes, if that tells when all its workers serve.
        is_silent: whether what it writes to its streams is a complaint.
    """

    command: Callable[[Setup, Path, int], list[str]]
    loops: Callable[[Setup], int] = lambda _: 0
    is_silent: bool = False


PHTTPD = """
host: {host}
port: {port}
docroot: {docroot}
workers: {workers}
threads: {threads}
max_connections: {files}
keepalive_timeout: {forever}
pidfile: {directory}/phttpd.pid
log_file: {directory}/phttpd.log
access_log: {log}
daemon: false
"""

# As Debian ships it (sendfile, tcp_nopush), but for the access log, and with enough connections.
NGINX = """
user {user};
worker_processes {workers};
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/error.log crit;
events {{ worker_connections {files}; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    types_hash_max_size 2048;
    access_log {log};
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 6000s;
    keepalive_requests 1000000000;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    expires 12h;
    add_header X-Content-Type-Options nosniff;
    {extra}
    server {{ listen {host}:{port} backlog=4096; root {docroot}; }}
}}
"""

LIGHTTPD = """
server.document-root = "{docroot}"
server.bind = "{host}"
server.port = {port}
server.modules = ( "mod_expire", "mod_setenv"{modules} )
server.max-fds = {open_files}
server.max-connections = {files}
server.max-worker = {worker_option}
server.listen-backlog = 4096
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 6000
server.errorlog = "{directory}/error.log"
mimetype.assign = (
    ".txt" => "text/plain", ".html" => "text/html", "" => "application/octet-stream"
)
expire.url = ( "" => "access plus 12 hours" )
setenv.add-response-header = ( "X-Content-Type-Options" => "nosniff" )
{log}
"""

H2O = """
user: {user}
num-threads: {workers}
max-connections: {files}
http1-request-timeout: 6000
error-log: {directory}/error.log
pid-file: {directory}/h2o.pid
{log}
expires: 12 hours
header.set: "X-Content-Type-Options: nosniff"
listen: {{ host: {host}, port: {port} }}
hosts:
  default:
    paths: {{ "/": {{ file.dir: {docroot} }} }}
"""

APACHE = """
ServerRoot {directory}
DefaultRuntimeDir {directory}
PidFile {directory}/apache.pid
ErrorLog {directory}/error.log
LogLevel crit
ServerName {host}
Listen {host}:{port}
ListenBacklog 4096
{user_option}
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule mime_module {modules}/mod_mime.so
LoadModule expires_module {modules}/mod_expires.so
LoadModule headers_module {modules}/mod_headers.so
TypesConfig /etc/mime.types
DocumentRoot {docroot}
KeepAlive On
KeepAliveTimeout 6000
MaxKeepAliveRequests 0
ServerLimit 4
ThreadsPerChild 64
MaxRequestWorkers 256
AsyncRequestWorkerFactor 64
ExpiresActive On
ExpiresDefault "access plus 12 hours"
Header set X-Content-Type-Options nosniff
{log}
"""

WSGI = """
from whitenoise import WhiteNoise

def missing(environ, start_response):
    start_response("404 Not Found", [("Content-Length", "0")])
    return []

app = WhiteNoise(missing, root={docroot!r}, max_age=43200)
"""

ASGI = """
from starlette.staticfiles import StaticFiles

app = StaticFiles(directory={docroot!r})
"""


def phttpd(setup: Setup, directory: Path, port: int) -> list[str]:
    log = f"{directory}/access.log" if setup.log else "false"
    config = write(directory / "phttpd.yaml", PHTTPD, setup, port, log=log)
    return [*setup.phttpd, "--config", config, "--foreground"]


def nginx(setup: Setup, directory: Path, port: int, extra: str = "") -> list[str]:
    log = f"{directory}/access.log combined buffer=64k flush=1s" if setup.log else "off"
    config = write(directory / "nginx.conf", NGINX, setup, port, extra=extra, log=log)
    errors = str(directory / "error.log")
    return [program("nginx", "nginx-light"), "-p", str(directory), "-e", errors, "-c", config]


def nginx_with_cache(setup: Setup, directory: Path, port: int) -> list[str]:
    return nginx(setup, directory, port, OPEN_FILE_CACHE)


def lighttpd(setup: Setup, directory: Path, port: int) -> list[str]:
    config = write(
        directory / "lighttpd.conf",
        LIGHTTPD,
        setup,
        port,
        # 0 serves from the first process, and any other number from so many more.
        worker_option=0 if setup.workers == 1 else setup.workers,
        modules=', "mod_accesslog"' if setup.log else "",
        log=f'accesslog.filename = "{directory}/access.log"' if setup.log else "",
    )
    return [program("lighttpd", "lighttpd"), "-D", "-f", config]


def h2o(setup: Setup, directory: Path, port: int) -> list[str]:
    log = f"access-log: {directory}/access.log" if setup.log else ""
    config = write(directory / "h2o.yaml", H2O, setup, port, log=log)
    return [program("h2o", "h2o"), "-m", "worker", "-c", config]


def apache(setup: Setup, directory: Path, port: int) -> list[str]:
    log = f"BufferedLogs On\nCustomLog {directory}/access.log combined"
    config = write(
        directory / "apache.conf",
        APACHE,
        setup,
        port,
        modules="/usr/lib/apache2/modules",
        # Apache refuses to serve as root.
        user_option="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
        log=log if setup.log else "",
    )
    return [program("apache2", "apache2-bin"), "-D", "FOREGROUND", "-f", config]


def floor(setup: Setup, directory: Path, port: int) -> list[str]:
    response = directory / "answer"
    response.write_bytes(setup.response)
    mode = ["log", str(directory / "access.log")] if setup.log else setup.mode
    return [str(compile_floor(directory)), str(port), str(response), *mode]


def http_server(setup: Setup, directory: Path, port: int) -> list[str]:
    # It has no option for silence.
    script = 'exec "$@" 2> /dev/null'
    command = [sys.executable, "-m", "http.server", "--protocol", "HTTP/1.1", "--bind", HOST]
    return ["/bin/sh", "-c", script, "sh", *command, "-d", str(setup.docroot), str(port)]


def gunicorn(setup: Setup, directory: Path, port: int) -> list[str]:
    write(directory / "app.py", WSGI, setup, port)
    options = ["--worker-class", "gthread", "--workers", str(setup.workers)]
    options += ["--threads", str(setup.threads), "--worker-connections", str(setup.connections)]
    options += ["--keep-alive", "6000", "--backlog", "4096", "--log-level", "critical"]
    options += ["--chdir", str(directory), "--bind", f"{HOST}:{port}"]
    return [*module("gunicorn", "whitenoise"), *options, "app:app"]


def uvicorn(setup: Setup, directory: Path, port: int) -> list[str]:
    write(directory / "app.py", ASGI, setup, port)
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log"]
    options += ["--log-level", "critical", "--timeout-keep-alive", "6000", "--backlog", "4096"]
    options += ["--app-dir", str(directory), "--host", HOST, "--port", str(port)]
    return [*module("uvicorn", "starlette", "uvloop", "httptools"), *options, "app:app"]


def cheroot(setup: Setup, directory: Path, port: int) -> list[str]:
    write(directory / "app.py", WSGI, setup, port)
    module("cheroot", "whitenoise")
    start = (
        f"import sys; sys.path.insert(0, {str(directory)!r})\n"
        "from app import app; from cheroot.wsgi import Server\n"
        f"Server(({HOST!r}, {port}), app, numthreads={setup.threads}, max={setup.threads},"
        " timeout=6000, request_queue_size=4096).safe_start()"
    )
    return [sys.executable, "-c", start]


def granian(setup: Setup, directory: Path, port: int) -> list[str]:
    write(directory / "app.py", ASGI, setup, port)
    options = ["--interface", "asgi", "--workers", str(setup.workers), "--loop", "uvloop"]
    options += ["--no-ws", "--http", "1", "--no-log", "--backlog", "4096"]
    options += ["--working-dir", str(directory), "--host", HOST, "--port", str(port)]
    return [*module("granian", "starlette", "uvloop"), *options, "app:app"]


KINDS = {
    "phttpd": Kind(phttpd, loops=lambda setup: setup.workers * setup.threads, is_silent=True),
    "nginx": Kind(nginx, loops=lambda setup: setup.workers, is_silent=True),
    "nginx-cache": Kind(nginx_with_cache, loops=lambda setup: setup.workers, is_silent=True),
    "lighttpd": Kind(lighttpd),
    "h2o": Kind(h2o),
    "apache": Kind(apache),
    "floor": Kind(floor, is_silent=True),
    "http.server": Kind(http_server),
    "gunicorn": Kind(gunicorn),
    "uvicorn": Kind(uvicorn),
    "cheroot": Kind(cheroot),
    "granian": Kind(granian),
}


def write(path: Path, template: str, setup: Setup, port: int, **more: object) -> str:
    """Fill in a configuration, write it to a file, and return the file's name."""
    values = {
        "host": HOST,
        "port": port,
        "docroot": str(setup.docroot),
        "directory": path.parent,
        "workers": setup.workers,
        "threads": setup.threads,
        "files": setup.connections + 64,
        "open_files": setup.connections + OPEN_FILES,
        "user": "root" if os.geteuid() == 0 else "nobody",
        "forever": FOREVER,
    }
    path.write_text(template.format(**values, **more))
    return str(path)


def module(name: str, *others: str) -> list[str]:
    """Return the words that run a Python package, or say how to install what it needs."""
    for each in (name, *others):
        if importlib.util.find_spec(each) is None:
            raise UnavailableError(f"{each} is not installed; pip install --group race")
    return [sys.executable, "-m", name]
