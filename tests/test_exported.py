"""Models that answer in processes without this package: by hand."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import nextitnet_tf
from nextitnet_tf import Vocabulary
from nextitnet_tf.models import MODELS
from nextitnet_tf.models import exported
from tests import checks
from tests.test_recommending import make_any
from tests.test_recommending import markov_model

NAMES = ["a", "b", "line\nend", "", "é"]
# Run apart: whatever imports us, or what is not asked for, is an error.
_APART = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(name)

sys.meta_path.insert(0, Blocked())
"""
_WITH_TENSORFLOW = """
import json
import tensorflow as tf

served = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]
found = served(
    histories=tf.constant([["a", "never", "b"], ["x", "y", ""]]),
    lengths=tf.constant([3, 2]),
    k=tf.constant(2),
    exclude_seen=tf.constant(True),
)
found = {name: x.numpy().tolist() for name, x in found.items()}
found["raw_ids"] = [[x.decode() for x in row] for row in found["raw_ids"]]
print(json.dumps(found))
"""
_WITH_ONNXRUNTIME = """
import csv
import json
import numpy as np
import onnxruntime

with open(sys.argv[1] + "/items.csv", newline="", encoding="utf-8") as file:
    items = {row["raw_id"]: int(row["id"]) for row in csv.DictReader(file)}
names = {i: raw for raw, i in items.items()}
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
item_ids, scores = session.run(
    ["item_ids", "scores"],
    {
        "histories": np.array([[0, items["a"], items["b"]]], "int32"),
        "k": np.array(2, "int32"),
        "exclude_seen": np.array(True),
    },
)
raw_ids = [[names[i] for i in row] for row in item_ids]
print(json.dumps({"raw_ids": raw_ids, "scores": scores.tolist()}))
"""


def run_apart(program, blocked, *arguments):
    done = subprocess.run(
        [
            *(sys.executable, "-c"),
            _APART.format(blocked=blocked) + program,
            *map(str, arguments),
        ],
        cwd="/",
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def signature_of(folder):
    return tf.saved_model.load(str(folder)).signatures["serving_default"]


def test_tensorflow_alone_answers_in_raw_ids(tmp_path):
    markov_model(NAMES).export_recommender(tmp_path / "m")
    found = run_apart(_WITH_TENSORFLOW, ["nextitnet_tf"], tmp_path / "m")
    # After item 2: 1, 2, 3, 4, 5, of which 1 and 2 were seen.
    assert found == {
        "raw_ids": [["line\nend", ""], ["b", "line\nend"]],
        "scores": [[3, 2], [50, 40]],
        "num_found": [2, 2],
        "num_unknown": [1, 2],
        "is_popular": [False, True],
    }


@pytest.mark.parametrize("exclude_seen", [True, False])
def test_integers_and_histories_of_any_length(tmp_path, exclude_seen):
    model = markov_model((-1, 0, 7, 2**40, 5))
    # Item 2 is seen, though beyond the three that the model looks at; what
    # is unknown takes no place among them.
    histories = [[0, 7, 99, 7, 98, -1], [], [0] * 9, [2**40, 3, 4, 6, 8]]
    found, outputs, _ = checks.served_by_tensorflow(
        model, tmp_path / "m", histories, k=5, exclude_seen=exclude_seen
    )
    # After item 1: 5, 4, 3, 2, 1; after 2 the reverse; after 4 ties.
    if exclude_seen:
        after_1, after_2 = [5, 2**40], [-1, 7, 2**40, 5]
        after_4 = [-1, 0, 7, 5]
    else:
        after_1, after_2 = [5, 2**40, 7, 0, -1], [-1, 0, 7, 2**40, 5]
        after_4 = [-1, 0, 7, 2**40, 5]
    popular = [0, 7, 5, 2**40, -1]
    assert found == [after_1, popular, after_2, after_4]
    assert found == model.recommend(histories, 5, exclude_seen)
    assert outputs["num_unknown"].tolist() == [2, 0, 0, 4]
    assert outputs["is_popular"].tolist() == [False, True, False, False]
    assert outputs["scores"][3].tolist() == [2] * 4 + [
        -np.inf if exclude_seen else 2
    ]


def test_what_stands_behind_the_end_is_not_read(tmp_path):
    markov_model().export_recommender(tmp_path / "m")
    found = signature_of(tmp_path / "m")(
        histories=tf.constant([[31, 32], [32, 31]], tf.int64),
        lengths=tf.constant([1, 2]),
        k=tf.constant(1),
        exclude_seen=tf.constant(True),
    )
    assert found["raw_ids"].numpy().tolist() == [[35], [35]]
    # Nobody asks, nothing is answered.
    for shape in ((0, 0), (0, 3), (2, 0)):
        found = signature_of(tmp_path / "m")(
            histories=tf.zeros(shape, tf.int64),
            lengths=tf.zeros(shape[:1], tf.int32),
            k=tf.constant(2),
            exclude_seen=tf.constant(True),
        )
        assert found["raw_ids"].numpy().tolist() == [[32, 33]] * shape[0]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"k": 0}, ["`k` of 1 to 5", "[0]"]),
        ({"k": 6}, ["`k` of 1 to 5", "[6]"]),
        ({"k": -1}, ["`k` of 1 to 5", "[-1]"]),
        ({"lengths": [3]}, ["`lengths` of 0 to the width", "[3]"]),
        ({"lengths": [-1]}, ["`lengths` of 0 to the width", "[-1]"]),
        ({"lengths": [1, 1]}, ["a length for each history", "[1 1]"]),
    ],
)
def test_what_cannot_be_asked(exported_markov, wrong, words):
    asked = {
        "histories": tf.constant([[31, 32]], tf.int64),
        "lengths": tf.constant([2]),
        "k": tf.constant(2),
        "exclude_seen": tf.constant(True),
        **{name: tf.constant(value) for name, value in wrong.items()},
    }
    with pytest.raises(tf.errors.InvalidArgumentError) as raised:
        exported_markov(**asked)
    for word in words:
        assert word in str(raised.value)


@pytest.fixture(name="exported_markov", scope="module")
def fixture_exported_markov(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "m"
    markov_model().export_recommender(folder)
    return signature_of(folder)


def test_tensorflow_serving_is_told_defaults(tmp_path):
    from tensorflow.core.protobuf import saved_model_pb2

    markov_model().export_recommender(tmp_path / "m")
    written = saved_model_pb2.SavedModel()
    written.ParseFromString((tmp_path / "m" / "saved_model.pb").read_bytes())
    signature = written.meta_graphs[0].signature_def["serving_default"]
    assert signature.defaults["k"].int_val == [5]  # of 5 items, not 10
    assert signature.defaults["exclude_seen"].bool_val == [True]


def test_white_space_at_the_ends_of_ids(tmp_path):
    """Cut off as preparation does it, unless an item is called so."""
    model = markov_model(["a", "b", " b", "c d", "e"])
    spaces = "\t\n\x0b\x0c\r\x1c\x1f \x85\xa0\u1680\u2003\u2028\u3000"
    histories = [[f"{space}a{space * 2}"] for space in spaces]
    histories += [["b "], [" b"], ["\nc d\n"], ["cd"], ["a", " "]]
    found, outputs, _ = checks.served_by_tensorflow(
        model, tmp_path / "m", histories, k=3
    )
    assert found == model.recommend(histories, 3)
    assert found[:14] == [["e", "c d", " b"]] * 14
    assert found[14:16] == [["a", " b", "c d"], ["c d", "e", "a"]]
    assert outputs["num_unknown"].tolist() == [0] * 17 + [1, 1]


def test_scores_that_are_no_numbers_are_an_error(tmp_path):
    model = markov_model()
    model.item_softmax.bias.assign([0, 0, 0, 0, np.nan, 0])
    with pytest.raises(tf.errors.InvalidArgumentError, match="are finite"):
        checks.served_by_tensorflow(model, tmp_path / "m", [[31]], k=2)


def test_another_domain(tmp_path):
    """Histories are of other items than what is recommended."""
    source = markov_model(NAMES)
    model = nextitnet_tf.FineTuned(source, num_items=3)
    model.vocabulary = Vocabulary([None, 31, 32, 33], [0, 5, 9, 1], 0, 3)
    model.item_softmax.kernel.assign(np.zeros((4, 6)))
    model.item_softmax.bias.assign([9.0, 1.0, 3.0, 2.0])
    model.export_recommender(tmp_path / "m")
    found = signature_of(tmp_path / "m")(
        histories=tf.constant([["a", "é"], ["31", "32"]]),
        lengths=tf.constant([2, 2]),
        k=tf.constant(3),
        exclude_seen=tf.constant(True),
    )
    assert found["raw_ids"].numpy().tolist() == [[32, 33, 31], [32, 31, 33]]
    assert found["num_unknown"].numpy().tolist() == [0, 2]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_every_model(tmp_path, name):
    model = make_any(name)
    model.vocabulary = Vocabulary([None, *range(30)], [1] * 31, 0, 7)
    histories = checks.histories_for(model, 5, 7).tolist() + [[3], [4] * 20]
    found, outputs, _ = checks.served_by_tensorflow(
        model, tmp_path / "m", histories, k=9
    )
    assert found == model.recommend(histories, k=9)
    assert np.isfinite(outputs["scores"]).all()


def test_errors(tmp_path):
    model = markov_model()
    with pytest.raises(ValueError, match="format='h5'"):
        model.export_recommender(tmp_path / "m", "h5")
    (tmp_path / "there").write_text("mine")
    with pytest.raises(FileExistsError, match="there'"):
        model.export_recommender(tmp_path / "there")
    model.vocabulary = None
    with pytest.raises(ValueError, match="vocabulary=None"):
        model.export_recommender(tmp_path / "m")
    model = markov_model((1, 2, 3, 4, 2**63))
    with pytest.raises(ValueError, match=f"64 bits.*Received: {2**63}"):
        model.export_recommender(tmp_path / "m")
    # Nothing is left of what failed.
    assert [path.name for path in tmp_path.iterdir()] == ["there"]
    assert (tmp_path / "there").read_text() == "mine"


# --- ONNX -------------------------------------------------------------------


def onnx_session(folder):
    onnxruntime = pytest.importorskip("onnxruntime")
    return onnxruntime.InferenceSession(str(folder / exported.ONNX_FILE))


def ask_onnx(session, histories, k, exclude_seen=True):
    names = ["item_ids", "scores"]
    return session.run(
        names,
        {
            "histories": np.array(histories, "int32"),
            "k": np.array(k, "int32"),
            "exclude_seen": np.array(exclude_seen),
        },
    )


def test_onnxruntime_alone_answers(tmp_path):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    markov_model(NAMES).export_recommender(tmp_path / "m", "onnx")
    found = run_apart(
        _WITH_ONNXRUNTIME,
        ["nextitnet_tf", "keras", "tensorflow"],
        tmp_path / "m",
    )
    assert found == {"raw_ids": [["line\nend", ""]], "scores": [[3, 2]]}


def test_onnx_by_hand(tmp_path):
    pytest.importorskip("tf2onnx")
    markov_model().export_recommender(tmp_path / "m", "onnx")
    session = onnx_session(tmp_path / "m")
    # After item 4: ties, of which the lower id comes first; nothing known:
    # the most popular items.
    item_ids, scores = ask_onnx(session, [[0, 3, 4], [0, 0, 0]], 5)
    assert item_ids.tolist() == [[1, 2, 5, 0, 0], [2, 3, 5, 4, 1]]
    assert scores.tolist() == [[2, 2, 2, *[-np.inf] * 2], [50, 40, 30, 20, 10]]
    item_ids, _ = ask_onnx(session, [[1, 2, 3, 4, 5, 4]], 2, False)
    assert item_ids.tolist() == [[1, 2]]
    with pytest.raises(Exception, match="k argument"):
        ask_onnx(session, [[1]], 7)


@pytest.mark.parametrize("name", [*sorted(MODELS), "tree", "skipping"])
def test_every_model_in_onnx(tmp_path, name):
    pytest.importorskip("tf2onnx")
    if name == "tree":
        model = nextitnet_tf.NextItNet(
            30, num_blocks=1, embedding_dim=8, compression="auto"
        )
    elif name == "skipping":
        backbone = nextitnet_tf.NextItNet(30, num_blocks=3, embedding_dim=8)
        model = nextitnet_tf.SkipRec(backbone)
    else:
        model = make_any(name)
    checks.scramble(model)
    model.vocabulary = Vocabulary([None, *range(30)], [1] * 31, 0, 7)
    model.export_recommender(tmp_path / "m", "onnx")
    session = onnx_session(tmp_path / "m")
    for length, exclude_seen in ((7, True), (3, False), (12, True)):
        item_ids = np.maximum(checks.histories_for(model, 5, length), 1)
        found, scores = ask_onnx(session, item_ids, 9, exclude_seen)
        expected = model.recommend(item_ids - 1, 9, exclude_seen)
        assert (found - 1).tolist() == expected
        top = model.top_items(item_ids, 9, exclude_seen)
        np.testing.assert_allclose(
            scores, np.array(top["scores"]), rtol=1e-5, atol=1e-5
        )


def test_onnx_of_another_domain_has_both_mappings(tmp_path):
    pytest.importorskip("tf2onnx")
    model = nextitnet_tf.FineTuned(markov_model(NAMES), num_items=3)
    model.vocabulary = Vocabulary([None, 31, 32, 33], [0, 5, 9, 1], 0, 3)
    model.export_recommender(tmp_path / "m", "onnx")
    known = Vocabulary.load(tmp_path / "m")
    assert known.raw_ids == [None, 31, 32, 33]
    known = Vocabulary.load(tmp_path / "m" / exported.HISTORIES_FOLDER)
    assert known.raw_ids == [None, *NAMES]


def test_onnx_without_its_packages(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(ValueError, match=r"nextitnet_tf\[onnx\]"):
        markov_model().export_recommender(tmp_path / "m", "onnx")
    assert not list(pathlib.Path(tmp_path).iterdir())
