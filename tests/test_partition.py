"""A partition is the old one or the new one, never half of one; a base has one writer at a time."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from segml.errors import BusyError, OutputError
from segml.tables.partition import (
    content_sha256,
    file_sha256,
    output_errors,
    read_manifest,
    run_lock,
    sweep,
    write_manifest,
    writing,
)


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A partition that is there already."""
    folder = tmp_path / "features" / "cutoff=2017-01-01"
    folder.mkdir(parents=True)
    (folder / "part.txt").write_text("old", encoding="utf-8")
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): file.read_text(encoding="utf-8")
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


# replacement


def test_r58_a_partition_is_replaced_whole_when_the_block_ends(old: Path) -> None:
    with writing(old) as temporary:
        (temporary / "other.txt").write_text("new", encoding="utf-8")
        assert contents(old) == {"part.txt": "old"}
    assert contents(old.parent) == {"cutoff=2017-01-01/other.txt": "new"}


def test_a_first_partition_makes_its_folders(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b" / "as_of=2017-01-01"
    with writing(place) as temporary:
        (temporary / "x").write_text("1", encoding="utf-8")
        assert not place.exists()
    assert contents(tmp_path / "a") == {"b/as_of=2017-01-01/x": "1"}


@pytest.mark.parametrize("failure", [ValueError("a bug"), KeyboardInterrupt(), SystemExit(3)])
def test_r58_an_error_or_ctrl_c_inside_the_block_leaves_the_old_partition_alone(
    old: Path, failure: BaseException
) -> None:
    def write_half() -> None:
        with writing(old) as temporary:
            (temporary / "part.txt").write_text("half", encoding="utf-8")
            raise failure

    with pytest.raises(type(failure)):
        write_half()
    assert contents(old.parent) == {"cutoff=2017-01-01/part.txt": "old"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_r58_a_full_disk_is_an_output_error_and_loses_nothing(old: Path, code: int) -> None:
    with pytest.raises(OutputError, match="the disk is full") as caught, writing(old):
        raise OSError(code, os.strerror(code))
    assert caught.value.exit_code == 6
    assert "free space" in str(caught.value)
    assert contents(old.parent) == {"cutoff=2017-01-01/part.txt": "old"}


@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_folder_that_refuses_is_an_output_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def refused(self: Path, *args: object, **kwargs: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(OutputError, match=r"scores can't be written"), writing(tmp_path / "scores"):
        pass


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="make the folder writable"), writing(tmp_path / "scores"):
            pass
    finally:
        tmp_path.chmod(0o700)


def test_a_file_in_the_way_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "features").write_text("", encoding="utf-8")
    with pytest.raises(OutputError, match="can't be written"), writing(tmp_path / "features" / "cutoff=1"):
        pass


def test_an_unknown_error_of_the_system_is_shown_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="odd"), output_errors(tmp_path):
        raise OSError(errno.EIO, "odd")


def test_when_the_new_partition_cannot_move_in_the_old_one_moves_back(
    old: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def refuse_new(self: Path, target: Path) -> Path:
        if self.name.startswith(".writing-"):
            raise OSError(errno.ENOSPC, "full")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse_new)
    with pytest.raises(OutputError), writing(old) as temporary:
        (temporary / "part.txt").write_text("new", encoding="utf-8")
    assert contents(old.parent) == {"cutoff=2017-01-01/part.txt": "old"}


# after a kill

KILLED = """
    import os, sys
    from pathlib import Path
    from segml.tables import partition
    folder = Path(sys.argv[1])
    rename = Path.rename
    def dies(self, target):
        if sys.argv[2] == "between" and self.name.startswith(".writing-"):
            os._exit(9)
        return rename(self, target)
    Path.rename = dies
    with partition.writing(folder) as temporary:
        (temporary / "part.txt").write_text("new", encoding="utf-8")
        if sys.argv[2] == "inside":
            os._exit(9)
"""


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("moment", ["inside", "between"])
@pytest.mark.parametrize("name", ["cutoff=2017-01-01", "my-old-shop", "a-1"])
def test_r58_after_a_kill_at_any_moment_the_next_run_finds_the_old_partition(
    tmp_path: Path, name: str, moment: str, beside: bool
) -> None:
    folder = tmp_path / "base" / name
    folder.mkdir(parents=True)
    (folder / "part.txt").write_text("old", encoding="utf-8")
    killed = subprocess.run([sys.executable, "-c", textwrap.dedent(KILLED), str(folder), moment], check=False)
    assert killed.returncode == 9
    assert folder.exists() == (moment == "inside")
    assert len(list(folder.parent.iterdir())) > 1 or moment == "between"
    sweep(folder if beside else tmp_path)
    assert contents(tmp_path) == {f"base/{name}/part.txt": "old"}
    assert [path.name for path in folder.parent.iterdir()] == [name]


def test_sweeping_one_base_leaves_what_another_is_writing_beside_it(tmp_path: Path) -> None:
    for name in ("shop", ".writing-shop-two-12", ".writing-shop-12", ".replaced-other-12"):
        (tmp_path / name).mkdir()
    sweep(tmp_path / "shop")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        ".replaced-other-12",
        ".writing-shop-two-12",
        "shop",
    ]


def test_sweeping_keeps_partitions_and_a_folder_that_is_not_there_is_fine(old: Path) -> None:
    sweep(old.parent)
    sweep(old.parent / "nothing")
    assert contents(old.parent) == {"cutoff=2017-01-01/part.txt": "old"}


# the lock

HOLD = """
    import sys
    from pathlib import Path
    from segml.tables.partition import run_lock
    with run_lock(Path(sys.argv[1])):
        print("held", flush=True)
        sys.stdin.read()
"""


def test_r58_a_second_process_is_refused_at_once_and_a_killed_one_leaves_no_lock(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(HOLD), str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match="another run is writing") as caught, run_lock(tmp_path):
            pass
        assert caught.value.exit_code == 7
        holder.kill()
        holder.wait()
    with run_lock(tmp_path):
        pass


def test_a_lock_is_released_when_the_run_fails(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a bug"), run_lock(tmp_path / "base"):
        raise ValueError("a bug")
    with run_lock(tmp_path / "base"):
        pass


def test_two_bases_do_not_lock_each_other(tmp_path: Path) -> None:
    with run_lock(tmp_path / "a"), run_lock(tmp_path / "b"):
        assert (tmp_path / "a" / ".lock").exists()
        assert (tmp_path / "b" / ".lock").exists()


# manifests and hashes


def test_the_same_facts_are_the_same_manifest_bytes(tmp_path: Path) -> None:
    for name, content in (("a", {"x": 1, "ø": [1, 2]}), ("b", {"ø": [1, 2], "x": 1})):
        (tmp_path / name).mkdir()
        write_manifest(tmp_path / name, content)
    first, second = ((tmp_path / name / "manifest.json").read_bytes() for name in "ab")
    assert first == second
    assert read_manifest(tmp_path / "a") == {"x": 1, "ø": [1, 2]}
    assert read_manifest(tmp_path) is None


def test_hashes_are_of_content(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1: SHA-256 of "abc"
    assert file_sha256(tmp_path / "f") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content_sha256({"a": [1, "ø"], "b": None}) == content_sha256({"b": None, "a": [1, "ø"]})
    assert content_sha256([1, 2]) != content_sha256([2, 1])
