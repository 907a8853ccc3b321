"""Which changes below a directory are noticed, and when they are over."""

from __future__ import annotations

import errno
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from httpd.files.inotify import Inotify
from httpd.files.tree_watch import TreeWatch
from tests.support.server import DEADLINE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "index.html").touch()
    (root / "a" / "b" / "deep.css").touch()
    return root


@pytest.fixture
def tree(root: Path) -> Iterator[TreeWatch]:
    tree = TreeWatch(str(root))
    yield tree
    tree.close()


def wait(tree: TreeWatch) -> None:
    """Wait for a change, which must come."""
    waiting = threading.Thread(target=tree.wait, daemon=True)
    waiting.start()
    waiting.join(DEADLINE)
    assert not waiting.is_alive(), "no change was noticed"


def is_quiet(tree: TreeWatch) -> bool:
    """Tell whether nothing of what has happened so far is a change."""
    return not tree._take(0.0)


CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda root: (root / "index.html").write_text("a"),
    "written below": lambda root: (root / "a" / "b" / "deep.css").write_text("a"),
    "made": lambda root: (root / "new.html").touch(),
    "removed": lambda root: (root / "index.html").unlink(),
    "renamed": lambda root: (root / "index.html").rename(root / "other.html"),
    "replaced": lambda root: (root / "a" / "b" / "deep.css").replace(root / "index.html"),
    "linked": lambda root: (root / "link.html").symlink_to("index.html"),
    "directory made": lambda root: (root / "c").mkdir(),
    "directory removed": lambda root: shutil.rmtree(root / "a"),
    "directory renamed": lambda root: (root / "a").rename(root / "c"),
    "shown": lambda root: (root / "index.html").rename(root / "a" / "index.html"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_change_is_noticed_once(
    root: Path, tree: TreeWatch, change: Callable[[Path], object]
) -> None:
    assert is_quiet(tree)
    change(root)
    wait(tree)
    assert is_quiet(tree)


@pytest.mark.parametrize(
    "name", ["new/index.html", "new/deep/er/index.html", "a/new/index.html", "a/b/new/index.html"]
)
def test_file_in_a_new_directory_is_noticed(root: Path, tree: TreeWatch, name: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True)
    wait(tree)
    path.write_text("a")
    wait(tree)


def test_directory_that_was_moved_is_watched_where_it_is(
    root: Path, tree: TreeWatch, tmp_path: Path
) -> None:
    (root / "a").rename(tmp_path / "out")
    wait(tree)
    (tmp_path / "out" / "b" / "deep.css").write_text("a")
    assert is_quiet(tree)
    (tmp_path / "out").rename(root / "back")
    wait(tree)
    (root / "back" / "b" / "new").mkdir()
    wait(tree)
    (root / "back" / "b" / "new" / "a.css").touch()
    wait(tree)


def test_hidden_names_are_left_out(root: Path, tree: TreeWatch) -> None:
    (root / ".git" / "objects").mkdir(parents=True)
    (root / ".git" / "index").touch()
    (root / ".index.html.swp").touch()
    assert is_quiet(tree)


def test_reading_is_no_change(root: Path, tree: TreeWatch) -> None:
    (root / "index.html").read_text()
    assert os.listdir(root / "a")
    assert is_quiet(tree)


def test_symbolic_links_to_directories_are_not_followed(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / "loop").symlink_to(".")
    (root / "out").symlink_to(tmp_path / "outside")
    tree = TreeWatch(str(root))
    (tmp_path / "outside" / "a").touch()
    assert is_quiet(tree)
    (root / "a" / "a.css").touch()
    wait(tree)
    tree.close()


@pytest.mark.parametrize("is_exchanged", [True, False])
def test_directory_that_is_built_again_is_watched_again(
    root: Path, tree: TreeWatch, tmp_path: Path, is_exchanged: bool
) -> None:
    """As builds do that remove the directory first, or put another one in its place."""
    if is_exchanged:
        (tmp_path / "new").mkdir()
        root.rename(tmp_path / "old")
        (tmp_path / "new").rename(root)
    else:
        shutil.rmtree(root)
        root.mkdir()
    wait(tree)
    while not is_quiet(tree):
        pass
    (root / "index.html").touch()
    wait(tree)


def test_directory_that_comes_later_is_waited_for(tmp_path: Path) -> None:
    tree = TreeWatch(str(tmp_path / "later"))
    (tmp_path / "later").mkdir()
    wait(tree)
    (tmp_path / "later" / "a").touch()
    wait(tree)
    tree.close()


def test_lost_events_are_a_change_and_nothing_is_missed_afterwards(
    root: Path, tree: TreeWatch
) -> None:
    with open("/proc/sys/fs/inotify/max_queued_events") as file:
        size = int(file.read())
    for number in range(size // 3 + 1):  # three events each
        (root / str(number)).touch()
        (root / str(number)).unlink()
    (root / "unseen").mkdir()
    wait(tree)
    while not is_quiet(tree):
        pass
    (root / "unseen" / "a").touch()
    wait(tree)


def test_limit_of_watches_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Inotify.watch

    def limited(self: Inotify, directory: bytes) -> int:
        number = watch(self, directory)
        if number > 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return number

    monkeypatch.setattr(Inotify, "watch", limited)
    tree = TreeWatch(str(root))
    assert tree.limit_at == 2
    (root / "index.html").write_text("a")
    wait(tree)
    tree.close()


def test_directory_that_may_not_be_read_is_left_out(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Inotify.watch

    def limited(self: Inotify, directory: bytes) -> int:
        if directory.endswith(b"/a"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return watch(self, directory)

    monkeypatch.setattr(Inotify, "watch", limited)
    tree = TreeWatch(str(root))
    assert tree.limit_at is None
    (root / "index.html").write_text("a")
    wait(tree)
    tree.close()
