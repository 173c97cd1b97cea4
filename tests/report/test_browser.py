"""The page in a browser: nothing is fetched, nothing runs that a name smuggled in, panels are linked."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from autola_analysis.core.results import write_stored
from autola_analysis.report.directory import report_directory
from autola_analysis.report.record import read_record, write_record
from autola_analysis.study.draw import Layout, draw_report
from autola_analysis.study.run import StudyReport

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = "<img src=x onerror=alert(1)>"
WORSE = "</script><script>alert(2)</script>"
ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
LAPTOP, PHONE = (1280, 800), (390, 844)
SELECTED = "Bokeh.documents[0].get_model_by_name('images').selected.indices"


@dataclass
class Opened:
    """A page, and what it did while it was open."""

    page: "Page"
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def renamed(results: dict[str, Any]) -> dict[str, Any]:
    """Give classes, images and a network names that would do harm if they were not text."""
    classes = (EVIL, WORSE, *(f"class {number}" for number in range(2, 10)))

    def named(table: pd.DataFrame, column: str) -> pd.DataFrame:
        return table.replace({column: {str(number): name for number, name in enumerate(classes)}})

    embedding, evaluation, gates = results["embedding"], results["evaluate"], results["gates"]
    ids = list(embedding.embeddings[0].ids)
    for label, name in enumerate((EVIL, WORSE)):  # an image is called as its class is
        ids[embedding.embeddings[0].labels.tolist().index(label)] = name
    pictures = [replace(each, image=WORSE, label=EVIL) for each in results["saliency"].pictures]
    return {
        **results,
        "evaluate": replace(
            evaluation,
            networks=[
                replace(each, classes=classes, outputs=classes, per_class=named(each.per_class, "class"))
                for each in evaluation.networks
            ],
        ),
        "embedding": replace(
            embedding, embeddings=[replace(each, classes=classes, ids=tuple(ids)) for each in embedding.embeddings]
        ),
        "selectivity": [
            replace(each, classes=classes, units=named(each.units, "preferred_class"))
            for each in results["selectivity"]
        ],
        "saliency": replace(results["saliency"], pictures=pictures),
        "gates": replace(gates, networks=[replace(each, classes=classes) for each in gates.networks]),
    }


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    executable = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    required = os.environ.get("AUTOLA_TEST_BROWSER") == "required"
    if executable is None:
        missing = "there is no chromium on this machine, so that the page is not tried in a browser"
        (pytest.fail if required else pytest.skip)(missing)
    if not required:
        pytest.importorskip("playwright", reason="playwright is not installed (pip install -e '.[dev]')")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(written: StudyReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "out"
    record = read_record(written.out)
    shown = {name: {**asked, "data": WORSE} for name, asked in record["layout"]["analyses"].items()}
    layout = Layout(f"About {EVIL}", WORSE, "neurips", shown)
    record |= {"warnings": [f"{WORSE} is odd"], "layout": asdict(layout)}
    results = renamed(written.results.of)
    with report_directory(out) as directory:
        for folder in ("tables", "arrays"):
            shutil.copytree(written.out / folder, directory / folder)
        for planned in written.plan.analyses:
            write_stored(directory, planned.analysis.format, planned.analysis.store(results[planned.name]))
        draw_report(directory, layout, record)
        write_record(directory, record)
    return out


@pytest.fixture
def open_page(browser: "Browser", report: Path) -> Iterator[Callable[..., Opened]]:
    contexts = []

    def show(size: tuple[int, int] = LAPTOP, **options: bool) -> Opened:
        context = browser.new_context(viewport={"width": size[0], "height": size[1]}, **options)
        contexts.append(context)
        opened = Opened(context.new_page())
        page = opened.page
        page.on("request", lambda request: opened.requests.append(request.url))
        page.on("console", lambda message: opened.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: opened.errors.append(str(error)))
        page.on("dialog", lambda dialog: (opened.errors.append(f"alert {dialog.message}"), dialog.dismiss()))
        page.goto((report / "index.html").as_uri())
        page.wait_for_function(
            "window.Bokeh && Bokeh.documents.length > 0 && document.querySelector('.panel .bk-Figure')"
        )
        return opened

    yield show
    for context in contexts:
        context.close()


def point_at(page: "Page", panel: int, index: int) -> tuple[float, float]:
    """Return where on the screen a point of a panel is drawn."""
    place: Any = page.evaluate(
        """([panel, index]) => {
            const element = document.querySelectorAll(".panel")[panel];
            element.scrollIntoView({block: "center"});
            const view = Object.values(Bokeh.index.roots || Bokeh.index)[panel];
            const data = Bokeh.documents[0].get_model_by_name("images").data;
            const box = view.canvas_view.el.getBoundingClientRect();
            const x = view.frame.x_scale.compute(data["x" + panel][index]);
            const y = view.frame.y_scale.compute(data["y" + panel][index]);
            return [box.left + x, box.top + y];
        }""",
        [panel, index],
    )
    return place[0], place[1]


@pytest.mark.parametrize("size", [LAPTOP, PHONE])
def test_nothing_is_fetched_nothing_fails_and_the_page_is_as_wide_as_the_screen(
    open_page: Callable[..., Opened], size: tuple[int, int]
) -> None:
    opened = open_page(size)
    page = opened.page
    page.wait_for_timeout(300)
    assert [url for url in opened.requests if not url.startswith("data:")] == [page.url]
    assert opened.errors == []
    assert page.evaluate("document.documentElement.scrollWidth") == size[0]
    broken = "Array.from(document.images).filter((each) => each.complete && !each.naturalWidth).length"
    assert page.evaluate(broken) == 0
    assert page.evaluate("Array.from(document.images).every((each) => each.hasAttribute('alt'))")


def test_names_are_text_in_the_page_the_legend_and_the_selection(open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    page = opened.page
    assert page.locator("img[src='x']").count() == 0
    assert page.locator("h1").inner_text() == f"About {EVIL}"
    legend = page.locator(".legend button")
    assert legend.nth(0).inner_text() == EVIL
    assert legend.nth(1).inner_text() == WORSE
    first = page.evaluate("Bokeh.documents[0].get_model_by_name('images').data.label.indexOf(0)")
    page.evaluate(f"{SELECTED} = [{first}]")
    assert page.locator("#selection p").inner_text() == f"1 image selected; by class, {EVIL}: 1"
    assert opened.errors == []


def test_a_point_that_is_tapped_lights_up_in_all_panels_and_shows_its_image(open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    page = opened.page
    page.mouse.click(*point_at(page, 0, 4))
    page.wait_for_function(f"{SELECTED}.length > 0")
    assert 4 in page.evaluate(SELECTED)
    panels = page.locator(".panel").count()
    assert panels == 2  # of the first run of each variant
    sources = page.evaluate(
        "Bokeh.documents[0].roots().map((each) => each.renderers[0].data_source.selected.indices.includes(4))"
    )
    assert sources == [True] * panels
    image = page.locator("#selection img").first
    assert str(image.get_attribute("src")).startswith("data:image/jpeg;base64,")
    assert opened.errors == []


def test_a_box_selects_what_lies_in_it(open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    page = opened.page
    page.evaluate("document.querySelectorAll('.panel')[1].scrollIntoView({block: 'center'})")
    box = page.locator(".panel").nth(1).locator(".bk-Canvas").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 12, box["y"] + 12)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    page.mouse.move(box["x"] + box["width"] - 12, box["y"] + box["height"] - 50, steps=4)
    page.mouse.up()
    page.wait_for_function(f"{SELECTED}.length === 30")
    assert page.locator("#selection p").inner_text().startswith("30 images selected; by class, ")


def test_on_a_touch_screen_a_drag_scrolls_the_page_until_a_tool_is_chosen(open_page: Callable[..., Opened]) -> None:
    boxes = """Bokeh.documents[0].roots().map(
        (each) => each.toolbar.tools.find((tool) => tool.type === "BoxSelectTool").active)"""
    assert open_page().page.evaluate(boxes) == [True] * 2
    page = open_page(PHONE, has_touch=True, is_mobile=True).page
    page.wait_for_timeout(300)
    assert page.evaluate(boxes) == [False] * 2


def test_the_pointer_shows_the_image_and_its_names_as_text(open_page: Callable[..., Opened]) -> None:
    opened = open_page()
    page = opened.page
    index = page.evaluate(f"Bokeh.documents[0].get_model_by_name('images').data.id.indexOf({WORSE!r})")
    page.mouse.move(*point_at(page, 0, index))
    shown = page.locator(".bk-Tooltip strong").first
    shown.wait_for(state="visible")
    assert shown.inner_text() == WORSE  # its class
    assert shown.locator("..").inner_text().count(WORSE) == 2  # and its name
    image = page.locator(".bk-Tooltip img").first
    assert str(image.get_attribute("src")).startswith("data:image/gif")  # it has no thumbnail under this name
    page.mouse.move(*point_at(page, 1, 4))
    page.locator(".bk-Tooltip img[src^='data:image/jpeg']").first.wait_for(state="visible")
    assert opened.errors == []


def test_a_class_fades_in_all_panels_and_comes_back_by_keyboard(open_page: Callable[..., Opened]) -> None:
    page = open_page().page
    alphas = """() => {
        const data = Bokeh.documents[0].get_model_by_name("images").data;
        const of = (wanted) => Array.from(data.alpha).filter((_, index) => (data.label[index] === 0) === wanted);
        return [Math.max(...of(true)), Math.min(...of(false))];
    }"""
    button = page.locator(".legend button").first
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "false"
    faded, others = page.evaluate(alphas)
    assert faded < 0.1 < 0.7 < others
    page.keyboard.press("Enter")
    assert min(page.evaluate(alphas)) > 0.7


def test_the_keyboard_reaches_content_and_scrolling_tables(open_page: Callable[..., Opened]) -> None:
    page = open_page(PHONE).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "content"
    wide = page.evaluate(
        "Array.from(document.querySelectorAll('.scroll'))"
        ".filter((each) => each.scrollWidth > each.clientWidth && each.tabIndex !== 0).length"
    )
    assert wide == 0
    targets = page.evaluate(
        "Array.from(document.querySelectorAll('nav a')).every((each) => document.querySelector(each.hash))"
    )
    assert targets


A4 = (688, 1000)
"""Pixels between the margins of the paper, and about as many down the page."""


def test_on_paper_nothing_is_cut_and_what_is_folded_is_open(open_page: Callable[..., Opened]) -> None:
    page = open_page().page
    folded = "document.querySelectorAll('details:not([open])').length"
    assert page.evaluate(folded) > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.set_viewport_size({"width": A4[0], "height": A4[1]})
    page.emulate_media(media="print")
    page.wait_for_timeout(300)
    assert page.evaluate(folded) == 0
    cut = """() => Array.from(document.querySelectorAll("main *"))
        .filter((each) => each.getBoundingClientRect().right > innerWidth + 1).map((each) => each.outerHTML)"""
    assert page.evaluate(cut) == []
    scrolled = """() => Array.from(document.querySelectorAll(".scroll, .warnings ul, .legend"))
        .filter((each) => getComputedStyle(each).overflowX !== "visible").length"""
    assert page.evaluate(scrolled) == 0
    kept = """() => ["h2", "h3", "summary"].map((name) => getComputedStyle(document.querySelector(name)).breakAfter)
        .concat(["figure", "tr"].map((name) => getComputedStyle(document.querySelector(name)).breakInside))"""
    assert set(page.evaluate(kept)) == {"avoid"}
    page.emulate_media(media="screen")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.evaluate(folded) > 0
