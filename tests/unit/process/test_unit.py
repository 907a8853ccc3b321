"""The unit that serves a config file, and its settings, by the files of systemd."""

from __future__ import annotations

from pathlib import Path

import pytest

from httpd.process.unit import find_unit

CONFIG = "/etc/phttpd/phttpd.yaml"
UNIT = """\
# a comment = x
[Unit]
User=nobody
[Service]
ExecStart=/usr/bin/phttpd --foreground \\
    --config /etc/phttpd/phttpd.yaml
; User=root
User = phttpd
ReadWritePaths=/a /b
ReadWritePaths=/c
LimitNOFILE=1024
[Install]
User=daemon
"""


def put(root: Path, path: str, text: str) -> Path:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    return file


def test_unit_has_the_settings_of_its_section_service(tmp_path: Path) -> None:
    file = put(tmp_path, "lib/systemd/system/phttpd.service", UNIT)
    unit = find_unit(CONFIG, str(tmp_path))
    assert unit
    assert (unit.name, unit.file) == ("phttpd.service", str(file))
    assert (unit.value("User"), unit.value("Group")) == ("phttpd", "")
    assert unit.words("ReadWritePaths") == ["/a", "/b", "/c"]
    assert unit.command[:2] == ["/usr/bin/phttpd", "--foreground"]
    assert unit.config_file == CONFIG


def test_unit_of_the_administrator_comes_first_and_drop_ins_add_to_it(tmp_path: Path) -> None:
    put(tmp_path, "lib/systemd/system/phttpd.service", "[Service]\nUser=a\nGroup=a\n")
    put(tmp_path, "etc/systemd/system/phttpd.service", "[Service]\nUser=b\n")
    put(tmp_path, "lib/systemd/system/phttpd.service.d/2.conf", "[Service]\nUser=c\nNice=1\n")
    put(tmp_path, "etc/systemd/system/phttpd.service.d/2.conf", "[Service]\nUser=d\n")
    put(tmp_path, "lib/systemd/system/phttpd.service.d/1.conf", "[Service]\nUser=e\nUMask=7\n")
    put(tmp_path, "etc/systemd/system/phttpd.service.d/3.txt", "[Service]\nUser=f\n")
    unit = find_unit(CONFIG, str(tmp_path))
    assert unit
    assert unit.settings == {"User": ["b", "e", "d"], "UMask": ["7"]}


def test_unit_whose_drop_in_sets_another_command_has_that_alone(tmp_path: Path) -> None:
    put(tmp_path, "lib/systemd/system/phttpd.service", UNIT)
    drop_in = "[Service]\nExecStart=\nExecStart=-/opt/phttpd --config=/etc/other.yaml\n"
    put(tmp_path, "etc/systemd/system/phttpd.service.d/a.conf", drop_in)
    for config in (CONFIG, "/etc/other.yaml"):
        unit = find_unit(config, str(tmp_path))
        assert unit
        assert unit.command == ["/opt/phttpd", "--config=/etc/other.yaml"]
        assert unit.config_file == "/etc/other.yaml"


def test_unit_of_an_instance_has_its_name_in_the_command(tmp_path: Path) -> None:
    text = "[Service]\nExecStart=/usr/bin/phttpd --config /etc/phttpd/%i.yaml\n"
    put(tmp_path, "lib/systemd/system/phttpd@.service", text)
    put(tmp_path, "etc/systemd/system/phttpd@.service.d/a.conf", "[Service]\nUser=all\n")
    put(tmp_path, "etc/systemd/system/phttpd@lab.service.d/b.conf", "[Service]\nUser=%i\n")
    unit = find_unit("/etc/phttpd/lab.yaml", str(tmp_path))
    assert unit
    assert unit.name == "phttpd@lab.service"
    assert unit.config_file == "/etc/phttpd/lab.yaml"
    assert unit.value("User") == "lab"


@pytest.mark.parametrize("config", ["/srv/a.yaml", "/etc/phttpd/lab.yaml", "/etc/phttpd/a.yml"])
def test_unit_of_another_config_file_is_none(tmp_path: Path, config: str) -> None:
    put(tmp_path, "lib/systemd/system/phttpd.service", UNIT)
    assert find_unit(config, str(tmp_path)) is None


def test_unit_that_is_masked_or_not_there_is_none(tmp_path: Path) -> None:
    assert find_unit(CONFIG, str(tmp_path)) is None
    put(tmp_path, "lib/systemd/system/phttpd.service", UNIT)
    mask = tmp_path / "etc/systemd/system/phttpd.service"
    mask.parent.mkdir(parents=True)
    mask.symlink_to("/dev/null")
    assert find_unit(CONFIG, str(tmp_path)) is None


@pytest.mark.parametrize("command", ["", "'", "phttpd --config", "phttpd -c", "phttpd"])
def test_unit_with_a_strange_command_names_no_config_file(tmp_path: Path, command: str) -> None:
    put(tmp_path, "lib/systemd/system/phttpd.service", f"[Service]\nA=1\nExecStart={command}\n")
    unit = find_unit(CONFIG, str(tmp_path))
    assert unit
    assert not unit.config_file
