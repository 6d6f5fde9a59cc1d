"""Saved models: whole, or refused in one sentence with the file's name."""

import os
import shutil
import zipfile

import keras
import numpy as np
import pytest

import nextitnet_tf
from nextitnet_tf import Vocabulary
from nextitnet_tf.models import saved


def make_model(raw_ids=("a", "b", "c")):
    model = nextitnet_tf.GRU4Rec(num_items=3, embedding_dim=4)
    model.vocabulary = Vocabulary(
        [None, *raw_ids], [0, 3, 2, 1], padding_id=0, history_length=2
    )
    return model


@pytest.fixture(name="path")
def fixture_path(tmp_path):
    """Of a good model."""
    path = tmp_path / "model.keras"
    make_model().save(path)
    return path


# --- save -----------------------------------------------------------------


@pytest.mark.parametrize(
    "raw_ids", [(31, 32, 33), ("a", "007", 'c,"d'), ("ü", "line\nbreak", "")]
)
def test_the_vocabulary_is_in_the_archive(tmp_path, raw_ids):
    model = make_model(raw_ids)
    model.save(tmp_path / "model.keras")
    histories = [[raw_ids[0]], [raw_ids[2], raw_ids[1]], []]
    for load in (saved.load_model, keras.saving.load_model):
        copy = load(tmp_path / "model.keras")
        known = copy.vocabulary
        assert list(known.raw_ids) == [None, *raw_ids]
        assert list(known.counts) == [0, 3, 2, 1]
        assert (known.padding_id, known.history_length) == (0, 2)
        assert copy.recommend(histories) == model.recommend(histories)


def test_a_model_without_a_vocabulary_is_saved_too(tmp_path):
    model = nextitnet_tf.GRU4Rec(num_items=3, embedding_dim=4)
    saved.save_model(model, tmp_path / "new" / "folder" / "model.keras")
    copy = saved.load_model(tmp_path / "new" / "folder" / "model.keras")
    assert copy.vocabulary is None


def test_a_vocabulary_from_a_data_frame_is_saved(tmp_path):
    """Case: np.int64 ids, length and padding, as groupby gives them."""
    model = make_model()
    model.vocabulary = Vocabulary(
        [None, *np.array([101, 102, 103])],
        np.array([0, 1, 1, 1]),
        padding_id=np.int64(0),
        history_length=np.int64(2),
    )
    before = model.recommend([[np.int64(101)]])
    model.save(tmp_path / "model.keras")
    after = saved.load_model(tmp_path / "model.keras").recommend([[101]])
    assert before == after and {type(raw) for raw in after[0]} == {int}


@pytest.mark.parametrize("error", [TypeError, OSError, KeyboardInterrupt])
def test_a_failed_save_leaves_the_model_that_was_there(
    path, monkeypatch, error
):
    content = path.read_bytes()

    def fail(self, folder):
        raise error("no more")

    monkeypatch.setattr(Vocabulary, "save", fail)
    for save in (
        make_model().save,
        lambda p: saved.save_model(make_model(), p),
    ):
        with pytest.raises(error, match="no more"):
            save(path)
        assert path.read_bytes() == content
        assert os.listdir(path.parent) == ["model.keras"]
    with pytest.raises(error, match="no more"):
        make_model().save(path.with_name("new.keras"))
    assert os.listdir(path.parent) == ["model.keras"]


def test_checkpoints_of_training_are_whole_too(path, monkeypatch):
    content = path.read_bytes()
    callback = keras.callbacks.ModelCheckpoint(path)
    callback.set_model(make_model())

    def fail(self, folder):
        raise ZeroDivisionError

    monkeypatch.setattr(Vocabulary, "save", fail)
    with pytest.raises(ZeroDivisionError):
        callback.on_epoch_end(0, {})
    assert path.read_bytes() == content


def test_what_save_takes(path, monkeypatch):
    model = make_model()
    with pytest.raises(FileExistsError, match="overwrite=True.*model.keras"):
        model.save(path, overwrite=False)
    model.save(path.with_name("second.keras"), overwrite=False)
    assert saved.load_model(path.with_name("second.keras"))
    with pytest.raises(ValueError, match="filepath=.*/model.pickle"):
        model.save(path.with_name("model.pickle"))
    with pytest.raises(OSError, match="none/model.keras"):
        model.save(path.parent / "none" / "model.keras")
    with pytest.raises(OSError, match="model.keras"):
        saved.save_model(model, path / "model.keras")  # a file, no folder
    folder = path.with_name("unzipped")
    model.save(folder, zipped=False)
    assert keras.saving.load_model(folder).vocabulary == model.vocabulary
    assert not list(path.parent.glob("*.part*"))


# --- load -----------------------------------------------------------------


def refused(path):
    """The one line that says why."""
    with pytest.raises(ValueError, match="^Expected a saved") as raised:
        saved.load_model(path)
    text = str(raised.value)
    assert "\n" not in text and str(path) in text
    return text


def rewrite(path, change):
    """Writes the archive again; `change(name, content)`, None to leave out."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            content = change(name, content)
            if content is not None:
                archive.writestr(name, content)


def without(*names):
    return lambda name, content: None if name in names else content


def test_what_is_no_model(tmp_path):
    assert "which is no file" in refused(tmp_path / "missing.keras")
    assert "which is a folder" in refused(tmp_path)
    path = tmp_path / "model.keras"
    path.write_text("not a model")
    assert "another kind of file" in refused(path)
    path.write_bytes(b"")
    assert "another kind of file" in refused(path)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_that_was_cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    assert "cut short: copy it here again, or train" in refused(path)


@pytest.mark.parametrize(
    "name", ["config.json", "model.weights.h5", "assets/items.csv"]
)
def test_a_flipped_bit(path, name):
    with zipfile.ZipFile(path) as archive:
        part = archive.read(name)
        start = archive.getinfo(name).header_offset + 30 + len(name)
    content = bytearray(path.read_bytes())
    content[start + len(part) // 3] ^= 16
    path.write_bytes(content)
    assert f"{name} is damaged: copy it here again, or train" in refused(path)


@pytest.mark.parametrize(
    "name",
    [
        "config.json",
        "metadata.json",
        "model.weights.h5",
        "assets/items.csv",
        "assets/vocabulary.json",
    ],
)
def test_a_lost_part(path, name):
    rewrite(path, without(name))
    assert f"which lacks {name}: copy it here again" in refused(path)


def test_a_lost_part_of_the_source(tmp_path):
    model = nextitnet_tf.FineTuned(make_model(), num_items=3)
    model.vocabulary = make_model().vocabulary
    path = tmp_path / "model.keras"
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        names = [n for n in archive.namelist() if n.endswith("items.csv")]
    assert len(names) == 2
    rewrite(path, without(names[1]))
    assert f"which lacks {names[1]}" in refused(path)


@pytest.mark.parametrize("content", ["", "{}", "null", "[1]", "{"])
def test_a_configuration_of_nothing(path, content):
    rewrite(path, lambda n, old: content if n == "config.json" else old)
    assert "config.json describes no model" in refused(path)


def test_damaged_weights_with_a_checksum_that_fits(path):
    rewrite(path, lambda n, old: b"HDF?" if n == "model.weights.h5" else old)
    assert "which is damaged (Unable to" in refused(path)


def test_a_damaged_vocabulary_with_a_checksum_that_fits(path):
    rewrite(
        path, lambda n, old: b"{}" if n.endswith("vocabulary.json") else old
    )
    assert "vocabulary.json" in refused(path)


def test_a_model_of_another_class(tmp_path, path):
    foreign = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    foreign.save(tmp_path / "foreign.keras")
    assert "a Sequential" in refused(tmp_path / "foreign.keras")
    rewrite(
        path,
        lambda n, old: (
            old.replace(b"GRU4Rec", b"Nothing").replace(b"gru4rec", b"nothing")
            if n == "config.json"
            else old
        ),
    )
    assert "nothing.Nothing, which is not registered" in refused(path)


def test_a_good_one_is_still_good(path, tmp_path):
    """The checks above fail for what was changed, not for rewriting."""
    shutil.copy(path, tmp_path / "copy.keras")
    rewrite(tmp_path / "copy.keras", without())
    model = saved.load_model(tmp_path / "copy.keras")
    assert model.vocabulary == make_model().vocabulary
