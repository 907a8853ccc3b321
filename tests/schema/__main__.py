"""Writes etc/phttpd.schema.json; see `make schema`."""

from tests.schema.generate import SCHEMA, generate

SCHEMA.write_text(generate(), "utf-8")
