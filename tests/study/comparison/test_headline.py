"""One sentence for the verdicts on all claims."""

import pandas as pd

from autola_analysis.analyses.registry import analysis_of, registrations
from autola_analysis.study.comparison.headline import headline

CLAIMS = [claim for name in registrations() for claim in analysis_of(name).claims]
OF_CLASSIFIERS = {claim.direction: claim.name for claim in CLAIMS if claim.task == "classification"}
LESS, ALIKE, MORE = (OF_CLASSIFIERS[direction] for direction in (-1, 0, 1))
EXTENDED = next(claim.name for claim in CLAIMS if claim.extended)


def claims(model: str = "HOGA", scope: str = "modules", **verdicts: str) -> pd.DataFrame:
    names = {"less": LESS, "alike": ALIKE, "more": MORE, "extended": EXTENDED}
    return pd.DataFrame(
        {"claim": names[claim], "model": model, "against": other, "runs": "3 v 3", "scope": scope, "verdict": verdict}
        for claim, verdict in verdicts.items()
        for other in ("none", "SE")
    )


def test_a_claim_of_likeness_holds_where_it_is_equivalent_and_another_does_not() -> None:
    assert headline(claims(less="equivalent", alike="equivalent", more="undecided")) == (
        "HOGA against none, SE (3 v 3 runs, modules as trained here): 1 of 3 claims of Ma et al. 2020 holds, "
        "1 without a difference that matters, 1 undecided."
    )


def test_every_outcome_is_counted_once_per_claim() -> None:
    assert headline(claims(less="supported", more="supported", alike="contradicted")) == (
        "HOGA against none, SE (3 v 3 runs, modules as trained here): 2 of 3 claims of Ma et al. 2020 hold, "
        "1 contradicted."
    )
    assert "none of 1 claims of Ma et al. 2020 holds, 1 contradicted." in headline(claims(less="contradicted"))


def test_claims_that_the_paper_does_not_make_are_counted_apart() -> None:
    assert headline(claims(more="supported", extended="contradicted")).endswith(
        ": 1 of 1 claims of Ma et al. 2020 holds; none of 1 claims that we extend to detectors holds, 1 contradicted."
    )
    assert headline(claims(extended="supported")).endswith("): 1 of 1 claims that we extend to detectors holds.")


def test_a_difference_of_few_runs_speaks_of_their_checkpoints_alone() -> None:
    alone = claims(scope="checkpoints", less="supported")
    assert "(3 v 3 runs, these checkpoints alone): 1 of 1 claims" in headline(alone)
    assert "(3 v 3 runs, these checkpoints alone): " in headline(pd.concat([alone, claims(more="supported")]))


def test_every_candidate_has_a_sentence_and_without_claims_there_is_none() -> None:
    both = pd.concat([claims(less="supported"), claims("other", less="undecided")])
    assert headline(both).count(": ") == 2
    assert headline(both.iloc[:0]) == ""
