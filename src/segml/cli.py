"""The command line: parse, load the configuration, call a pipeline, print what came out.

`segml --help` must stay instant, so pipelines are imported by the command that runs them.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from segml import __version__
from segml.errors import SegmlError
from segml.plain_characters import show_on_any_terminal

if TYPE_CHECKING:
    from segml.pipelines.narration import Narrator

_EPILOG = """\
one base from its files to its lists:
  segml run configs/completejourney.yaml
the same, a step at a time:
  segml data CONFIG     fetch, read, clean and check the tables
  segml check CONFIG    is there enough data for each model?
  segml train CONFIG    features, models, gate, registry
  segml score CONFIG    champions -> scores and tags
  segml lists CONFIG    scores -> campaign lists with holdouts
  segml measure CONFIG  what past lists earned against their holdouts
  segml uplift CONFIG   past lists -> whom the next sending would change most
  segml report CONFIG   one HTML page over the last run (--set language=da: in Danish, sv: in Swedish)
  segml explain CONFIG CUSTOMER  on which lists one person is, and why
  segml erase CONFIG CUSTOMER    one person out of everything segml wrote
  segml backtest CONFIG the return models at several past cutoffs

any setting can be replaced for one call:
  segml run configs/online_retail.yaml --set tables.order_lines.files=/data/retail.parquet

exit codes: 0 done, 1 other, 2 configuration, 3 data, 4 not enough data, 5 model, 6 output, 7 busy, 8 engine,
130 interrupted (Ctrl-C), 143 terminated (SIGTERM)
"""

_COMMANDS = {
    "run": "everything: data, train, score, lists and their files, one person explained, report",
    "data": "fetch, read, clean and check the tables",
    "check": "tell for each model whether there is enough data",
    "train": "features, models, gate, registry",
    "score": "champions -> scores and tags",
    "lists": "scores -> campaign lists with holdouts, and their files for sending tools",
    "measure": "what past lists earned against their holdouts",
    "uplift": "learn from past lists with a holdout whom a contact changes",
    "backtest": "would the models have won at every cutoff of the past?",
    "report": "one HTML page over the last run",
    "explain": "one person: on which lists and why, on which not and why not",
    "erase": "one person out of tables, features, scores, tags, lists and exports, for good",
}
_OF_ONE_CUSTOMER = ("explain", "erase")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; every command takes a configuration and overrides."""
    parser = argparse.ArgumentParser(
        prog="segml",
        description="Customer segments, dormancy, churn and lifetime value, and the campaign lists they are for.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"segml {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            "config", metavar="CONFIG", help="a base's configuration, such as configs/cdnow.yaml"
        )
        if name in _OF_ONE_CUSTOMER:
            command.add_argument("customer", metavar="CUSTOMER", help="an id, as the table customers has it")
        command.add_argument(
            "--set",
            dest="overrides",
            action="append",
            default=[],
            metavar="KEY=VALUE",
            help="replace one setting",
        )
        command.add_argument(
            "--as-of", default="", metavar="DATE", help="score as of this day instead of the last"
        )
        command.add_argument("--quiet", action="store_true", help="print results only, no progress")
    shop = commands.add_parser(
        "shop", help="write a synthetic shop with known truth", description="write a shop"
    )
    shop.add_argument("folder", help="where the tables go, such as data/raw/synthetic")
    shop.add_argument("--customers", type=int, default=5_000, help="how many (default: 5000)")
    shop.add_argument("--seed", type=int, default=0)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    show_on_any_terminal()
    options = build_parser().parse_args(arguments)
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    try:
        if options.command == "shop":
            return _write_shop(options)
        return _run(options)
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt as stop:
        from segml.engine.interrupts import Terminated

        word, code = ("terminated", 143) if isinstance(stop, Terminated) else ("interrupted", 130)
        _complain(f"{word}; what was finished before is kept, nothing half-written remains")
        return code
    except Exception as error:
        from segml.terminal.resources import resource_failure

        shown = resource_failure(error) or (error if isinstance(error, SegmlError) else None)
        if shown is None:
            raise
        _complain(str(shown))
        return shown.exit_code


def _run(options: argparse.Namespace) -> int:
    from rich.console import Console

    from segml import terminal
    from segml.config import load_config
    from segml.engine.interrupts import signals_end_queries
    from segml.pipelines.narration import Silent
    from segml.sources.flat import load_flat_config
    from segml.tables.partition import STAGES, run_lock, sweep

    overrides = list(options.overrides) + ([f"as_of='{options.as_of}'"] if options.as_of else [])
    flat = load_flat_config(options.config, overrides)
    config = flat or load_config(options.config, overrides)
    console = Console(highlight=False)
    narrator: Narrator = Silent() if options.quiet else terminal.RichNarrator(console)
    with signals_end_queries(), run_lock(config.path(config.data_folder, "locks", config.base)):
        for stage in STAGES:
            sweep(config.data_path(stage))
        if flat is not None:
            from segml.pipelines.flat import run_flat

            console.print(terminal.flat_screen(run_flat(options.command, flat, narrator)))
            return 0
        _tell_unfinished(config.data_path("erased"), options.command)
        pipeline = importlib.import_module(f"segml.pipelines.{options.command}")
        subject = (options.customer,) if options.command in _OF_ONE_CUSTOMER else ()
        outcome = getattr(pipeline, options.command)(config, *subject, narrator)
    console.print(getattr(terminal, f"{options.command}_screen")(outcome))
    return int(getattr(outcome, "exit_code", 0))


def _tell_unfinished(memory: Path, command: str) -> None:
    """Say that an erasure was interrupted: files may still name the person, who is left out of every table already."""
    from segml.sources.erased import has_unfinished

    if command != "erase" and has_unfinished(memory):
        _complain("an erasure was interrupted and is not finished; run `segml erase CONFIG CUSTOMER` again")


def _write_shop(options: argparse.Namespace) -> int:
    from rich.console import Console

    from segml.sources.synthetic import SyntheticShop, write_shop

    written = write_shop(
        SyntheticShop(n_customers=options.customers, seed=options.seed), Path(options.folder)
    )
    truth = [name for name in written if name.startswith("truth/")]
    Console(highlight=False).print(
        f"{len(written) - len(truth)} tables of {options.customers:,} customers in {options.folder};"
        f" what is true of them in {Path(options.folder, 'truth')}",
        soft_wrap=True,
    )
    return 0


def _complain(text: str) -> None:
    from rich.console import Console

    Console(stderr=True, highlight=False).print(f"[bold red]segml:[/] {_escaped(text)}", soft_wrap=True)


def _escaped(text: str) -> str:
    from rich.markup import escape

    return escape(text)


if __name__ == "__main__":
    sys.exit(main())
