"""Which variant is compared with all others."""

import pytest
import torch

from autola_analysis.analyses.variants import Variant
from autola_analysis.attention import Genotype
from autola_analysis.backbones import ModelSpec
from autola_analysis.core.errors import OptionError, UnknownNameError
from autola_analysis.study.comparison.candidate import candidate_of, claims_are_about


def variant(name: str, attention: str | None = None, **options: object) -> Variant:
    spec = None if attention is None else ModelSpec("resnet20", attention, 10, {}, options)
    return Variant(torch.nn.Identity(), name, spec=spec)


def test_the_candidate_is_the_named_one_else_hoga_else_the_last() -> None:
    ours, se, rand = variant("ours", "hoga"), variant("SE", "se"), variant("Rand", "hoga-random")
    assert candidate_of([ours, ours, se]) == "ours"
    assert candidate_of([ours, se], "SE") == "SE"
    assert candidate_of([rand, ours, se]) == "ours"
    assert candidate_of([rand, se]) == "Rand"
    assert candidate_of([se, variant("A"), variant("B")]) == "B"
    with pytest.raises(UnknownNameError, match="no variant is named 'hoga' to be the candidate; names: ours, SE"):
        candidate_of([ours, se], "hoga")
    with pytest.raises(OptionError, match="at least two variants; found ours"):
        candidate_of([ours, ours])
    with pytest.raises(OptionError, match="ours, theirs all have HOGA; say with --candidate"):
        candidate_of([ours, se, variant("theirs", "hoga")])


def test_claims_are_about_variants_with_hoga_and_about_the_one_that_the_user_names() -> None:
    se, none = variant("SE", "se"), variant("none", "none")
    assert claims_are_about([se, variant("ours", "hoga")])
    assert claims_are_about([se, variant("Rand", "hoga-random")])
    assert claims_are_about([none, se], "SE")
    assert not claims_are_about([none, se])
    assert not claims_are_about([variant("mine"), variant("theirs")])


def test_a_population_of_wirings_is_no_candidate_beside_the_searched_one() -> None:
    rand = [variant("Rand", "hoga", genotype=Genotype.random(seed).to_pairs()) for seed in range(2)]
    assert candidate_of([variant("ours", "hoga"), *rand]) == "ours"
    assert candidate_of([variant("SE", "se"), *rand]) == "Rand"


def test_a_population_that_searches_found_is_the_candidate_beside_drawn_ones() -> None:
    found = [variant("Found", "hoga", genotype=Genotype.random(seed).to_pairs()) for seed in range(2)]
    drawn = [variant("Rand", "hoga-random", genotype_seed=seed) for seed in range(2)]
    assert candidate_of([*drawn, *found, variant("SE", "se")]) == "Found"
    assert candidate_of([*drawn, *found, variant("ours", "hoga")]) == "ours"
