"""A file of histories becomes a file of answers, block by block."""

import gzip
import json
import os
import re
import shutil
import threading

import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import Vocabulary
from nextitnet_tf.serving import blocks
from nextitnet_tf.serving import history_files
from nextitnet_tf.serving import in_blocks
from tests import opened_files


@pytest.fixture(scope="module", name="model")
def fixture_model(tmp_path_factory):
    """Of five items, whatever the history: a, b, c, d, e."""
    model = nextitnet_tf.NextItNet(num_items=5, num_blocks=1, embedding_dim=2)
    model.vocabulary = Vocabulary(
        [None, *"abcde"], [0, 5, 4, 3, 2, 1], 0, history_length=3
    )
    kernel, bias = model.item_softmax.get_weights()
    scores = np.array([9, 4, 3, 2, 1, 0], bias.dtype)
    model.item_softmax.set_weights([np.zeros_like(kernel), scores])
    path = tmp_path_factory.mktemp("model") / "model.keras"
    model.save(path)
    return path


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Blocks of three histories, scored two at a time."""
    monkeypatch.setattr(in_blocks, "BLOCK", 3)
    monkeypatch.setattr(in_blocks, "_BATCH", 2)


def answered(model, tmp_path, name, text, target="answers.csv", **options):
    source = tmp_path / name
    source.write_bytes(text if isinstance(text, bytes) else text.encode())
    unknown = in_blocks.recommend_file(
        model, source, tmp_path / target, **{"k": 2, **options}
    )
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == sorted({name, target})
    return (tmp_path / target).read_bytes(), unknown


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("name", ["identity.json", "00000001.{}", "answers.{}"])
def test_a_write_that_fails(model, tmp_path, name, suffix):
    name = name.format(suffix)
    source, target = tmp_path / "h.txt", tmp_path / f"answers.{suffix}"
    source.write_text(LINES)

    def is_meant(path):
        partial = os.path.basename(path)
        return re.sub(r"\.[0-9a-f]{12}\.part", "", partial) == name

    with opened_files.failing(is_meant), pytest.raises(OSError) as raised:
        in_blocks.recommend_file(model, source, target, k=2)
    assert os.path.basename(raised.value.filename) == name
    assert not target.exists()
    in_blocks.recommend_file(model, source, target, k=2)
    assert target.is_file() and not list(tmp_path.glob("*.blocks"))


LINES = "a\nb,a\n\nx,c\nc\r\na,b,c,d\ne"


def test_lines(model, tmp_path):
    found, unknown = answered(model, tmp_path, "h.txt", LINES)
    # The third and fourth: the most popular, and what was known of x, c.
    assert found.decode().splitlines() == [
        *("b,c", "c,d", "a,b", "a,b", "a,b", "e", "a,b")
    ]
    assert unknown == 1
    found, _ = answered(
        model, tmp_path, "h.txt", LINES, k=9, exclude_seen=False
    )
    assert found.decode().splitlines() == ["a,b,c,d,e"] * 7


def test_users_are_carried_through(model, tmp_path):
    found, _ = answered(
        model, tmp_path, "h.txt", '"u,1",a\nu2\nu3,c,b\nu4,e', has_users=True
    )
    assert found.decode().splitlines() == [
        *('"u,1",b,c', "u2,a,b", "u3,a,d", "u4,a,b")
    ]


def test_a_history_of_items_with_names_of_columns(model, tmp_path):
    """Ids with colons are ids; a line of known items is no header."""
    text = "user:7,item:1\nuser:8,a\n"
    found, unknown = answered(model, tmp_path, "h.txt", text, has_users=True)
    assert found.decode().splitlines()[1].startswith("user:8,") and unknown == 1
    known = {"time", "movie", "user"}
    blocks.check_first_line("time,movie,user", "here", known)
    with pytest.raises(ValueError, match="a table"):
        blocks.check_first_line("time,movie,user", "here", known - {"time"})
    blocks.check_first_line("history,[x", "here", {"history", "[x"})
    # Users and unknown items may be called anything.
    for line in ("{3F25-04E0},Alien", "items,Alien", "[REC]", "HIStory,a,7"):
        blocks.check_first_line(line, "here", {"a"})
    blocks.check_first_line("[1]", "here", {"[1]"})


@pytest.mark.parametrize("has_users", [False, True])
@pytest.mark.parametrize(
    ("text", "what"),
    [
        ('{"user": 7, "history": ["a"]}\n', "JSON.*jsonl"),
        ('["a", "b"]\n', "JSON.*jsonl"),
        ("user,history\nu1,a\n", "line 1.*a header"),
        ("History\na\n", "line 1.*a header"),
    ],
)
def test_lines_that_are_no_histories(model, tmp_path, text, what, has_users):
    with pytest.raises(ValueError, match=what):
        answered(model, tmp_path, "h.txt", text, has_users=has_users)
    assert [path.name for path in tmp_path.iterdir()] == ["h.txt"]


@pytest.mark.parametrize("line", [",a,b", " ,a", '"",a', ","])
def test_a_line_without_its_user(model, tmp_path, line):
    """Its first item is not taken for one."""
    text = f"u1,a\n{line}\n"
    with pytest.raises(ValueError, match="line 2, without a user"):
        answered(model, tmp_path, "h.txt", text, has_users=True)


def test_items_that_are_empty_are_none(model, tmp_path):
    found, unknown = answered(
        model, tmp_path, "h.txt", "u1,,a,\nu2,,\n", has_users=True
    )
    assert (found, unknown) == (b"u1,b,c\nu2,a,b\n", 0)


def test_what_a_suffix_promises(model, tmp_path):
    line = '{"user": 7, "history": ["a"]}\n'
    for name in ("h.JSONL", "h.ndjson", "h.json"):
        found, _ = answered(model, tmp_path, name, line, target="o.NDJSON")
        assert json.loads(found)["items"] == ["b", "c"]
        (tmp_path / name).unlink()
        (tmp_path / "o.NDJSON").unlink()
    for names in ({"name": "h.tsv"}, {"name": "h", "target": "o.csv.gz"}):
        (tmp_path / names["name"]).touch()
        with pytest.raises(ValueError, match="Expected a file of .jsonl"):
            answered(model, tmp_path, **{"text": "a\n", **names})


def test_who_has_unknown_items_is_told(model, tmp_path):
    """By their place in the file, those of a block that was done left out."""
    (tmp_path / "h.txt").write_text("a\nx,b,y\nc\nz\n\na\nw\n")
    found = []
    unknown = in_blocks.recommend_file(
        *(model, tmp_path / "h.txt", tmp_path / "o.csv"),
        report=lambda *told: found.append(told),
    )
    assert found == [
        (2, ["x", "y"], False),
        (4, ["z"], True),
        (7, ["w"], True),
    ]
    assert unknown == 4


def test_jsonl_with_scores(model, tmp_path):
    lines = [
        {"user": 7, "history": ["a"]},
        {"user": "x", "history": []},
        {"history": ["b", "a", "c", "d"]},
        {"user": 8, "history": ["d"]},
    ]
    # Blank lines at the end are none.
    text = "\n".join(map(json.dumps, lines)) + "\n\n \n"
    found, _ = answered(model, tmp_path, "h.jsonl", text, "answers.jsonl")
    answers = [json.loads(line) for line in found.decode().splitlines()]
    assert [a["user"] for a in answers] == [7, "x", None, 8]
    assert [a["items"] for a in answers] == [
        *(["b", "c"], ["a", "b"], ["e"], ["a", "b"])
    ]
    # Counts, where nothing was known of a history.
    assert [a["scores"] for a in answers] == [[3, 2], [5, 4], [0], [4, 3]]


def test_parquet(model, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")

    histories = [["a"], [], ["b", "a"], ["d"], ["x"]]
    table = pa.table({"user": [1, 2, 3, 4, 5], "history": histories})
    pa.parquet.write_table(table, tmp_path / "h.parquet")
    unknown = in_blocks.recommend_file(
        model, tmp_path / "h.parquet", tmp_path / "o.parquet", k=2
    )
    found = pa.parquet.read_table(tmp_path / "o.parquet").to_pydict()
    assert found == {
        "user": [1, 2, 3, 4, 5],
        "items": [["b", "c"], ["a", "b"], ["c", "d"], ["a", "b"], ["a", "b"]],
        "scores": [[3, 2], [5, 4], [2, 1], [4, 3], [5, 4]],
    }
    assert unknown == 1
    # From one kind to another.
    found, _ = (
        in_blocks.recommend_file(
            model, tmp_path / "h.parquet", tmp_path / "o.csv", k=1
        ),
        None,
    )
    text = (tmp_path / "o.csv").read_text()
    assert text.splitlines() == ["1,b", "2,a", "3,c", "4,a", "5,a"]


@pytest.mark.parametrize("k", [1, 3])
def test_answers_are_those_of_recommend(model, tmp_path, k):
    histories = ["a", "b,a", "", "c,b,a,e", "d,d", "e,c,a", "b"]
    found, _ = answered(model, tmp_path, "h.txt", "\n".join(histories), k=k)
    expected = nextitnet_tf.load_model(model).recommend(
        [line.split(",") if line else [] for line in histories], k=k
    )
    assert [r.split(",") for r in found.decode().splitlines()] == expected


class Interrupted(Exception):
    pass


def test_it_goes_on_where_it_was(model, tmp_path, monkeypatch):
    source = tmp_path / "h.txt"
    source.write_text(LINES)

    def stop(num_done):
        if num_done == 6:
            raise Interrupted

    target = tmp_path / "answers.csv"
    with pytest.raises(Interrupted):
        in_blocks.recommend_file(model, source, target, k=2, progress=stop)
    assert not target.exists()
    written, done = [], []
    write = history_files.write_block
    monkeypatch.setattr(
        history_files,
        "write_block",
        lambda path, answers: (written.append(path), write(path, answers)),
    )
    in_blocks.recommend_file(model, source, target, k=2, progress=done.append)
    assert len(written) == 1 and done == [3, 6, 7]
    assert target.read_text().split() == [
        *("b,c", "c,d", "a,b", "a,b", "a,b", "e", "a,b")
    ]


def test_a_block_is_written_while_the_next_is_answered(
    model, tmp_path, monkeypatch
):
    (tmp_path / "h.txt").write_text(LINES)
    may_write = threading.Event()
    write, answer = history_files.write_block, in_blocks._Answering.__call__

    def waiting(path, answers):
        assert may_write.wait(60)
        write(path, answers)

    def answering(self, block, first):
        if first:  # the first block is being written
            may_write.set()
        return answer(self, block, first)

    monkeypatch.setattr(history_files, "write_block", waiting)
    monkeypatch.setattr(in_blocks._Answering, "__call__", answering)
    in_blocks.recommend_file(
        model, tmp_path / "h.txt", tmp_path / "answers.csv", k=1
    )
    assert len((tmp_path / "answers.csv").read_text().split()) == 7


@pytest.mark.parametrize("change", ["k", "source", "model"])
def test_another_task_begins_anew(model, tmp_path, change):
    source = tmp_path / "h.txt"
    source.write_text(LINES)

    def stop(num_done):
        raise Interrupted

    asked = {"model": model, "source": source, "k": 2}
    target = tmp_path / "answers.csv"
    with pytest.raises(Interrupted):
        in_blocks.recommend_file(
            asked["model"], source, target, k=2, progress=stop
        )
    if change == "k":
        asked["k"] = 1
    elif change == "source":
        source.write_text("b\n" + LINES)
    else:
        other = nextitnet_tf.load_model(model)
        other.set_weights([w + 1e-3 for w in other.get_weights()])
        asked["model"] = tmp_path / "other.keras"
        other.save(asked["model"])
    done = []
    in_blocks.recommend_file(
        asked["model"], source, target, k=asked["k"], progress=done.append
    )
    first = target.read_text().splitlines()[0]
    expected = {"k": "b", "source": "a,c", "model": "b,c"}[change]
    assert first == expected and done[0] == 3


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("h.txt", 'a\nb\nc\nd\n"a', r"h.txt, line 5: unexpected end"),
        ("h.txt", b"a\n\xe9", r"h.txt, line 2: 'utf-8'"),
        ("h.txt", "", "h.txt, without any"),
        (
            "h.txt",
            gzip.compress(b"a", mtime=0),
            "h.txt, line 1, compressed by gzip",
        ),
        ("h.jsonl", '{"history": []}\n[1]', r"h.jsonl, line 2: '\[1\]'"),
        ("h.jsonl", "{", "h.jsonl, line 1: "),
        ("h.jsonl", '\n{"history": []}', "h.jsonl, line 1, .*blank"),
        ("h.csv", "user,item,ts\n1,2,3", "line 1, 'user,item,ts', a table"),
        ("h.txt", "user;item\n1;2", "line 1, 'user;item', a table"),
        ("h.inter", "user_id:token\titem_id:token\n1\t2", "line 1, .*a table"),
        ("h.jsonl", '{"history": []}\n \n{"history": []}', "line 2, .*blank"),
        ("h.jsonl", '{"history": "ab"}', "line 1: "),
        ("h.jsonl", '{"history": [1.5]}', r"line 1: 1\.5"),
        ("h.jsonl", '{"history": [true]}', "line 1: True"),
        ("h.jsonl", '{"user": [], "history": []}', r"line 1: \[\]"),
    ],
)
def test_what_cannot_be_read(model, tmp_path, name, text, message):
    with pytest.raises(ValueError, match=message):
        answered(model, tmp_path, name, text)
    # What was answered before the line that is wrong is gone on with.
    left = {"answers.csv.blocks"} if "line 5" in message else set()
    assert {path.name for path in tmp_path.iterdir()} == {name} | left


def test_parquet_that_is_none(model, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    with pytest.raises(ValueError, match="Expected a parquet file"):
        answered(model, tmp_path, "h.parquet", b"PAR1")
    pa.parquet.write_table(pa.table({"a": [1]}), tmp_path / "g.parquet")
    with pytest.raises(ValueError, match="a column `history` of lists"):
        in_blocks.recommend_file(
            model, tmp_path / "g.parquet", tmp_path / "o.csv"
        )


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ({"user": [1.0]}, "column `user` of integers or of text.*double"),
        ({"user": [b"u"]}, "column `user` of integers or of text.*binary"),
        ({"user": [[1]]}, "column `user` of integers or of text.*list"),
        ({"history": [[1.5]]}, "column `history` of lists of .*double"),
        ({"history": ["a"]}, "column `history` of lists of .*string"),
        ({"history": [["a", None]]}, "h.parquet, row 1: without one"),
        ({"history": [["a"], ["a"], ["a"], None]}, "h.parquet, row 4: with"),
    ],
)
def test_columns_that_are_no_ids(model, tmp_path, column, message):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = pa.table({"history": [["a"]], **column})
    pa.parquet.write_table(table, tmp_path / "h.parquet")
    with pytest.raises(ValueError, match=message):
        in_blocks.recommend_file(
            model, tmp_path / "h.parquet", tmp_path / "o.jsonl"
        )
    assert not (tmp_path / "o.jsonl").exists()


def test_columns_without_an_id(model, tmp_path):
    """Arrow says of them that they are of no type."""
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    table = pa.table({"user": [None, None], "history": [[], []]})
    pa.parquet.write_table(table, tmp_path / "h.parquet")
    target = tmp_path / "o.jsonl"
    in_blocks.recommend_file(model, tmp_path / "h.parquet", target, k=1)
    answers = [json.loads(line) for line in target.read_text().splitlines()]
    assert [a["items"] for a in answers] == [["a"], ["a"]]


def test_users_by_another_name(model, tmp_path):
    """What is called `user` is the user, whatever comes before."""
    lines = [
        '{"user_id": 7, "history": []}',
        '{"uid": 1, "user": 8, "history": []}',
    ]
    found, _ = answered(model, tmp_path, "h.jsonl", "\n".join(lines), "o.csv")
    assert found.decode().splitlines() == ["7,a,b", "8,a,b"]


def test_users_from_the_second_block_on(model, tmp_path):
    pa = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet")
    lines = ['{"history": []}'] * 4 + ['{"user": "u", "history": []}']
    answered(model, tmp_path, "h.jsonl", "\n".join(lines), "o.parquet", k=1)
    found = pa.parquet.read_table(tmp_path / "o.parquet").to_pydict()
    assert found["user"] == [None, None, None, None, "u"]
    assert list(found)[0] == "user" and found["items"] == [["a"]] * 5


@pytest.mark.parametrize("user", ['"u"', str(2**63)])
def test_users_that_parquet_cannot_hold(model, tmp_path, user):
    """The line is named before anything is answered of its block."""
    pytest.importorskip("pyarrow.parquet")
    lines = ['{"user": 1, "history": []}'] * 3
    lines.append(f'{{"user": {user}, "history": []}}')
    with pytest.raises(ValueError, match=r"line 4: ('u'|9223372036854775808)"):
        answered(model, tmp_path, "h.jsonl", "\n".join(lines), "o.parquet")
    # What was answered before is there, and the message is the same.
    with pytest.raises(ValueError, match="line 4: "):
        answered(model, tmp_path, "h.jsonl", "\n".join(lines), "o.parquet")
    shutil.rmtree(tmp_path / "o.parquet.blocks")
    found, _ = answered(
        model, tmp_path, "h.jsonl", "\n".join(lines), "o.jsonl", k=1
    )
    last = json.loads(found.decode().splitlines()[-1])
    assert last["user"] == json.loads(user)


def test_two_commands_with_one_output(model, tmp_path):
    source, target = tmp_path / "h.txt", tmp_path / "answers.csv"
    source.write_text(LINES)

    def meanwhile(num_done):
        with pytest.raises(OSError, match=f"process {os.getpid()} on"):
            in_blocks.recommend_file(model, source, target, k=5)

    in_blocks.recommend_file(model, source, target, k=2, progress=meanwhile)
    assert target.read_text().split()[0] == "b,c"
    assert sorted(tmp_path.iterdir()) == [target, source]


def test_what_somebody_else_calls_a_part_stays(model, tmp_path):
    (tmp_path / "answers.old.part.csv").write_text("mine")
    (tmp_path / "h.txt").write_text("a\n")
    in_blocks.recommend_file(
        model, tmp_path / "h.txt", tmp_path / "answers.csv"
    )
    assert (tmp_path / "answers.old.part.csv").read_text() == "mine"


def test_the_history_that_has_no_scores_is_named(model, tmp_path):
    """By its place in the file, not in its block."""
    broken = nextitnet_tf.load_model(model)
    weights = broken.item_embedding.get_weights()
    weights[0][4] = np.nan  # of the item d
    broken.item_embedding.set_weights(weights)
    broken.save(tmp_path / "broken.keras")
    (tmp_path / "h.txt").write_text("a\nb\na\nb\nd\n")
    with pytest.raises(FloatingPointError, match=r"histories\[4\]"):
        in_blocks.recommend_file(
            tmp_path / "broken.keras", tmp_path / "h.txt", tmp_path / "o.csv"
        )


def test_answers_do_not_take_the_place_of_questions(model, tmp_path):
    source = tmp_path / "h.txt"
    source.write_text("a\n")
    (tmp_path / "link.txt").symlink_to(source)
    for target in (source, tmp_path / "link.txt", model):
        with pytest.raises(ValueError, match="which would be lost"):
            in_blocks.recommend_file(model, source, target)
    assert source.read_text() == "a\n"


@pytest.mark.parametrize("name", ["mine", "mine.json", "identity.json.bak"])
def test_a_folder_that_is_in_the_way(model, tmp_path, name):
    (tmp_path / "answers.csv.blocks").mkdir()
    (tmp_path / "answers.csv.blocks" / name).write_text("{}")
    with pytest.raises(ValueError, match="holds something else"):
        answered(model, tmp_path, "h.txt", "a")
    assert (tmp_path / "answers.csv.blocks" / name).exists()


def test_a_file_that_is_in_the_way(model, tmp_path):
    (tmp_path / "answers.csv.blocks").write_text("mine")
    with pytest.raises(ValueError, match="holds something else"):
        answered(model, tmp_path, "h.txt", "a")
    assert (tmp_path / "answers.csv.blocks").read_text() == "mine"


def test_what_ended_at_its_very_beginning_is_gone_on_with(model, tmp_path):
    blocks = tmp_path / "answers.csv.blocks"
    blocks.mkdir()
    (blocks / "identity.0123456789ab.part.json").write_text("{")
    answered(model, tmp_path, "h.txt", "a")


def test_ids_with_line_ends(model, tmp_path):
    with pytest.raises(ValueError, match="without line ends"):
        answered(
            model,
            tmp_path,
            "h.jsonl",
            json.dumps({"user": "a\nb", "history": []}),
        )
