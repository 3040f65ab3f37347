"""R59: one person out of everything, and a memory that only the key's owner can read."""

from __future__ import annotations

import hashlib
import hmac
import stat
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

import segml.pipelines.erase as erase_module
from segml.cli import main
from segml.config import load_config
from segml.registry.erasure import rewrite_artifacts
from segml.registry.store import ModelStore
from segml.registry.tracking import TrackingAddress
from segml.sources.erased import erased_digest, erased_digest_sql
from segml.tables.partition import file_sha256, read_manifest
from test_cli import CAMPAIGN, CONFIGURATION, Shop, one_order_each, shop

__all__ = ["shop"]
PERSON = "c77-unmistakable"
CONTACTS = """
  customers: {files: people.csv, columns: [customer_id, email]}
  consents: {files: consents.csv, columns: [customer_id, changed_at, channel, purpose, granted]}
  products: {files: products.csv, columns: [product_id, category]}
"""


def names_somebody(file: Path, person: str) -> bool:
    """Tell whether a file has the id, in its bytes or, for Parquet, in any of its values."""
    if file.suffix != ".parquet":
        return person.encode() in file.read_bytes()
    texts = pq.ParquetFile(file).read().to_pandas().select_dtypes(include=["object", "string"])
    return person.encode() in file.read_bytes() or bool(texts.isin([person]).to_numpy().any())


@pytest.fixture
def erased_shop(shop: Shop) -> Path:
    """Write a shop with a customers table, consents and an export; run it twice, and return its configuration."""
    orders = one_order_each().replace({"customer_id": {"c77": PERSON}})
    configuration = CONFIGURATION.replace("horizons:", CONTACTS.strip("\n") + "\nhorizons:")
    config = shop(orders, configuration)
    people = (
        orders[["customer_id"]].drop_duplicates().assign(email=lambda f: f["customer_id"] + "@example.org")
    )
    people.to_csv(config.parent / "people.csv", index=False)
    (config.parent / "products.csv").write_text("product_id,category\np1,garden\n")
    people[["customer_id"]].assign(
        changed_at="2024-01-01 00:00:00", channel="email", purpose="marketing", granted="true"
    ).to_csv(config.parent / "consents.csv", index=False)
    campaign = CAMPAIGN + "holdout: 0.0\nexports: [{platform: klaviyo}]\n"
    (config.parent / "campaigns" / "hello_again.yaml").write_text(campaign)
    assert main(["run", str(config), "--quiet", "--as-of", "2024-12-20"]) == 0
    assert main(["run", str(config), "--quiet"]) == 0
    return config


def test_r59_nothing_but_the_sources_names_the_person_afterwards(
    erased_shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = erased_shop.parent
    outputs = [root / "data", root / "mlruns"]
    before = [f for folder in outputs for f in folder.rglob("*") if f.is_file() and names_somebody(f, PERSON)]
    stages = {file.relative_to(root).parts[1] for file in before}
    assert {"validated", "features", "scores", "tags", "lists"} <= stages
    assert any(file.parent.name == "klaviyo" for file in before)
    capsys.readouterr()
    assert main(["erase", str(erased_shop), PERSON, "--quiet"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "company's own and still name the person: orders.csv" in said
    assert "people.csv" in said
    assert "products.csv" not in said  # no person is in it
    after = [f for folder in outputs for f in folder.rglob("*") if f.is_file() and names_somebody(f, PERSON)]
    assert after == []
    lists = root / "data" / "lists" / "corner" / "hello_again"
    for partition in lists.glob("as_of=*"):
        manifest = read_manifest(partition) or {}
        assert all(file_sha256(partition / name) == digest for name, digest in manifest["files"].items())
    assert len(list(lists.glob("*/klaviyo/*.csv"))) == 2
    config = load_config(erased_shop)
    for file in config.data_path("erased").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_r59_a_later_ingest_leaves_the_person_out_and_says_so(
    erased_shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["erase", str(erased_shop), PERSON, "--quiet"]) == 0
    orders = pd.read_csv(erased_shop.parent / "orders.csv")
    again = orders[orders["customer_id"] == PERSON].assign(order_id="new", ordered_at="2024-12-28 10:00:00")
    pd.concat([orders, again]).to_csv(erased_shop.parent / "orders.csv", index=False)
    capsys.readouterr()
    assert main(["data", str(erased_shop), "--quiet"]) == 0
    assert "erased: 2" in " ".join(capsys.readouterr().out.split())
    validated = load_config(erased_shop).data_path("validated")
    assert not any(names_somebody(file, PERSON) for file in validated.iterdir())
    assert main(["erase", str(erased_shop), PERSON, "--quiet"]) == 0, "finishing an erasure twice is fine"
    assert main(["erase", str(erased_shop), "nobody", "--quiet"]) == 3


def test_r59_a_lost_key_is_an_error_and_not_a_return(
    erased_shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["erase", str(erased_shop), PERSON, "--quiet"]) == 0
    (load_config(erased_shop).data_path("erased") / "key").unlink()
    (erased_shop.parent / "orders.csv").touch()
    with (erased_shop.parent / "orders.csv").open("a") as stream:
        stream.write("o999,c1,2024-12-28 10:00:00,5.0\n")
    capsys.readouterr()
    assert main(["data", str(erased_shop), "--quiet"]) == 3
    assert "restore the key" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("person", ["a", "Ø 1", "o'neil", "x" * 200, ""])
def test_the_memory_is_hmac_sha256_in_python_and_in_sql(person: str) -> None:
    key = bytes(range(32))
    (found,) = duckdb.execute(f"select {erased_digest_sql(key, '?')}", [person]).fetchone() or ("",)
    assert found == erased_digest(key, person) == hmac.new(key, person.encode(), hashlib.sha256).hexdigest()


def _naming(root: Path, *texts: str) -> list[Path]:
    """Return the files under data/ and mlruns/ that hold one of the texts."""
    files = [file for part in ("data", "mlruns") for file in (root / part).rglob("*") if file.is_file()]
    return [file for file in files if any(names_somebody(file, text) for text in texts)]


@pytest.mark.parametrize("step", ["_rewrite", "_refresh_manifests", "_export_again"])
def test_r59_an_interrupted_erasure_is_finished_by_running_it_again(
    step: str, erased_shop: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = {"left": 6 if step != "_export_again" else 0}
    whole = getattr(erase_module, step)

    def interrupted(*given: object) -> object:
        calls["left"] -= 1
        if calls["left"] < 0:
            raise KeyboardInterrupt
        return whole(*given)

    with monkeypatch.context() as patched:
        patched.setattr(erase_module, step, interrupted)
        assert main(["erase", str(erased_shop), PERSON, "--quiet"]) == 130
    assert main(["data", str(erased_shop), "--quiet"]) == 0
    assert "an erasure was interrupted" in " ".join(capsys.readouterr().err.split())
    assert main(["erase", str(erased_shop), PERSON, "--quiet"]) == 0
    assert _naming(erased_shop.parent, PERSON, f"{PERSON}@example.org") == []
    capsys.readouterr()
    assert main(["data", str(erased_shop), "--quiet"]) == 0
    assert "interrupted" not in capsys.readouterr().err


def test_r59_what_a_killed_erasure_left_beside_is_swept(erased_shop: Path) -> None:
    half = (
        erased_shop.parent / "data" / "scores" / "corner" / "as_of=2024-12-20" / ".writing-scores.parquet-77"
    )
    half.write_text(PERSON)
    assert main(["erase", str(erased_shop), PERSON, "--quiet"]) == 0
    assert not half.exists()


def test_contact_data_are_readable_by_their_owner_only(erased_shop: Path) -> None:
    root = erased_shop.parent
    with_contacts = {file.parent for file in _naming(root, f"{PERSON}@example.org")}
    assert {place.name for place in with_contacts} == {"corner", "klaviyo"}
    for place in with_contacts:
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
        assert {stat.S_IMODE(file.stat().st_mode) for file in place.iterdir()} == {0o600}


def test_r59_artifacts_of_a_server_are_fetched_changed_and_stored_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ModelStore(tmp_path / "mlruns")
    with store.training_run("corner", "a training") as run:
        run.log_frame(pd.DataFrame({"customer_id": ["a", "b"]}).set_index("customer_id"), "tables/typical")
        run.log_frame(pd.DataFrame({"size": [3]}), "sizes")
    monkeypatch.setattr(TrackingAddress, "folder", property(lambda self: None))
    changed = rewrite_artifacts(
        store, "corner", (".csv",), lambda file: erase_module._without_in_csv(file, ["a"])
    )
    assert changed == [f"runs:/{run.run_id}/tables/typical.csv"]
    files = {file.name: file.read_text() for file in (tmp_path / "mlruns").rglob("*.csv")}
    assert files == {"typical.csv": "customer_id\nb\n", "sizes.csv": ",size\n0,3\n"}
