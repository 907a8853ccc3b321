"""What is served of any tree of directories and links is what its real paths say.

The expected outcome comes from `os.path.realpath`: a file is served if no name in the path of the
request is hidden, and its real path is inside the docroot or a directory that the operator has
named, without a hidden name below that.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from httpd.files.docroot import Docroot, FoundDirectory
from httpd.files.file_cache import CachedFile, FileCache
from httpd.files.hidden import HiddenNames
from httpd.files.lookup import FileLookup
from httpd.files.openat2 import pin_by_openat2, pin_stepwise
from httpd.files.valid_roots import ValidRoots
from httpd.protocol.messages import HTTPError
from httpd.protocol.target import decode_path
from httpd.site.listing.order import Order
from tests.unit.files.docroot.trees import forbid_the_direct_way, look_up
from tests.unit.guard import open_descriptors, opened_since
from tests.unit.site.directories import open_directory, write
from tests.unit.site.listing.pages import finish, list_path, read

PLACES = ["site", "one", "two", "outside"]
NAMES = ["a", "b.js", "b.js.gz", "d", ".h", ".index", "..data", ".well-known"]
DEPTH = 3
Served = bool | tuple[str, ...]

names = st.sampled_from(NAMES)
paths = st.builds(
    lambda place, below: "/".join([place, *below]),
    st.sampled_from(PLACES),
    st.lists(names, max_size=DEPTH),
)
links = st.tuples(
    st.builds(lambda place, below: "/".join([place, *below]), st.sampled_from(PLACES[:3]),
              st.lists(names, min_size=1, max_size=2)),
    paths,
    st.sampled_from(["absolute", "relative", "relative", "winding"]),
)  # fmt: skip
targets = st.lists(
    st.sampled_from(["one", "two", "one/d", "one/.h", "site/d", "to-one", "outside/a", "missing"]),
    max_size=3,
)
served_names = st.one_of(
    st.just(False),
    st.just(True),
    st.sampled_from([(".h",), (".index", "..data"), (".h", ".index")]),
)


def build(root: Path, files: Sequence[str], made_links: Sequence[tuple[str, str, str]]) -> None:
    """Make the tree; what is there already stays."""
    for place in PLACES:
        (root / place).mkdir()
    (root / "to-one").symlink_to("one")
    for file in files:
        path = root / file
        if not any(parent.is_file() for parent in path.parents) and not path.exists():
            write(path, file)
    for link, target, kind in made_links:
        path = root / link
        if path.exists() or path.is_symlink() or not is_straight(path.parent, root):
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        relative = os.path.relpath(root / target, path.parent)
        winding = f"{os.path.relpath(root, path.parent)}/outside/../{target}"
        path.symlink_to({"absolute": f"{root}/{target}", "winding": winding}.get(kind, relative))


def is_straight(directory: Path, root: Path) -> bool:
    """Tell whether a path has neither files nor links on it, so that a directory can be made."""
    around = [directory, *directory.parents]
    return not any(one.is_symlink() or one.is_file() for one in around if one.is_relative_to(root))


class Oracle(NamedTuple):
    """Knows by real paths what is served.

    Args:
        root: the directory around all places.
        bases: the real paths of the docroot and of the directories that are named.
        served: the setting `serve_hidden`.
    """

    root: Path
    bases: list[str]
    served: Served

    def is_hidden(self, path: str, *, is_target: bool) -> bool:
        """Tell whether a relative path has a hidden name."""
        served = self.served
        return any(
            name.startswith(".")
            and served is not True
            and (served is False or name not in served)
            and not (name == ".well-known" and depth == 0)
            and not (is_target and name.startswith(".."))
            for depth, name in enumerate(path.split("/"))
        )

    def content(self, path: str) -> str | int | None:
        """Return what a request for a path without a slash at its end gets, see `look_up`."""
        if self.is_hidden(path, is_target=False):
            return 404
        try:
            real = os.path.realpath(self.root / "site" / path, strict=True)
        except OSError:
            return 404
        below = [real[len(base) + 1 :] for base in self.bases if f"{real}/".startswith(f"{base}/")]
        if all(self.is_hidden(rest, is_target=True) for rest in below):
            return 404
        if os.path.isdir(real):
            return None
        return Path(real).read_text()


def requests(site: Path) -> Iterator[str]:
    """Yield paths below the docroot that lead to something, also through links."""
    left = [""]
    while left:
        path = left.pop()
        for name in os.listdir(site / path):
            child = f"{path}/{name}" if path else name
            yield child
            if os.path.isdir(site / child) and child.count("/") < DEPTH:
                left.append(child)


def listed(docroot: Docroot, path: str) -> set[str]:
    steps = list_path(docroot, path.encode(), Order(), as_json=True)
    return {entry["name"] for entry in json.loads(read(finish(steps)))}


def check(oracle: Oracle, docroot: Docroot) -> None:
    """Compare each way to look at a path with what is expected."""
    site = oracle.root / "site"
    lookup = FileLookup(docroot, FileCache(1 << 20), precompressed=True)
    found = {path: oracle.content(path) for path in requests(site)}
    for path, expected in found.items():
        assert look_up(docroot, f"/{path}") == expected, path
        name = os.fsencode(site / path)
        if isinstance(expected, str):
            # Where the directory around is outside, the file is found anew each second instead.
            if oracle.content(os.path.dirname(path)) is None:
                assert docroot.revalidate(name)[0] is not None, path
            for _ in range(2):  # the second time from the cache
                cached = lookup.find(f"/{path}".encode())
                assert isinstance(cached, CachedFile)
                assert cached.original.content == expected.encode()
                form = found.get(f"{path}.gz") if path.endswith(".js") else None
                codings = ["gzip"] if isinstance(form, str) else []
                assert list(cached.coded) == codings, path
        elif expected is None:
            entries = {
                name
                for name in os.listdir(site / path)
                if not isinstance(oracle.content(f"{path}/{name}"), int)
            }
            assert listed(docroot, f"/{path}/") == entries, path
        elif not oracle.is_hidden(path, is_target=False):
            assert docroot.revalidate(name)[0] is None, path
            assert docroot.stat(name) is None, path
            with pytest.raises(HTTPError):
                docroot.open_directory(FoundDirectory(decode_path(f"/{path}/".encode())))


@given(
    files=st.lists(paths, min_size=3, max_size=12),
    made_links=st.lists(links, min_size=1, max_size=8),
    named=targets,
    served=served_names,
)
@settings(deadline=None)
def test_file_is_served_if_its_real_path_is_inside(
    files: list[str],
    made_links: list[tuple[str, str, str]],
    named: list[str],
    served: Served,
) -> None:
    with open_directory() as root:
        build(root, files, made_links)
        directories = [str(root / name) for name in named]
        reals = [os.path.realpath(path) for path in directories if os.path.isdir(path)]
        oracle = Oracle(root, [str(root / "site"), *reals], served)
        before = open_descriptors()
        for pin in None, pin_by_openat2, pin_stepwise:
            with pytest.MonkeyPatch.context() as patch:
                if pin is not None:
                    patch.setattr("httpd.files.resolver.pin", pin)
                    forbid_the_direct_way(patch)
                roots = ValidRoots()
                docroot = Docroot(
                    str(root / "site"),
                    (),
                    roots,
                    hidden=HiddenNames(served),
                    link_targets=roots.link_targets(directories),
                )
                check(oracle, docroot)
                docroot.release()
                roots.release()
        assert opened_since(before) == []
