"""What control groups leave of a machine, from the texts of a file tree that is none."""

from __future__ import annotations

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from httpd.settings.machine import (
    MIB,
    cache_share,
    count_cores,
    limit_cores,
    limit_memory,
    share_memory,
)

GIB = 1024 * MIB
PHYSICAL = 16 * GIB
NO_LIMIT_V1 = f"{2**63 - 4096}\n"

UNIFIED = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
HYBRID = (
    "23 20 0:20 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "31 23 0:27 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n"
    "32 23 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:10 - cgroup cgroup rw,cpu,cpuacct\n"
    "33 23 0:29 / /sys/fs/cgroup/memory rw shared:11 - cgroup cgroup rw,memory\n"
    "34 23 0:30 / /sys/fs/cgroup/cpuset rw shared:12 - cgroup cgroup rw,cpuset\n"
)


def tree(
    mountinfo: str | None, own: str | None, files: dict[str, str]
) -> tuple[list[float], list[int]]:
    """Return cores of 8 and memory of 16 GiB that are left, as lists so that a test reads well."""
    texts = {path: f"{text}\n" for path, text in files.items()}
    if mountinfo is not None:
        texts["/proc/self/mountinfo"] = mountinfo
    if own is not None:
        texts["/proc/self/cgroup"] = own
    return [limit_cores(8, texts.get)], [limit_memory(PHYSICAL, texts.get)]


def v2(own: str, **files: str) -> tuple[list[float], list[int]]:
    """Return what is left in a group of version 2; ``a__cpu_max`` is the file ``a/cpu.max``."""
    paths = {
        f"/sys/fs/cgroup/{name.replace('__', '/').replace('_', '.')}": text
        for name, text in files.items()
    }
    return tree(UNIFIED, f"0::{own}\n", paths)


ALL = ([8], [PHYSICAL])


@pytest.mark.parametrize(
    ("own", "files", "cores", "memory"),
    [
        ("/", {}, 8, PHYSICAL),
        ("/a/b", {"a__b__cpu_max": "50000 100000"}, 1, PHYSICAL),
        ("/a/b", {"a__b__cpu_max": "150000 100000"}, 2, PHYSICAL),
        ("/a/b", {"a__b__cpu_max": "200000 100000"}, 2, PHYSICAL),
        ("/a/b", {"a__b__cpu_max": "200001 100000"}, 3, PHYSICAL),
        ("/a/b", {"a__b__cpu_max": "9900000 100000"}, 8, PHYSICAL),
        ("/a/b", {"a__b__cpu_max": "1000 1000000"}, 1, PHYSICAL),
        ("/a/b", {"a__b__cpu_max": "max 100000", "a__cpu_max": "300000 100000"}, 3, PHYSICAL),
        ("/a/b", {"a__b__cpu_max": "200000 100000", "a__cpu_max": "max 100000"}, 2, PHYSICAL),
        ("/a/b", {"c__cpu_max": "100000 100000"}, 8, PHYSICAL),
        ("/a/b", {"a__b__memory_max": f"{96 * MIB}"}, 8, 96 * MIB),
        ("/a/b", {"a__b__memory_max": "max", "a__memory_max": f"{GIB}"}, 8, GIB),
        ("/a/b", {"a__b__memory_max": f"{GIB}", "a__memory_max": f"{2 * GIB}"}, 8, GIB),
        ("/a/b", {"a__b__memory_max": f"{GIB}", "a__b__memory_high": f"{GIB // 2}"}, 8, GIB // 2),
        ("/a/b", {"a__b__memory_high": "max"}, 8, PHYSICAL),
        ("/a/b", {"a__b__memory_max": f"{99 * GIB}"}, 8, PHYSICAL),
        # In a container with a namespace of its own, the own group is the root of the mount.
        ("/", {"cpu_max": "100000 100000", "memory_max": f"{GIB}"}, 1, GIB),
        # Moved out of the namespace: what is mounted is all that can be seen.
        ("/../other", {"cpu_max": "100000 100000", "memory_max": f"{GIB}"}, 1, GIB),
    ],
)
def test_version_2_limits_are_those_of_the_group_and_all_above(
    own: str, files: dict[str, str], cores: int, memory: int
) -> None:
    assert v2(own, **files) == ([cores], [memory])


V1_CPU, V1_MEMORY = "/sys/fs/cgroup/cpu,cpuacct", "/sys/fs/cgroup/memory"
V1_OWN = "12:cpuset:/\n4:memory:/x/y\n2:cpu,cpuacct:/x\n1:name=systemd:/s\n0::/s\n"


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        ({}, 8, PHYSICAL),
        (
            {f"{V1_CPU}/x/cpu.cfs_quota_us": "-1", f"{V1_CPU}/x/cpu.cfs_period_us": "100000"},
            8,
            PHYSICAL,
        ),
        (
            {f"{V1_CPU}/x/cpu.cfs_quota_us": "50000", f"{V1_CPU}/x/cpu.cfs_period_us": "100000"},
            1,
            PHYSICAL,
        ),
        (
            {f"{V1_CPU}/cpu.cfs_quota_us": "250000", f"{V1_CPU}/cpu.cfs_period_us": "100000"},
            3,
            PHYSICAL,
        ),
        (
            {
                f"{V1_MEMORY}/memory.limit_in_bytes": NO_LIMIT_V1,
                f"{V1_MEMORY}/x/y/memory.limit_in_bytes": f"{256 * MIB}",
            },
            8,
            256 * MIB,
        ),
        ({f"{V1_MEMORY}/x/memory.limit_in_bytes": f"{GIB}"}, 8, GIB),
        # Groups and controllers of others.
        ({f"{V1_MEMORY}/s/memory.limit_in_bytes": f"{GIB}"}, 8, PHYSICAL),
        ({"/sys/fs/cgroup/cpuset/x/cpu.max": "100000 100000"}, 8, PHYSICAL),
        # Version 2 has the controller although version 1 is mounted as well.
        ({"/sys/fs/cgroup/unified/s/memory.max": f"{GIB}"}, 8, GIB),
    ],
)
def test_version_1_limits_are_those_of_the_group_and_all_above(
    files: dict[str, str], cores: int, memory: int
) -> None:
    assert tree(HYBRID, V1_OWN, files) == ([cores], [memory])


def test_container_without_a_namespace_sees_its_group_as_the_root_of_the_mount() -> None:
    mountinfo = (
        "50 40 0:29 /docker/abc /sys/fs/cgroup/memory ro master:11 - cgroup cgroup rw,memory\n"
        "51 40 0:28 /docker/abc /sys/fs/cgroup/cpu ro master:12 - cgroup cgroup rw,cpu\n"
    )
    files = {
        "/sys/fs/cgroup/memory/memory.limit_in_bytes": f"{GIB}",
        "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "100000",
        "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
    }
    own = "4:memory:/docker/abc\n2:cpu:/docker/abc\n"
    assert tree(mountinfo, own, files) == ([1], [GIB])
    below = {"/sys/fs/cgroup/memory/in/memory.limit_in_bytes": f"{GIB // 2}"} | files
    assert tree(mountinfo, "4:memory:/docker/abc/in\n", below)[1] == [GIB // 2]
    assert tree(mountinfo, "4:memory:/docker/abcd\n", files)[1] == [GIB]


def test_mount_point_with_blanks_and_group_with_a_colon_are_read() -> None:
    mountinfo = r"30 23 0:26 / /control\040groups\134 rw - cgroup2 none rw" + "\n"
    files = {"/control groups\\/a:b/memory.max": f"{GIB}"}
    assert tree(mountinfo, "0::/a:b\n", files)[1] == [GIB]


@pytest.mark.parametrize(
    "mountinfo", [None, "", "\n", " - \n", "1 2 3 - cgroup2\n", "x - cgroup\n"]
)
@pytest.mark.parametrize("own", [None, "", "\n", "0\n", "0:\n", "::\n", "0::\n", "nonsense"])
def test_machine_without_control_groups_has_no_limit(
    mountinfo: str | None, own: str | None
) -> None:
    assert tree(mountinfo, own, {}) == ALL


@given(st.text(max_size=40), st.text(max_size=40))
@example("1\x1f 1", "0\x1f")  # white space of Unicode, which `int` refuses
def test_group_files_of_any_text_leave_a_core(cpu: str, memory: str) -> None:
    cores, (left,) = v2("/a", a__cpu_max=cpu, a__memory_max=memory)
    assert 1 <= cores[0] <= 8
    assert 0 <= left <= PHYSICAL


@pytest.mark.parametrize("cpu", ["", "max", "1 0", "0 100000", "-1 100000", "a b", "1 2 3", "½ 1"])
def test_quota_that_makes_no_sense_is_none_or_one_core(cpu: str) -> None:
    assert v2("/a", a__cpu_max=cpu)[0] == [1 if cpu == "0 100000" else 8]


@pytest.mark.parametrize(
    ("memory", "share"),
    [
        (96 * MIB, 24 * MIB),
        (256 * MIB, 64 * MIB),
        (GIB, 64 * MIB),
        (4 * GIB, 128 * MIB),
        (16 * GIB, 512 * MIB),
        (512 * GIB, GIB),
        (0, 0),
    ],
)
def test_cache_is_a_small_share_of_the_memory(memory: int, share: int) -> None:
    assert cache_share(memory) == share


def test_machine_of_the_tests_has_cores_and_memory() -> None:
    assert 1 <= count_cores() <= len(os.sched_getaffinity(0))
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    assert 0 < share_memory() <= cache_share(physical)
