"""Every file that a command leaves, failing: one line names it, nothing goes.

`tests/training/test_faults.py` does so for what training writes on its way.
"""

import ast
import hashlib
import os
import pathlib
import re
import shutil

from nextitnet_tf.preparation import synthetic
from tests import opened_files

ROOT = pathlib.Path(__file__).parents[2]
TINY = ("--max_steps=2", "--eval_every=2", "--embedding_dim=4")


def written_by(call, root, name, *arguments):
    """The files that a command opens for writing, below a folder."""
    opened = []
    with opened_files.watched(opened.append):
        code, _, err = call(name, *arguments)
    assert code == 0, err
    return {found for path in opened if (found := place(path, root))}


def place(path, root):
    """A path below a folder, whatever its partial file was called."""
    path = os.path.relpath(os.path.realpath(path), root)
    path = re.sub(r"\.[0-9a-f]{12}\.part", "", path)
    path = re.sub(r"^\.s\.partial-\w+/(new/)?", "s/", path)
    if path.startswith(("..", ".cache")) or "__pycache__" in path:
        return None
    return re.sub(r"(^|/)[\w-]+-seed0-[0-9a-f]{10}", r"\1STAGE", path)


def held(root):
    """Digests of the files of a folder."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).digest()
        for path in root.rglob("*")
        if path.is_file() and path.suffix not in (".log", ".lock")
    }


def check_each(call, root, writes, name, *arguments, begin=lambda: None):
    """Makes a command's writes fail, each by itself.

    Args:
        call: runs a command in this process.
        root: folder that it runs in.
        writes: all that it opens for writing there.
        name: of the command.
        *arguments: of the command.
        begin: makes what the command would find done be undone.
    """
    begin()
    assert written_by(call, root, name, *arguments) == set(writes)
    whole = held(root)
    for path in writes:
        begin()
        before = held(root)
        with opened_files.failing(lambda p, path=path: place(p, root) == path):
            code, _, err = call(name, *arguments)
        told = [line for line in err.splitlines() if line.startswith("error:")]
        assert code == 1 and "Traceback" not in err, (path, err)
        shown = [place(word, root) for word in re.findall(r"[\w./-]+", told[0])]
        # Of a folder that appears as a whole it is named.
        named = os.path.dirname(path) if path in PREPARED else path
        assert len(told) == 1 and named in shown, (path, told)
        after = held(root)
        # What was whole before is whole, and the rest as it will be.
        assert before.keys() <= after.keys(), path
        for found, digest in after.items():
            assert digest in (before.get(found), whole.get(found)), found
        code, _, err = call(name, *arguments)
        assert code == 0, err
        assert held(root).keys() == whole.keys()


def test_a_table_a_picture_and_the_pages_about_them(tmp_path, call):
    synthetic.prepare_synthetic(
        tmp_path / "s", num_rows=300, t=8, num_items=24, num_groups=4
    )
    (tmp_path / "results").mkdir()
    (tmp_path / "docs").mkdir()
    arguments = (
        *("reproduce", "--target=table2", "--sessions=s"),
        *("--output=results/my", "--protocol=clean", "--divide_depth=4"),
        *("--settings=40-60", "--presets=best", *TINY),
    )
    code, _, err = call(*arguments)
    assert code == 0, err

    def begin():
        # A picture that would not change is not written.
        (tmp_path / "results/my/convergence.png").unlink()

    check_each(
        call,
        tmp_path,
        [f"results/my/{n}" for n in TABLE],
        *arguments,
        "--table_only",
        begin=begin,
    )
    shown = ("--results=results", "--only=my")
    pages = ("results/README.md", "docs/accuracy.md", "docs/reliability.md")
    check_each(call, tmp_path, pages, "conclusions", *shown)
    check_each(call, tmp_path, ["results/index.html"], "report", *shown)


TABLE = ("table.md", "table.json", "convergence.png", "commands.json")


def test_what_training_leaves_beside_its_stages(tmp_path, call):
    rows = ["user,item,timestamp"] + [
        f"{user},{(user + k) % 7},{k}" for user in range(40) for k in range(6)
    ]
    (tmp_path / "my.csv").write_text("\n".join(rows) + "\n")
    trained = (
        *("train", "--raw=my.csv", "--sessions=s", "--output=out", "--t=6"),
        *("--num_blocks=1", "--batch_size=8", *TINY),
    )
    code, _, err = call(*trained)
    assert code == 0, err
    check_each(call, tmp_path, LEFT, *trained)
    check_each(
        call,
        tmp_path,
        [*PREPARED, *LEFT],
        *trained,
        begin=lambda: shutil.rmtree(tmp_path / "s"),
    )


LEFT = ("out/run.json", "out/model.keras", "out/model_card.md")
PREPARED = tuple(
    f"s/{name}"
    for name in (
        *("lock", "sessions-00000.npy", "users.npy", "times.npy"),
        *("items.csv", "meta.json"),
    )
)

# Where files are opened for writing by other means than `atomic_files`, and
# where each is made to fail, or why not.
OTHER_WRITERS = {
    "nextitnet_tf.atomic_files": "tests/test_atomic_files.py",
    "nextitnet_tf.commands.downloads": "tests/commands/test_downloads.py",
    "nextitnet_tf.preparation.replacing": "here",
    "nextitnet_tf.preparation.session_blocks": "here",
    "nextitnet_tf.serving.answering": "to nowhere",
    "nextitnet_tf.serving.history_files": "tests/serving/test_in_blocks.py",
    "nextitnet_tf.serving.parquet_files": "tests/serving/test_in_blocks.py",
    "nextitnet_tf.training.journal": "tests/training/test_faults.py",
    "nextitnet_tf.training.several_workers": "temporary",
    "nextitnet_tf.locks": "tests/training/test_faults.py",
    "nextitnet_tf.vocabulary": "here, within prepared sessions",
    # Their own data, in folders that go with them.
    "experiments.benchmark.batch": "temporary",
    "experiments.benchmark.child": "/proc",
    "experiments.benchmark.processes": "temporary",
    "datasets.measure": "temporary",
    # Text, which `preparation.replacing` writes.
    "datasets.order_ties": "in memory",
}


def test_who_writes_otherwise_is_known():
    found = {
        path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        for package in ("nextitnet_tf", "experiments", "datasets")
        for path in (ROOT / package).rglob("*.py")
        if writes(ast.parse(path.read_text(encoding="utf-8")))
    }
    assert found == OTHER_WRITERS.keys()


def writes(node):
    """Whether a piece of source writes a file, but for `atomic_files`."""
    if isinstance(node, ast.With):
        managers = [ast.unparse(item.context_expr) for item in node.items]
        if any("atomic_files.replacing(" in text for text in managers):
            return False
    if isinstance(node, ast.Call):
        text = ast.unparse(node)
        function = ast.unparse(node.func)
        name = function.rpartition(".")[2]
        if name == "open" and WRITING_MODE.search(text):
            return True
        if name in WRITING and not function.startswith("atomic_files."):
            # Into memory, not to a file.
            return "drawn" not in text
    return any(writes(child) for child in ast.iter_child_nodes(node))


WRITING_MODE = re.compile(r"['\"][wax]\+?b?['\"]|O_CREAT|O_WRONLY")
WRITING = (
    *("write_text", "write_bytes", "savefig", "savez", "savez_compressed"),
    *("savetxt", "to_csv", "to_parquet", "write_table", "copyfile"),
    *("copyfileobj", "copytree"),
)


def test_a_new_writer_is_found():
    for source in (
        "open(path, 'w')",
        "path.open('ab')",
        "os.open(path, os.O_CREAT)",
        "with atomic_files.naming(path):\n np.savez(path, x=1)",
    ):
        assert writes(ast.parse(source)), source
    for source in (
        "open(path)",
        "open(path, 'rb')",
        "atomic_files.write_text(path, 'w')",
        "with atomic_files.replacing(path) as p:\n p.write_text('w')",
    ):
        assert not writes(ast.parse(source)), source
