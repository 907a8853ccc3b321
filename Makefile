# make run     serve www/ at http://localhost:8080/
# make help    print this
# make test    run the tests that need neither root nor a Debian package, side by side: less than three
#              minutes; TESTS=tests/unit/protocol runs some of them, ARGS=--lf those that have failed
# make test-all
#              run all tests, as .ci/run does; those that need something which is not there are skipped
# make test-matrix
#              run the unit tests with each other Python that is installed; MATRIX=tests runs all
# make coverage
#              measure what of httpd/ “make test” runs, in all processes: build/coverage/html/index.html
# make lint    ruff and mypy
# make fuzz    try unexpected inputs: TARGET=parser, SECONDS=60 for each target
# make bench   measure: BENCH=fairness, idle, slow, spread, watched, instructions, pythons or race
# make race    phttpd side by side with nginx, lighttpd, h2o and others, in 15 minutes: the page of this
#              kind of processor in benchmarks/results; ARGS=--quick for a few minutes, ARGS=--help for
#              more; as root it installs what it needs
# make report  lay Siege to phttpd and a sequential server: benchmarks/results/siege-report.pdf;
#              TIME=2s for a quick look, which goes to build/siege-report.pdf
# make dist    pack what is committed, source and report: dist/phttpd-VERSION.tar.gz
# make site    build the documentation as a website into build/site
# make docs    write what the settings declare into etc/phttpd.yaml, its JSON Schema, its manual page and
#              docs/reference/settings.md, and what the races found into README.md and docs/; ARGS=--check
#              compares only
# make deb     build the Debian package into dist/
# make clean   remove what the others made
#
# sudo make install      the command, its units and its man pages, for the whole machine
# sudo make uninstall    remove them; the configuration, the logs and the files that were served stay

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
TESTS ?= tests
BENCH ?= --help
TARGET ?=
SECONDS ?= 60
MATRIX ?= tests/unit
ARGS ?=

# Tests wait more than they compute, so that two for each core keep the machine busy.
JOBS ?= $(shell echo $$((2 * $$(nproc))))
PYTEST := $(BIN)/python -m pytest
PARALLEL = -n $(JOBS) --dist worksteal
QUICK = -m "not (root or debian or network or slow)" --hypothesis-profile=quick

# Time of each of Siege's 18 runs, and where the report goes, without .pdf and .json: by default only that
# of 60s goes to benchmarks/results/siege-report, and a quick look to build/siege-report.
TIME = 60s
REPORT =

VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' httpd/__init__.py)

# For install and uninstall.  SYSTEM_PYTHON is the one that runs phttpd as a service.
PREFIX ?= /usr/local
DESTDIR ?=
SYSTEM_PYTHON ?= /usr/bin/python3
UNITS ?= $(PREFIX)/lib/systemd/system
LIBRARY := $(PREFIX)/share/phttpd
PLACE := sed -e 's|/usr/bin/phttpd|$(PREFIX)/bin/phttpd|g' -e 's|/usr/share/phttpd|$(LIBRARY)|g'

.PHONY: help run test test-all lint fuzz bench race report dist clean site docs deb install install-files uninstall

help:
	@sed -n '/^#/!q;s/^# \{0,1\}//p' Makefile

run: $(VENV)/installed
	@exec $(BIN)/phttpd --config etc/phttpd.yaml --foreground --verbose $(ARGS)

test: $(VENV)/installed-test $(VENV)/installed-report $(VENV)/installed-docs
	$(PYTEST) $(PARALLEL) $(QUICK) $(TESTS) $(ARGS)

# The machines of tests/systemd share one bus and one network, so those tests run one after another.
test-all: $(VENV)/installed-test $(VENV)/installed-fuzz $(VENV)/installed-report $(VENV)/installed-docs
	$(PYTEST) $(PARALLEL) --ignore=tests/systemd tests $(ARGS)
	$(PYTEST) tests/systemd $(ARGS)

.PHONY: test-matrix test-python coverage

# In a virtual environment for each: .venv-3.12, .venv-3.13.
test-matrix: $(VENV)/installed
	@others=$$($(BIN)/python -m tests.support.pythons) || exit; \
	echo "$$others" | while read -r version python; do \
	    test -n "$$version" || { echo "no other Python is installed"; break; }; \
	    echo "Python $$version"; \
	    $(MAKE) --no-print-directory VENV=.venv-$$version PYTHON=$$python TESTS="$(MATRIX)" test-python \
	        < /dev/null || exit 1; done

# What needs no more than the group test.
test-python: $(VENV)/installed-test
	$(PYTEST) $(PARALLEL) $(QUICK) $(TESTS) $(ARGS)

coverage: $(VENV)/installed-test $(VENV)/installed-report $(VENV)/installed-docs
	rm -rf build/coverage && mkdir -p build/coverage
	$(BIN)/coverage run -m pytest $(PARALLEL) $(QUICK) $(TESTS) $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage html --quiet
	$(BIN)/coverage report

lint: $(VENV)/installed-test $(VENV)/installed-lint $(VENV)/installed-bench $(VENV)/installed-report
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

fuzz: $(VENV)/installed-test $(VENV)/installed-fuzz
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(TARGET)

bench: $(VENV)/installed-bench
	$(BIN)/python -m benchmarks $(BENCH) $(ARGS)

# The servers that take part have a virtual environment of their own.
race:
	@sh benchmarks/race/install.sh
	@$(MAKE) --no-print-directory VENV=.venv-race .venv-race/installed-race
	@.venv-race/bin/python -m benchmarks race $(ARGS)

report: $(VENV)/installed-report
	$(BIN)/python -m benchmarks.siege --time $(TIME) $(if $(REPORT),--output $(REPORT)) $(ARGS)

# The same commit gives the same bytes, whatever the umask of the user.
dist:
	@changed=$$(git status --porcelain) || exit 1; test -z "$$changed" || \
	    { echo "$$changed"; echo "only what is committed is packed; commit this first" >&2; exit 1; }
	mkdir -p dist
	git -c tar.umask=0022 archive --format=tar.gz --prefix=phttpd-$(VERSION)/ \
	    --output=dist/phttpd-$(VERSION).tar.gz HEAD

clean:
	rm -rf $(VENV) .venv-* .fuzz build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

site: $(VENV)/installed-docs
	$(BIN)/mkdocs --quiet build --strict $(ARGS)

docs: $(VENV)/installed
	@$(BIN)/python -m tools.docs $(ARGS)

deb:
	etc/debian/build dist

# Nothing of the machine is touched when files go to DESTDIR: that is how packages are made.  Others than
# root must be able to read what is installed, whatever the umask of the user who installs it.
install:
	@umask 022 && $(MAKE) --no-print-directory install-files

install-files:
	@test -n "$(DESTDIR)" || $(SYSTEM_PYTHON) -c 'import daemon, yaml' \
	    || { echo "phttpd needs: apt-get install python3-daemon python3-yaml" >&2; exit 1; }
	find httpd \( -name '*.py' -o -name py.typed \) -exec install -D -m 644 {} $(DESTDIR)$(LIBRARY)/{} \;
	install -D -m 644 etc/welcome/index.html $(DESTDIR)$(LIBRARY)/welcome/index.html
	install -m 644 systemd/socket-activated.conf etc/phttpd.schema.json $(DESTDIR)$(LIBRARY)
	for file in prometheus/phttpd-alerts.yaml grafana/phttpd.json; do \
	    install -D -m 644 etc/$$file $(DESTDIR)$(LIBRARY)/$$file || exit 1; done
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(UNITS) $(DESTDIR)/etc/phttpd $(DESTDIR)/etc/logrotate.d
	install -d $(DESTDIR)$(PREFIX)/lib/sysusers.d $(DESTDIR)$(PREFIX)/lib/tmpfiles.d
	sed -e '1s|.*|#!$(SYSTEM_PYTHON) -I|' -e 's|/usr/share/phttpd|$(LIBRARY)|' \
	    etc/phttpd.py > $(DESTDIR)$(PREFIX)/bin/phttpd
	chmod 755 $(DESTDIR)$(PREFIX)/bin/phttpd
	for unit in phttpd.service phttpd@.service phttpd.socket; do \
	    $(PLACE) systemd/$$unit > $(DESTDIR)$(UNITS)/$$unit || exit 1; done
	install -m 644 systemd/phttpd.sysusers $(DESTDIR)$(PREFIX)/lib/sysusers.d/phttpd.conf
	$(PLACE) systemd/phttpd.tmpfiles > $(DESTDIR)$(PREFIX)/lib/tmpfiles.d/phttpd.conf
	install -m 644 etc/logrotate.d/phttpd $(DESTDIR)/etc/logrotate.d/phttpd
	test -e $(DESTDIR)/etc/phttpd/phttpd.yaml || sed -f etc/installed.sed etc/phttpd.yaml | $(PLACE) \
	    > $(DESTDIR)/etc/phttpd/phttpd.yaml
	for page in phttpd.8 phttpd.yaml.5; do directory=$(DESTDIR)$(PREFIX)/share/man/man$${page##*.}; \
	    install -d $$directory && $(PLACE) docs/man/$$page > $$directory/$$page || exit 1; done
ifeq ($(DESTDIR),)
	$(SYSTEM_PYTHON) -m compileall -q $(LIBRARY)
	systemd-sysusers $(PREFIX)/lib/sysusers.d/phttpd.conf
	systemd-tmpfiles --create $(PREFIX)/lib/tmpfiles.d/phttpd.conf
	! test -d /run/systemd/system || systemctl daemon-reload
endif

uninstall:
ifeq ($(DESTDIR),)
	! test -d /run/systemd/system || systemctl disable --now phttpd.socket phttpd.service
endif
	rm -rf $(DESTDIR)$(LIBRARY)
	rm -f $(addprefix $(DESTDIR)$(UNITS)/,phttpd.service phttpd@.service phttpd.socket) \
	    $(addprefix $(DESTDIR)$(PREFIX)/,bin/phttpd lib/sysusers.d/phttpd.conf lib/tmpfiles.d/phttpd.conf \
	    share/man/man8/phttpd.8 share/man/man5/phttpd.yaml.5) $(DESTDIR)/etc/logrotate.d/phttpd
ifeq ($(DESTDIR),)
	! test -d /run/systemd/system || systemctl daemon-reload
endif

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("phttpd needs Python 3.11 or newer; give one with make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

# pip 25.1 is the first that installs dependency groups.
$(VENV)/upgraded-pip: | $(VENV)/bin/python
	$(PIP) 'pip>=25.1'
	@touch $@

$(VENV)/installed: pyproject.toml | $(VENV)/upgraded-pip
	$(PIP) --editable .
	@touch $@

# One stamp for each dependency group of pyproject.toml.
$(VENV)/installed-%: pyproject.toml | $(VENV)/upgraded-pip
	$(PIP) --editable . --group $*
	@touch $@
