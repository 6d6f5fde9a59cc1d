"""What the README shows in Python does what it says."""

import pathlib
import re

import pytest

README = pathlib.Path(__file__).parents[1] / "README.md"
BLOCKS = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_the_example_in_python(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (example,) = [block for block in BLOCKS if "Stacker" in block]
    exec(compile(example, str(README), "exec"), {})
    answers = capsys.readouterr().out.strip().splitlines()[-1]
    assert re.fullmatch(r"\[\['item \d+', 'item \d+', 'item \d+'\]\]", answers)
    assert (tmp_path / "deep.keras").is_file()


@pytest.mark.parametrize("block", BLOCKS)
def test_names_in_the_examples_exist(block):
    import nextitnet_tf

    for module, name in re.findall(r"\b(nextitnet_tf|release)\.(\w+)", block):
        owner = nextitnet_tf
        if module == "release":
            owner = nextitnet_tf.release
        assert hasattr(owner, name), name
