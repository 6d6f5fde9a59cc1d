"""`python -m experiments.recommend`: as many answers as lines."""

import csv
import pathlib

import pytest

import nextitnet_tf
from nextitnet_tf import Vocabulary
from nextitnet_tf import histories
from tests import in_process

ROOT = pathlib.Path(__file__).parents[2]
# What `str.splitlines` takes for line ends, quotes, commas, outer spaces.
TITLES = [
    "A\u2029B",
    "Part\x85Two",
    "\x0cForm",
    "\x1cA\x1e",
    "\u2028",
    'the "best", of',
    " spaces ",
    '5" disk',
    "plain",
]


def run(*arguments):
    return in_process.run("recommend", *arguments)


def save_model(path, raw_ids):
    model = nextitnet_tf.MostPop(num_items=len(raw_ids))
    counts = [0, *range(len(raw_ids), 0, -1)]
    model.counts.assign(counts)
    model.vocabulary = Vocabulary([None, *raw_ids], counts, 0, 3)
    model.save(path)
    return path


@pytest.fixture(name="model", scope="module")
def fixture_model(tmp_path_factory):
    return save_model(tmp_path_factory.mktemp("m") / "model.keras", TITLES)


def read_back(text):
    """Rows of what was printed, one a line."""
    assert text.endswith("\n")
    return [next(csv.reader([t]), []) for t in text[:-1].split("\n")]


def test_what_is_printed_can_be_read_again(tmp_path, model):
    path = tmp_path / "histories.txt"
    path.write_bytes("plain,A\u2029B\r\n\r\nPart\x85Two, plain".encode())
    status, said, _ = run(f"--model={model}", f"--input={path}")
    assert status == 0
    first, second, third = read_back(said)
    assert first == TITLES[1:-1]
    assert second == TITLES
    assert third == [TITLES[0], *TITLES[2:-1]]
    # Each title is known again: nothing is left but what was not in a line.
    path.write_bytes(said.encode())
    status, said, warned = run(f"--model={model}", f"--input={path}")
    assert status == 0 and "unknown" not in warned
    assert read_back(said) == [
        [TITLES[0], TITLES[-1]],
        [],
        [TITLES[1], TITLES[-1]],
    ]


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ('plain\n"plain,1\n', "line 2: unexpected end of data"),
        ('plain\n\n"a" b,plain\n', "line 3: "),
        ("plain,a\rb\n", "line 1: new-line"),
        (b"plain\n\xe9\n", "line 2: 'utf-8'"),
        ("", "an empty file"),
    ],
)
def test_lines_that_cannot_be_read(tmp_path, content, match):
    path = tmp_path / "h.txt"
    if isinstance(content, str):
        content = content.encode()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"Received: .*h.txt, {match}"):
        for place, line in histories.read_lines(str(path)).items():
            histories.parse(line, place, ())


@pytest.mark.parametrize(
    ("line", "items"),
    [
        ("1193, 661 ,914", ["1193", "661", "914"]),
        ('"c,d",,5" disk', ["c,d", '5" disk']),
        (' a ,"say ""b"""', [" a ", 'say "b"']),
        ("", []),
        (" , ", []),
        ("\u2028\t", []),
    ],
)
def test_items_of_a_line(line, items):
    assert histories.parse(line, "here", {" a "}) == items


def test_lines(tmp_path):
    path = tmp_path / "h.txt"
    path.write_bytes("\ufeffa\r\n\n\x0b\u2029b\x0c".encode())
    assert histories.read_lines(str(path)) == {
        f"{path}, line 1": "a",
        f"{path}, line 2": "",
        f"{path}, line 3": "\x0b\u2029b\x0c",
    }
    path.write_bytes(b"\n")
    assert histories.read_lines(str(path)) == {f"{path}, line 1": ""}


def test_an_error_is_one_line(tmp_path, model):
    status, said, warned = run(f"--model={model}", '--history=plain,"x')
    assert (status, said) == (1, "")
    (line,) = warned.splitlines()
    assert "--history: unexpected end of data" in line
    broken = tmp_path / "model.keras"
    broken.write_bytes(model.read_bytes()[:1000])
    status, said, warned = run(f"--model={broken}", "--history=plain")
    assert (status, said) == (1, "")
    (line,) = warned.splitlines()
    assert f"{broken}', which was cut short" in line


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_a_file_that_is_no_lines_needs_an_output(tmp_path, model, suffix):
    path = tmp_path / f"ask.{suffix}"
    path.write_text('{"user": 7, "history": ["plain"]}\n')
    status, said, warned = run(f"--model={model}", f"--input={path}")
    assert (status, said) == (1, "") and "expected --output=FILE" in warned


def test_which_blocks_ran(tmp_path, model):
    backbone = nextitnet_tf.NextItNet(2, num_blocks=3, embedding_dim=4)
    skipping = nextitnet_tf.SkipRec(backbone)
    policy = skipping.skip_policy
    # Whatever is read, the first block and the last run.
    policy.kernel.assign(0 * policy.kernel)
    policy.bias.assign([1, 0, 0, 1, 1, 0])
    skipping.vocabulary = Vocabulary([None, "a", "b"], [0, 2, 1], 0, 3)
    skipping.save(tmp_path / "skip.keras")
    (tmp_path / "h.txt").write_text("a\nnothing\n")
    status, said, _ = run(
        f"--model={tmp_path / 'skip.keras'}",
        f"--input={tmp_path / 'h.txt'}",
        "--explain",
    )
    assert (status, said) == (0, "101,b\n000,a,b\n")
    status, said, warned = run(f"--model={model}", "--history=x", "--explain")
    assert (status, said) == (1, "") and "explain=True" in warned


def test_from_a_file_to_a_file(tmp_path, model):
    (tmp_path / "h.csv").write_text("u1,plain\nu2\nu3,nothing\n")
    asked = (f"--model={model}", f"--input={tmp_path / 'h.csv'}", "--users")
    target = tmp_path / "answers.csv"
    status, said, warned = run(*asked, f"--output={target}", "--k=2")
    assert (status, said) == (0, f"3 answers in {target}\n")
    assert "unknown item ids skipped: 1" in warned
    assert read_back(target.read_bytes().decode()) == [
        [user, *TITLES[:2]] for user in ("u1", "u2", "u3")
    ]
    for given, word in (
        (asked, "--users needs --output"),
        (
            (asked[0], "--input=h.jsonl", "--output=o.csv", "--users"),
            "--users is for lines of text",
        ),
        ((*asked[:2], "--explain", "--output=o"), "no --explain"),
        ((asked[0], "--history=a", "--output=o"), "no --input"),
        ((*asked[:1], "--input=nowhere", f"--output={target}x"), "nowhere"),
    ):
        status, said, warned = run(*given)
        assert (status, said) == (1, "") and word in warned
        assert warned.count("error: ") == 1


@pytest.mark.parametrize("end", ["\n", "\r"])
def test_an_id_of_two_lines_is_not_printed(tmp_path, end):
    path = save_model(tmp_path / "model.keras", [f"two{end}lines", "plain"])
    status, said, warned = run(f"--model={path}", "--history=plain")
    assert (status, said) == (1, "")
    assert "without line ends" in warned and repr(f"two{end}lines") in warned
