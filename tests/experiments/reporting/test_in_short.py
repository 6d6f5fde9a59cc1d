"""What the quickstart's table shows, in a sentence."""

import pytest

from experiments.reporting import in_short


def record(role, mrr, method=None, speedup=None, depth=8, model="nextitnet"):
    return {
        "model": "StackA-Next-8" if method else "NextItNet-8",
        "role": role,
        "method": method,
        "num_blocks": depth,
        "recommender": model,
        "mrr_at_5": mrr,
        "speedup": speedup,
        "best_validation": mrr,
    }


OTHERS = [
    # Of what is counted, the one that validates best.
    record("baseline", 0.01, depth=None, model="most_pop"),
    {**record("baseline", 0.02, model="markov"), "model": "Markov"},
    record("baseline", 0.09, model="gru4rec"),
    record("scratch", 0.9, depth=4),
    record("stacked", 0.9, "adjacent", 99.0, depth=4),
    record("stacked", 0.9, "cross", 99.0),
    {"model": "Bayes-optimal ceiling", "mrr_at_5": 0.5},
]


@pytest.mark.parametrize(
    ("mrr", "speedup", "expected"),
    [
        (
            0.3,
            5.0,
            "gets as good on validation as the model from scratch ever gets "
            "5.0 times sooner (steps times the time of a step, measured in the "
            "same run); on the test sessions it ends at MRR@5 0.3000, 0.0500 "
            "better than the 0.2500 from scratch",
        ),
        (
            0.2,
            0.5,
            "gets as good on validation as the model from scratch ever gets "
            "2.0 times later (steps times the time of a step, measured in the "
            "same run); on the test sessions it ends at MRR@5 0.2000, 0.0500 "
            "worse than the 0.2500 from scratch",
        ),
        (
            0.2,
            None,
            "never gets as good on validation as the model from scratch; on "
            "the test sessions it ends at MRR@5 0.2000, 0.0500 worse than the "
            "0.2500 from scratch",
        ),
    ],
)
def test_the_deepest_models_are_compared(mrr, speedup, expected):
    records = [
        *OTHERS,
        record("scratch", 0.25),
        record("stacked", mrr, "adjacent", speedup),
    ]
    assert in_short.of_growth(records) == (
        f"In short: StackA-Next-8 {expected}, the best of counting (Markov) "
        "has 0.0200, the best possible is 0.5000; one seed is an anecdote."
    )


def test_over_seeds():
    records = [
        *(record("scratch", mrr) for mrr in (0.2, 0.3, 0.4)),
        *(
            record("stacked", 0.4, "adjacent", speedup)
            for speedup in (2.0, None, 4.0)
        ),
    ]
    text = in_short.of_growth(records)
    assert "3.0 times sooner in 2 of 3 seeds" in text
    assert text.endswith("0.1000 better than the 0.3000 from scratch.")


def test_before_all_is_done():
    assert "nothing is stacked" in in_short.of_growth(OTHERS[:2])
    one = [record("stacked", 0.4, "adjacent", 2.0)]
    assert "nothing of 8 blocks" in in_short.of_growth(one)
