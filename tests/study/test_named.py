"""A page names the paper, the attention modules and the data in a line each."""

import sys
from collections.abc import Iterator

import pytest
from torch import nn

from autola_analysis.attention import RELEASED, Genotype, list_attentions, register_attention
from autola_analysis.attention.registry import ATTENTIONS
from autola_analysis.report.record import read_record
from autola_analysis.study.named import CITED, named_lines
from autola_analysis.study.run import StudyReport


def model(name: str, attention: str | None) -> dict[str, object]:
    return {"model": name, "spec": None if attention is None else {"attention": attention}}


@pytest.fixture
def own() -> Iterator[str]:
    """An attention module of somebody else, registered during a test."""

    @register_attention("own")
    class Own(nn.Identity):
        """Not for the page."""

    yield "own"
    del ATTENTIONS._items["own"]


def test_paper_modules_and_data_have_a_line_with_their_citation() -> None:
    models = [model("plain", "none"), model("small SE", "se"), model("SE", "se"), model("SE", "se"), model("H", "hoga")]
    lines = named_lines({"models": models, "data": {"images": {"name": "cluttered-digits"}}})
    assert list(lines) == ["the paper", "plain", "small SE, SE", "H", "cluttered-digits"]
    assert lines["the paper"].startswith("Ma, Zhang, Xia and Tao, “Auto Learning Attention”, Advances in Neural")
    assert lines["plain"] == "No attention: the identity, without parameters"
    assert "Squeeze-and-excitation: a gate per channel" in lines["small SE, SE"]
    assert "(Hu, Shen and Sun, “Squeeze-and-Excitation Networks”, IEEE" in lines["small SE, SE"]
    assert lines["H"].endswith("over channel groups (of the paper)")
    assert (
        lines["cluttered-digits"] == "Handwritten digits on photographs with the mask of each digit, made on the spot"
    )


def test_an_attention_of_a_library_is_named_without_importing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    lines = named_lines({"models": [model("GC", "timm:gc"), model("E", "eca")]})
    assert lines["GC"] == "the attention gc of timm"
    assert "(Wang, Wu, Zhu, Li, Zuo and Hu, “ECA-Net: " in lines["E"]


def test_a_wiring_that_is_not_the_papers_is_not_called_so() -> None:
    other, own = (model(name, "hoga") for name in ("Other", "Own"))
    other["spec"] = {"attention": "hoga", "attention_options": {"genotype": Genotype.random(1).to_pairs()}}
    own["spec"] = {"attention": "hoga", "attention_options": {"genotype": RELEASED.to_pairs()}}
    lines = named_lines({"models": [model("H", "hoga"), other, own]})
    assert lines["H, Own"].endswith("(of the paper)")
    assert lines["Other"].endswith("(of the paper, in another wiring)")


def test_every_attention_that_a_paper_describes_is_cited() -> None:
    assert set(CITED) == {*list_attentions()} - {"none", "hoga-random", "hoga-search"}
    models = [model(name, name) for name in CITED]
    assert all(named_lines({"models": models})[name].endswith(")") for name in CITED)


def test_what_is_not_known_has_no_line(own: str) -> None:
    lines = named_lines({"models": [model("A", own), model("B", None)], "data": {"images": {"name": "image files"}}})
    assert list(lines) == ["the paper"]


def test_the_page_shows_the_lines(written: StudyReport) -> None:
    page = (written.out / "index.html").read_text()
    for line in named_lines(read_record(written.out)).values():
        assert f"<dd>{line.replace(chr(39), '&#39;')}</dd>" in page
