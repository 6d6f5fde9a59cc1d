"""What a reader asks first stands first, of what was measured."""

from experiments.reporting import claims
from experiments.reporting.claims import Claim


def tell(*lines):
    return lambda contents, about: iter(lines if contents else ())


def test_answers_stand_above_the_tables(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "depth.json").write_text('{"notes": []}')
    found = claims.write_up(
        [tmp_path / "a", tmp_path / "b"],
        {
            "depth": [
                Claim(
                    "Is depth worth it",
                    "",
                    [
                        tell("| a table |", "- one", "- two"),
                        tell("three", "", "four", "five"),
                    ],
                    answers="depth",
                ),
                Claim("Is it fun", "", [tell("yes")]),
            ]
        },
    )
    head, _, rest = found.partition("\n## a\n")
    short = head.split("## In short\n\n")[1].split("\n\n")
    asked = [*claims.QUESTIONS.values()]
    # A question and its answers, in turn; of some nothing was measured.
    assert short[::2][: len(asked)] == [f"**{question}**" for question in asked]
    answers = dict(zip(asked, short[1::2], strict=False))
    assert answers["What does depth give?"].splitlines() == [
        *("- a: one", "- a: two", "- a: three", "- a: four"),
        *("- b: one", "- b: two", "- b: three", "- b: four"),
    ]
    assert answers["What does stacking give?"] == "- Not measured yet."
    assert "yes" not in head and "### Is it fun?" in rest
