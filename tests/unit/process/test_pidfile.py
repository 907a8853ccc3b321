"""The pidfile: its lock counts, and no other file is removed or overwritten."""

from __future__ import annotations

import fcntl
import os
import pwd
import re
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from httpd.process import pidfile as pidfile_module
from httpd.process.errors import EX_NOPERM, EX_UNAVAILABLE, StartError
from httpd.process.pidfile import Pidfile, find_supervisor
from tests.unit.guard import must_end, open_descriptors, opened_since
from tests.unit.process.children import child_doing, run_in_child
from tests.unit.site.directories import as_nobody, open_directory

NOBODY = pwd.getpwnam("nobody").pw_uid


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "phttpd.pid"


def hold(path: Path) -> Pidfile:
    pidfile = Pidfile(str(path))
    pidfile.acquire()
    return pidfile


def refusal(path: Path) -> StartError:
    before = open_descriptors()
    with must_end(), pytest.raises(StartError) as error:
        hold(path)
    assert "\n" not in error.value.text
    assert str(path) in error.value.text
    assert opened_since(before) == []
    return error.value


def lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def find_from_outside(path: Path) -> str:
    """Ask in a child, since opening and closing the file in this process drops its lock."""
    return run_in_child(lambda: find_supervisor(str(path)))


@pytest.fixture
def held(path: Path) -> Iterator[Pidfile]:
    pidfile = hold(path)
    yield pidfile
    pidfile.release()


def test_pidfile_has_the_pid_and_is_readable_by_all(path: Path, held: Pidfile) -> None:
    assert path.read_text() == f"{os.getpid()}\n"
    assert stat.S_IMODE(path.stat().st_mode) & 0o444 == 0o444
    assert not stat.S_IMODE(path.stat().st_mode) & 0o022


def test_pidfile_is_readable_whatever_the_umask(path: Path) -> None:
    before = os.umask(0o077)
    try:
        pidfile = hold(path)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    pidfile.release()


def test_pidfile_is_removed_on_release(path: Path) -> None:
    before = open_descriptors()
    pidfile = hold(path)
    pidfile.release()
    assert list(path.parent.iterdir()) == []
    assert opened_since(before) == []
    pidfile.release()  # once more is no error
    Pidfile(str(path)).release()  # nor is never having had it


def test_pidfile_has_its_directory_made(tmp_path: Path) -> None:
    path = tmp_path / "state" / "phttpd" / "phttpd.pid"
    hold(path).release()
    assert path.parent.is_dir()


def test_lock_is_not_inherited_through_exec(held: Pidfile) -> None:
    for fd, name in open_descriptors().items():
        assert "phttpd.pid" not in name or name.endswith("phttpd.pid.lock")
        if name.endswith("phttpd.pid.lock"):
            assert not os.get_inheritable(fd)
            assert stat.S_IMODE(os.fstat(fd).st_mode) == 0o600
            break
    else:
        raise AssertionError("nothing is locked")


# ---------------------------------------------------------------- who holds it


def test_lock_without_a_holder_finds_no_supervisor(path: Path) -> None:
    assert find_supervisor(str(path)) is None
    assert find_supervisor(str(path / "below-a-file-that-is-none")) is None
    path.write_text("1\n")
    assert find_supervisor(str(path)) is None, "a number without a lock names no supervisor"


def test_lock_of_another_process_is_refused(path: Path) -> None:
    with child_doing(lambda: hold(path)) as pid:
        assert find_supervisor(str(path)) == pid
        error = refusal(path)
        assert error.status == EX_UNAVAILABLE
        assert f"already running with pid {pid}" in error.text
        assert path.read_text() == f"{pid}\n"


def test_lock_of_a_killed_process_is_free(path: Path) -> None:
    """It could not clean up; its lock went with it."""
    with child_doing(lambda: hold(path)) as pid:
        pass
    assert path.read_text() == f"{pid}\n"
    assert find_supervisor(str(path)) is None
    pidfile = hold(path)
    assert find_from_outside(path) == str(os.getpid())
    assert path.read_text() == f"{os.getpid()}\n"
    pidfile.release()


def test_lock_that_passes_to_another_process_finds_that_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As at the end of an upgrade: its holder ends just after the lock has said who it is."""
    with child_doing(lambda: None) as ended:
        pass
    holder_of = pidfile_module._lock_holder
    before = iter([ended])
    monkeypatch.setattr(pidfile_module, "_lock_holder", lambda fd: next(before, holder_of(fd)))
    with child_doing(lambda: hold(path)) as pid:
        assert find_supervisor(str(path)) == pid


def test_lock_counts_and_not_the_number(path: Path) -> None:
    with child_doing(lambda: hold(path)) as pid:
        path.write_text("1\n")
        assert find_supervisor(str(path)) == pid


def test_lock_is_not_inherited_by_children(path: Path) -> None:
    pidfile = hold(path)
    with child_doing(lambda: "nothing"):
        assert find_from_outside(path) == str(os.getpid())
        pidfile.release()
        hold(path).release()


def test_child_does_not_remove_the_pidfile_of_its_parent(path: Path, held: Pidfile) -> None:
    assert run_in_child(held.release) == "None"
    assert path.read_text() == f"{os.getpid()}\n"


def test_lock_is_taken_by_one_of_two_at_a_time(path: Path) -> None:
    """Of many that start together exactly one gets it, whatever was there before."""
    for before in (None, "", "999999999\n"):
        if before is not None:
            path.write_text(before)
        go_read, go_write = os.pipe()
        said_read, said_write = os.pipe()
        pids = []
        for _ in range(8):
            pid = os.fork()
            if pid == 0:
                os.close(go_write)
                os.read(go_read, 1)
                try:
                    hold(path)
                    os.write(said_write, b"1")
                except StartError as error:
                    os.write(said_write, b"0" if error.status == EX_UNAVAILABLE else b"?")
                time.sleep(3600)  # until it is killed
                os._exit(0)
            pids.append(pid)
        os.close(go_read)
        os.close(go_write)
        said = b"".join(os.read(said_read, 1) for _ in pids)
        assert sorted(said) == sorted(b"1" + b"0" * 7)
        for pid in pids:
            os.kill(pid, 9)
            os.waitpid(pid, 0)
        os.close(said_read)
        os.close(said_write)
        path.unlink()


def test_lock_is_taken_and_released_in_turns(path: Path) -> None:
    """The file goes away between the opening and the locking of another one."""

    def acquire_often() -> int:
        count = 0
        while count < 100:
            try:
                pidfile = hold(path)
            except StartError:
                continue
            assert path.read_text() == f"{os.getpid()}\n"
            pidfile.release()
            count += 1
        return count

    with must_end(60), child_doing(lambda: None):
        pids = []
        for _ in range(2):
            pid = os.fork()
            if pid == 0:
                try:
                    acquire_often()
                    os._exit(0)
                except BaseException:
                    os._exit(1)
            pids.append(pid)
        assert [os.waitpid(pid, 0)[1] for pid in pids] == [0, 0]
    assert not path.exists()


# ---------------------------------------------------------------- users that may hold it


@pytest.mark.root
def test_lock_cannot_be_opened_by_another_user(path: Path, held: Pidfile) -> None:
    with as_nobody(), pytest.raises(PermissionError):
        os.close(os.open(lock_of(path), os.O_RDONLY))


@pytest.mark.root
def test_lock_of_root_is_reported_to_another_user() -> None:
    with open_directory() as directory:
        path = directory / "phttpd.pid"
        pidfile = hold(path)

        def find() -> None:
            with as_nobody():
                find_supervisor(str(path))

        said = run_in_child(find)
        pidfile.release()
    assert f"the pidfile {path} is that of the user root" in said
    assert str(EX_NOPERM) in said


@pytest.mark.root
def test_lock_held_by_another_user_is_refused(path: Path) -> None:
    """Neither with a lock on the pidfile, nor with one on a lock file that he could open."""
    path.write_text("1\n")

    def lock_as_nobody(file: Path) -> None:
        fd = os.open(file, os.O_RDONLY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        fcntl.lockf(fd, fcntl.LOCK_SH)

    with child_doing(lambda: lock_as_nobody(path)):
        assert find_supervisor(str(path)) is None
        hold(path).release()
    lock_of(path).touch(0o600)
    with child_doing(lambda: lock_as_nobody(lock_of(path))) as pid:
        said = run_in_child(lambda: find_supervisor(str(path)))
        assert f"process {pid} of the user nobody has locked {lock_of(path)}" in said


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o622])
def test_lock_file_that_others_can_open_is_refused(path: Path, mode: int) -> None:
    lock_of(path).touch()
    lock_of(path).chmod(mode)
    assert f"its mode is {mode:04o}" in refusal(path).text
    with pytest.raises(StartError, match="its mode is"):
        find_supervisor(str(path))
    assert lock_of(path).exists()


@pytest.mark.parametrize("kind", ["link", "folder", "fifo"])
def test_lock_file_that_is_no_regular_file_is_refused(
    path: Path, tmp_path: Path, kind: str
) -> None:
    lock = lock_of(path)
    if kind == "link":
        lock.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        lock.mkdir(0o700)
    else:
        os.mkfifo(lock, 0o600)
    assert str(lock) in refusal(path).text
    with must_end(), pytest.raises(StartError, match=re.escape(str(lock))):
        find_supervisor(str(path))
    assert list(tmp_path.iterdir()) == [lock]


def test_lock_descriptor_is_closed_in_children(held: Pidfile) -> None:
    """A worker under another user could lock the file in the place of its supervisor."""

    def inherited() -> list[str]:
        return [name for name in open_descriptors().values() if "phttpd.pid" in name]

    assert inherited() != []
    assert run_in_child(inherited) == "[]"


# ---------------------------------------------------------------- what is in it


@pytest.mark.parametrize(
    "content",
    ["", "999999999\n", "4194304", f"{2**31 - 1}\n", f" {2**22 + 1} \n"],
    ids=repr,
)
def test_pidfile_that_is_stale_is_replaced(path: Path, content: str) -> None:
    path.write_text(content)
    pidfile = hold(path)
    assert path.read_text() == f"{os.getpid()}\n"
    pidfile.release()
    assert not path.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"hello\n",
        b"127.0.0.1 localhost\n",
        b"12 34\n",
        b"12x\n",
        b"-5\n",
        b"0x10\n",
        b"\xff\xfe",
        b"\0" * 10,
        b"1234\nmore\n",
        b"9" * 100,
        "١٢٣".encode(),
    ],
    ids=lambda content: repr(content[:12]),
)
def test_pidfile_with_other_content_is_left_alone(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    error = refusal(path)
    assert error.status == EX_UNAVAILABLE
    assert "is no pidfile" in error.text
    assert path.read_bytes() == content


@pytest.mark.parametrize("seconds", [10, -(10**8)], ids=["younger file", "older file"])
def test_pidfile_with_the_pid_of_another_program_is_replaced(path: Path, seconds: int) -> None:
    """The number may be another program's since; without the lock it means nothing."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as cat:
        path.write_text(f"{cat.pid}\n")
        at = time.time() + seconds
        os.utime(path, (at, at))
        hold(path).release()
        assert cat.poll() is None


def test_pidfile_of_a_zombie_is_replaced(path: Path) -> None:
    """A zombie, as in a container whose first process does not reap."""
    with subprocess.Popen(["true"]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        path.write_text(f"{ended.pid}\n")
        later = time.time() + 10
        os.utime(path, (later, later))
        hold(path).release()


def test_pidfile_with_our_own_pid_is_replaced(path: Path) -> None:
    """In a container every start has the same pid."""
    path.write_text(f"{os.getpid()}\n")
    hold(path).release()


# ---------------------------------------------------------------- what it is


def test_pidfile_that_is_a_link_is_not_followed(path: Path, tmp_path: Path) -> None:
    """A file of another user must not be overwritten through the link."""
    target = tmp_path / "precious"
    target.write_text("")
    path.symlink_to(target)
    refusal(path)
    assert target.read_text() == ""
    assert path.is_symlink()


@pytest.mark.parametrize("kind", ["folder", "fifo", "below-a-file", "below-nothing-writable"])
def test_pidfile_that_is_no_regular_file_is_refused(path: Path, kind: str) -> None:
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "below-a-file":
        path.write_text("")
        path = path / "phttpd.pid"
    else:
        path = Path("/proc/phttpd.pid")
    refusal(path)


def test_pidfile_that_is_a_fifo_is_not_waited_for(path: Path) -> None:
    os.mkfifo(path)
    with must_end():
        try:
            assert find_supervisor(str(path)) is None
        except StartError:
            pass


def test_pidfile_in_an_unwritable_directory_is_refused() -> None:
    with open_directory() as directory, as_nobody():
        error = refusal(directory / "phttpd.pid")
        assert error.status == EX_NOPERM


# ---------------------------------------------------------------- removing it


def test_pidfile_that_was_replaced_is_not_removed(path: Path) -> None:
    pidfile = hold(path)
    path.unlink()
    path.write_text("12345\n")
    pidfile.release()
    assert path.read_text() == "12345\n"


def test_pidfile_that_was_rewritten_is_not_removed(path: Path) -> None:
    pidfile = hold(path)
    path.write_text("12345\n")
    pidfile.release()
    assert path.read_text() == "12345\n"


def test_pidfile_that_is_gone_is_no_error(path: Path) -> None:
    pidfile = hold(path)
    path.unlink()
    pidfile.release()


# ---------------------------------------------------------------- the hand-over


def test_prepared_pidfile_replaces_another(path: Path, held: Pidfile) -> None:
    successor = Pidfile(str(path))
    successor.prepare()
    before = path.stat().st_ino
    successor.replace()
    assert path.stat().st_ino != before
    assert find_from_outside(path) == str(os.getpid())
    assert path.read_text() == f"{os.getpid()}\n"
    held.release()  # which is no longer the file of that name
    assert path.exists()
    successor.release()
    assert list(path.parent.iterdir()) == []


def test_prepared_pidfile_that_is_not_used_is_removed(path: Path, held: Pidfile) -> None:
    successor = Pidfile(str(path))
    successor.prepare()
    assert len(list(path.parent.iterdir())) == 4
    successor.release()
    assert sorted(path.parent.iterdir()) == [path, lock_of(path)]
    assert find_from_outside(path) == str(os.getpid())


def test_prepared_files_of_a_killed_process_are_replaced(path: Path, held: Pidfile) -> None:
    """The number of a process comes again, after a boot or in a container soon."""
    for left in (path, lock_of(path)):
        left.with_name(f"{left.name}.{os.getpid()}").write_text("")
    successor = Pidfile(str(path))
    successor.prepare()
    successor.replace()
    assert find_from_outside(path) == str(os.getpid())
    successor.release()
    assert list(path.parent.iterdir()) == []


def test_prepared_pidfile_that_cannot_be_written_is_refused(path: Path, held: Pidfile) -> None:
    path.with_name(f"{path.name}.{os.getpid()}").mkdir()
    with pytest.raises(StartError, match="Is a directory"):
        Pidfile(str(path)).prepare()
    assert find_from_outside(path) == str(os.getpid())


def test_pidfile_that_an_ended_process_has_replaced_is_restored(path: Path, held: Pidfile) -> None:
    def replace() -> None:
        successor = Pidfile(str(path))
        successor.prepare()
        successor.replace()

    assert run_in_child(replace) == "None"
    assert find_from_outside(path) == "None"
    held.restore()
    assert find_from_outside(path) == str(os.getpid())
    assert path.read_text() == f"{os.getpid()}\n"


def test_pidfile_that_is_in_place_is_not_restored(path: Path, held: Pidfile) -> None:
    before = path.stat()
    held.restore()
    assert os.path.samestat(before, path.stat())
    assert find_from_outside(path) == str(os.getpid())
