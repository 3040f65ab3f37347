"""The code that a model comes from: everything that an entry module reaches by importing, read and not run.

No list of modules is kept anywhere: what the trainer imports, at the top of a file or inside a function, decides what
is learnt. A module that is added to a feature group or to a model is seen on the day it is imported.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from segml.errors import ModelError


def reachable_code(
    entries: Iterable[str], root: Path | None = None, leave_out: Iterable[str] = ()
) -> dict[str, str]:
    """Return module -> SHA-256 of its file, for the entries and all they import from their own top package.

    Parameters
    ----------
    entries : iterable of str
        Modules, or packages, which stand for every module below them.
    root : Path, optional
        Folder that holds the top package; by default where Python finds it.
    leave_out : iterable of str
        Packages that are not followed.

    Raises
    ------
    ModelError
        An entry is not there.
    """
    left_out, found = tuple(leave_out), {}
    todo = [module for entry in entries for module in _entry_modules(entry, root)]
    while todo:
        module = todo.pop()
        if module in found or _below(module, left_out):
            continue
        source = _file(module, root).read_bytes()
        found[module] = hashlib.sha256(source).hexdigest()
        todo += _parents(module)
        for name in _imported(ast.parse(source), module, _is_package(module, root)):
            todo += _as_module(name, module.partition(".")[0], root)
    return found


def _entry_modules(entry: str, root: Path | None) -> list[str]:
    if not _file(entry, root).is_file():
        raise ModelError(f"there is no module {entry!r} to read code from", "name a module or a package")
    if not _is_package(entry, root):
        return [entry]
    folder = _file(entry, root).parent
    below = (file.relative_to(folder).with_suffix("").parts for file in sorted(folder.rglob("*.py")))
    return [".".join([entry, *(part for part in parts if part != "__init__")]) for parts in below]


def _as_module(name: str, top: str, root: Path | None) -> list[str]:
    """The module that an imported name is, or lies in; none when it belongs to another top package."""
    if name != top and not name.startswith(f"{top}."):
        return []
    while not _file(name, root).is_file():
        if "." not in name:
            return []
        name = name.rpartition(".")[0]
    return [name]


def _imported(tree: ast.AST, module: str, is_package: bool) -> Iterator[str]:
    """Names a file imports, those inside functions too; what only a type checker reads is passed over."""
    for node in _walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = module.split(".")[: (None if is_package else -1)]
            above = above[: len(above) - (node.level - 1)] if node.level else []
            start = ".".join([*above, *([node.module] if node.module else [])])
            yield start
            yield from (f"{start}.{alias.name}" for alias in node.names)


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        yield child
        yield from _walk(child)


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:end]) for end in range(1, len(parts))]


def _below(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _is_package(module: str, root: Path | None) -> bool:
    return _file(module, root).name == "__init__.py"


def _file(module: str, root: Path | None) -> Path:
    folder = _root_of(module.partition(".")[0]) if root is None else root
    place = folder.joinpath(*module.split("."))
    return place / "__init__.py" if (place / "__init__.py").is_file() else place.with_suffix(".py")


@cache
def _root_of(top: str) -> Path:
    spec = find_spec(top)
    if spec is None or spec.origin is None:
        raise ModelError(f"there is no package {top!r} to read code from", "name a package that is installed")
    return Path(spec.origin).parent.parent
