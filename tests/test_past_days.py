"""R98 through the commands: a shop that is trained month by month, and past days that are scored afterwards."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

import segml
from random_shops import CHEAP, RandomShop
from segml.config import Config, load_config
from segml.errors import DataError, ModelError, NotEnoughDataError
from segml.pipelines import train as training
from segml.pipelines.lists import lists
from segml.pipelines.score import score
from segml.pipelines.train import train
from segml.registry.store import ModelStore
from segml.terminal import train_screen

SHOP = RandomShop(3, people=420, days=420, rate=0.04)
MONTHS = ("2024-10-15", "2024-12-01")


def of_day(folder: Path, day: str) -> Config:
    file = folder / "shop.yaml"
    return load_config(file, [*CHEAP, f"as_of='{day}'", "models.gate.champion_tolerance=1"])


def too_few(*arguments: object) -> list[object]:
    raise NotEnoughDataError("segments are left out here")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop's folder after two monthly trainings of what it predicts."""
    folder = tmp_path_factory.mktemp("shop")
    SHOP.write(folder, horizons={"dormancy": 30, "churn": 200, "clv": 200})
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(training, "train_segments", too_few)
        for day in MONTHS:
            assert status_of(train(of_day(folder, day)))["dormancy"] == "promoted"
    return folder


@pytest.fixture(autouse=True)
def without_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(training, "train_segments", too_few)


def status_of(result: training.TrainingResult) -> dict[str, str]:
    return {outcome.task: outcome.status for outcome in result.outcomes}


def champion(folder: Path) -> tuple[int, str]:
    found = ModelStore(folder / "mlruns").champion("shop", "dormancy")
    assert found is not None
    return found.version, found.cutoff


def scored_by(folder: Path, day: str) -> set[str]:
    rows = pd.read_parquet(folder / f"data/scores/shop/as_of={day}/scores.parquet")
    return set(rows["dormancy_model_version"].dropna())


def test_r98_a_past_day_is_scored_by_its_champion_and_a_backfill_moves_none(trained: Path) -> None:
    assert champion(trained) == (2, "2024-12-01")
    score(of_day(trained, "2024-11-10"))
    assert scored_by(trained, "2024-11-10") == {"segml.shop.dormancy/1@2024-10-15"}

    result = train(of_day(trained, "2024-11-05"))
    assert status_of(result)["dormancy"] == "passed"
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(train_screen(result))
    assert "is of a later day and stays" in " ".join(console.export_text().split())
    assert champion(trained) == (2, "2024-12-01")
    score(of_day(trained, "2024-11-10"))
    assert scored_by(trained, "2024-11-10") == {"segml.shop.dormancy/3@2024-11-05"}
    assert segml.load(of_day(trained, "2024-11-10")).champion("dormancy").version == 3

    again = train(of_day(trained, "2024-11-05"))  # nothing to train: the verdict is remembered
    assert (status_of(again)["dormancy"], champion(trained)) == ("passed", (2, "2024-12-01"))
    score(of_day(trained, "2024-12-20"))
    assert scored_by(trained, "2024-12-20") == {"segml.shop.dormancy/2@2024-12-01"}


def test_r98_a_day_before_every_champion_is_refused_with_the_next_step(trained: Path) -> None:
    with pytest.raises(ModelError, match=r"can score 2024-09-01: .*knows all before 2024-10-15") as caught:
        score(of_day(trained, "2024-09-01"))
    assert "segml train CONFIG --as-of 2024-09-01" in caught.value.next_step
    assert len(str(caught.value).splitlines()) < 30
    with pytest.raises(ModelError, match="knows what came before 2024-10-15"):
        segml.load(of_day(trained, "2024-09-01")).champion("dormancy")


def test_r98_lists_of_a_day_are_not_made_of_scores_by_a_later_champion(trained: Path) -> None:
    day = "2024-12-10"
    score(of_day(trained, day))
    place = trained / f"data/scores/shop/as_of={day}/manifest.json"
    manifest = json.loads(place.read_text())
    manifest["models"]["dormancy"]["label"] = "segml.shop.dormancy/9@2024-12-24"
    place.write_text(json.dumps(manifest))
    with pytest.raises(DataError, match=r"made by models of a later day: segml\.shop\.dormancy/9@2024-12-24"):
        lists(of_day(trained, day))


def test_a_champion_whose_files_were_changed_does_not_score_and_is_replaced_aloud(trained: Path) -> None:
    store = ModelStore(trained / "mlruns")
    name = "segml.shop.dormancy"
    folder = Path(store.client.get_model_version_download_uri(name, "2"))
    card = (folder / "artifacts" / "card.md").read_text()
    (folder / "artifacts" / "card.md").write_text("another card")
    with pytest.raises(ModelError, match=rf"{name} version 2 is not what was registered"):
        score(of_day(trained, "2024-12-05"))
    result = train(of_day(trained, "2024-12-15"))
    assert f"{name} version 2 is not what was registered" in result.unreadable["dormancy"]
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(train_screen(result))
    assert "the champion for dormancy was no rival" in " ".join(console.export_text().split())
    assert champion(trained)[1] == "2024-12-15"
    (folder / "artifacts" / "card.md").write_text(card)
