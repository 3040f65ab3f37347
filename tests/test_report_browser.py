"""The page in a real browser: no sideways scrolling, sorting tables, no request, no error, at a desk and on a phone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from report_facts import made_up_facts
from segml.models.segments.languages import Language
from segml.report.page import render_page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), "")
OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-quic"),
    *(
        "--disable-background-networking",
        "--window-size=1400,1000",
        "--virtual-time-budget=5000",
        "--dump-dom",
    ),
)
# The page stands in a frame of the asked width, because a browser's own window can't be as narrow as a phone.
OUTER = """<!DOCTYPE html><meta charset="utf-8">
<iframe style="border:0;width:{width}px;height:900px" src="{page}">
</iframe><p id="probe"></p><script>
addEventListener("message", function (e) {{ document.getElementById("probe").textContent = e.data; }});
</script>"""
LISTEN = """<script>
var wrong = [];
window.addEventListener("error", function (e) { wrong.push(String(e.message || e.target.src)); }, true);
document.addEventListener("securitypolicyviolation", function (e) { wrong.push("asked for " + e.blockedURI); });
console.error = function () { wrong.push(Array.prototype.join.call(arguments, " ")); };
</script>"""
PROBE = """<script>
var table = document.querySelector("#models table.sortable"), head = table.tHead.rows[0].cells[4];
var order = function () { return Array.prototype.map.call(table.tBodies[0].rows, function (row) {
  return row.cells[4].getAttribute("data-value"); }); };
head.querySelector("button").click();
var down = order(), said = head.getAttribute("aria-sort");
head.querySelector("button").click();
document.querySelectorAll("details").forEach(function (one) { one.open = true; });
var told = document.querySelectorAll("main p, main li, td, th, dd, figcaption");
var wide = Array.prototype.filter.call(told, function (e) {
  var box = e.getBoundingClientRect();
  return box.width && !e.closest(".scroll") && box.right > innerWidth + 1; });
parent.postMessage(JSON.stringify({ width: innerWidth, overflow: document.documentElement.scrollWidth - innerWidth,
  down: down, up: order(), said: said, wrong: wrong, asked: performance.getEntriesByType("resource").length,
  outside: Array.prototype.map.call(wide, function (e) { return e.textContent.slice(0, 60); }) }), "*");
</script>"""


def looked_at(language: Language, width: int, folder: Path) -> dict[str, Any]:
    """Return what a browser says of the page at a width; without one that starts, the test is skipped."""
    page = render_page(made_up_facts(language)).replace("<head>", "<head>" + LISTEN, 1)
    (folder / "page.html").write_text(page.replace("</body>", PROBE + "</body>"), encoding="utf-8")
    outer = folder / "outer.html"
    outer.write_text(OUTER.format(width=width, page="page.html"), encoding="utf-8")
    command = [CHROMIUM, *OPTIONS, f"--user-data-dir={folder}/profile", outer.as_uri()]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("chromium does not answer here")
    told = re.findall(r'id="probe">(\{.*?\})</p>', done.stdout)
    if not told:
        pytest.skip("chromium does not start here")
    found: dict[str, Any] = json.loads(
        told[0].replace("&quot;", '"').replace("&amp;", "&").replace("&lt;", "<")
    )
    return found


@pytest.mark.skipif(not CHROMIUM, reason="chromium is not installed")
@pytest.mark.parametrize(("language", "width"), [("en", 1280), ("da", 390)])
def test_the_page_fits_sorts_and_asks_for_nothing(language: Language, width: int, tmp_path: Path) -> None:
    seen = looked_at(language, width, tmp_path)
    assert seen["width"] == width
    assert seen["overflow"] <= 0
    assert seen["outside"] == []
    assert (seen["wrong"], seen["asked"]) == ([], 0)
    assert (seen["said"], seen["down"]) == ("descending", ["0.887", "0.71", "-1"])
    assert seen["up"] == seen["down"][::-1]
