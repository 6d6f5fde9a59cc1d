"""The rules of the house, read from the source: who may import whom.

A unit is a module or a folder right below `nextitnet_tf`; what a unit may
import is `MAY_IMPORT`, and everything in it points down.
"""

import ast
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGES = ("datasets", "experiments", "nextitnet_tf")

MAY_IMPORT = {
    "atomic_files": set(),
    "locks": set(),
    "memory": set(),
    "archive": {"memory"},
    "vocabulary": set(),
    "protocol": set(),
    # The names of methods, presets and starts.
    "recipe": {"growing", "protocol", "stacking"},
    "losses": set(),
    "target_weights": set(),
    "metrics": set(),
    "cluster": set(),
    "scaling": set(),
    "distribution": {"cluster"},
    "comparing": set(),
    "histories": set(),
    "sharing": set(),
    "compression": {"sharing"},
    "layers": {"compression", "losses", "sharing"},
    "models": {
        "archive",
        "atomic_files",
        "compression",
        "layers",
        "losses",
        "metrics",
        "preparation",
        "target_weights",
        "vocabulary",
        "weight_decay",
    },
    "serving": {
        "atomic_files",
        "histories",
        "locks",
        "models",
        "preparation",
        "vocabulary",
    },
    "fewer_blocks": {"models"},
    "distillation": {"models", "target_weights"},
    "optimizer_slots": set(),
    "layer_pairs": set(),
    "stored_size": set(),
    "weight_decay": set(),
    "stacking": {"layer_pairs", "optimizer_slots"},
    "growing": {"optimizer_slots", "vocabulary"},
    "tuned": {"protocol", "recipe"},
    "paper_data": set(),
    "preparation": {"memory"},
    "tuning": {"models", "protocol", "recipe", "tuned"},
    "release": {
        "compression",
        "memory",
        "models",
        "sharing",
        "stacking",
        "vocabulary",
    },
    "data": {"preparation", "protocol", "recipe", "release", "vocabulary"},
    "training": {
        "atomic_files",
        "data",
        "distillation",
        "distribution",
        "growing",
        "locks",
        "memory",
        "metrics",
        "models",
        "protocol",
        "recipe",
        "stacking",
        "tuned",
        "weight_decay",
    },
}
MAY_IMPORT["commands"] = set(MAY_IMPORT)
# `import nextitnet_tf` must work where no TensorFlow is installed.
MAY_IMPORT_TENSORFLOW = {
    *("commands", "data", "distribution", "release", "training"),
}
MAY_IMPORT["__init__"] = set(MAY_IMPORT) - MAY_IMPORT_TENSORFLOW
# Decisions are plain Python.
PLAIN_PYTHON = {
    "atomic_files",
    "cluster",
    "compression",
    "growing",
    "layer_pairs",
    "memory",
    "optimizer_slots",
    "protocol",
    "recipe",
    "scaling",
    "sharing",
    "stacking",
    "vocabulary",
}
BASE_MODEL = "sequential_recommender"
# What the base is made of, below all models.
BELOW_THE_BASE = {
    *("class_weight", "evaluating", "exported", "frozen", "incremental"),
    "quantized",
    *("answers", "raw_ids", "recommending", "served_model"),
}
# A model that is another's network with an objective of its own, and one
# whose training is a module for itself.
SAME_NETWORK = {
    "grec": "nextitnet",
    "ssept": "sasrec",
    "skip_rec": "policy_training",
}
# The one step of training of our own, what compiles for any backend, and what
# writes for others: they
# ask for it when they run.
ON_DEMAND = {"models.exported", "models.frozen", "models.policy_training"}
# What knows HTTP; the rest of a service is for any process.
KNOW_HTTP = {"serving.app", "serving.server"}
HTTP = {"fastapi", "pydantic", "starlette", "uvicorn"}
# Neither Keras nor TensorFlow: data are prepared on any machine.
PREPARATION_MAY_IMPORT = {"numpy", "pandas"}
# What prepares on Spark is asked for by its command alone, when it runs.
ON_SPARK = {"preparation.spark", "preparation.spark_tables"}
SPARK = {"numpy", "py4j", "pyarrow", "pyspark"}
DATASETS_MAY_IMPORT = {
    *("nextitnet_tf.preparation", "nextitnet_tf.commands.frame"),
    *("nextitnet_tf.commands.prepare", "absl", "datasets", "numpy", "pandas"),
    "nextitnet_tf.commands.prepare_spark",
    "nextitnet_tf.commands.preparation_flags",
}
# These begin without TensorFlow.
LIGHT_COMMANDS = {"__main__", "frame", "prepare", "preparation_flags"}
LIGHT_COMMANDS_MAY_IMPORT = {
    *("absl", "nextitnet_tf.commands", "nextitnet_tf.preparation"),
}
# Folders of experiments; what lies beside them has flags or runs things.
FOLDERS = {"papers", "reporting"}
PAPERS_MAY_IMPORT = {
    "nextitnet_tf.preparation.sessions",
    "experiments.papers",
    "nextitnet_tf.models",
    *(
        f"experiments.reporting.{name}"
        for name in (
            *("claims", "columns", "comparisons", "figure_comparisons"),
            "stored_claims",
        )
    ),
    *(
        f"nextitnet_tf.{name}"
        for name in (
            *("atomic_files", "compression", "protocol", "recipe", "release"),
            "tuned",
        )
    ),
}
HOMELESS = {"common", "helper", "helpers", "misc", "util", "utils"}

FILES = [
    path
    for package in PACKAGES
    for path in sorted((ROOT / package).rglob("*.py"))
]


def dotted_name(path):
    """nextitnet_tf/models/nextitnet.py -> nextitnet_tf.models.nextitnet."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imported_names(tree):
    """Full dotted names of all that is imported, inside functions, too."""
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            start = "." * node.level + (node.module or "")
            names += [f"{start}.{alias.name}" for alias in node.names]
    return names


def import_violations(module, source):
    """What the import statements of a module do against the rules."""
    package, _, rest = module.partition(".")
    check = {
        "datasets": _datasets_violation,
        "experiments": _experiments_violation,
        "nextitnet_tf": _library_violation,
    }[package]
    found = []
    for name in imported_names(ast.parse(source)):
        problem = "is relative" if name.startswith(".") else check(rest, name)
        if problem:
            found.append(f"{module} imports {name}, which {problem}")
    return found


def _datasets_violation(rest, name):
    del rest
    return _not_among(name, DATASETS_MAY_IMPORT)


def _not_among(name, allowed):
    parts = name.split(".")
    known = {".".join(parts[:n]) for n in (1, 2, 3)}
    if _is_standard(parts[0]) or known & allowed:
        return None
    return f"is not among {sorted(allowed)}"


def _experiments_violation(rest, name):
    """Papers are data, reporting reads: neither reaches for what runs it."""
    folder = rest.split(".")[0]
    parts = name.split(".")
    if folder == "reporting":
        is_command = parts[0] == "experiments" and parts[1] not in FOLDERS
        is_command |= parts[:2] == ["nextitnet_tf", "commands"]
        return "is a command's" if is_command or parts[0] == "absl" else None
    if folder == "papers" and not _is_standard(parts[0]):
        known = {".".join(parts[:n]) for n in (2, 3)}
        return None if known & PAPERS_MAY_IMPORT else "a paper does not need"
    return None


def _library_violation(rest, name):
    unit, _, inner = rest.partition(".")
    parts = name.split(".")
    top, target = parts[0], (parts + [""])[1]
    if top in ("datasets", "experiments"):
        return "the library must not know"
    may = unit in MAY_IMPORT_TENSORFLOW or rest in ON_DEMAND
    if top == "tensorflow" and not may:
        return f"only {sorted(MAY_IMPORT_TENSORFLOW)} may"
    if top in HTTP and rest not in KNOW_HTTP:
        return f"only {sorted(KNOW_HTTP)} may"
    if top == "absl" and unit != "commands":
        return "belongs to commands"
    if unit == "preparation" and top != "nextitnet_tf":
        allowed = SPARK if rest in ON_SPARK else PREPARATION_MAY_IMPORT
        return _not_among(name, allowed)
    if unit == "commands" and inner in LIGHT_COMMANDS:
        return _not_among(name, LIGHT_COMMANDS_MAY_IMPORT)
    is_plain = _is_standard(top) or target in PLAIN_PYTHON
    if unit in PLAIN_PYTHON and not is_plain:
        return "is more than plain Python"
    if top != "nextitnet_tf":
        return None
    if target == unit and unit == "models":
        # The folder's `__init__` lists them; a model knows the base alone.
        known = {BASE_MODEL, SAME_NETWORK.get(inner, BASE_MODEL)}
        if inner in {BASE_MODEL, *BELOW_THE_BASE}:
            known = BELOW_THE_BASE
        if inner != "__init__" and not known & set(parts[2:3]):
            return "is another model"
        return None
    if target != unit and target not in MAY_IMPORT[unit]:
        return f"is none of {sorted(MAY_IMPORT[unit])}"
    return None


def _is_standard(top):
    return top in sys.stdlib_module_names


def names_distribute(source):
    """Lines that name tf.distribute, in code or imports."""
    tree = ast.parse(source)
    lines = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and node.attr == "distribute"
        and isinstance(node.value, ast.Name)
        and node.value.id in ("tf", "tensorflow")
    ]
    if any(n.startswith("tensorflow.distribute") for n in imported_names(tree)):
        lines.append(0)
    return lines


def calls_fit(source):
    """Lines that call a method named fit."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "fit"
    ]


@pytest.mark.parametrize("path", FILES, ids=dotted_name)
def test_imports_point_down(path):
    source = path.read_text(encoding="utf-8")
    assert import_violations(dotted_name(path), source) == []


@pytest.mark.parametrize("path", FILES, ids=dotted_name)
def test_one_place_names_tf_distribute(path):
    if dotted_name(path) != "nextitnet_tf.distribution":
        assert names_distribute(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", FILES, ids=dotted_name)
def test_one_place_calls_fit(path):
    if dotted_name(path) != "nextitnet_tf.training.fitting":
        assert calls_fit(path.read_text(encoding="utf-8")) == []


def test_every_unit_has_its_rule():
    units = {
        dotted_name(path).split(".")[1]
        for path in FILES[::-1]
        if path.is_relative_to(ROOT / "nextitnet_tf")
    }
    assert units <= set(MAY_IMPORT)


def test_rules_have_no_circle():
    done = set()
    left = dict(MAY_IMPORT)
    while left:
        free = {unit for unit, below in left.items() if below <= done}
        assert free, f"these import each other: {sorted(left)}"
        done |= free
        left = {u: below for u, below in left.items() if u not in free}


def test_every_module_has_a_home():
    parts = {
        part
        for path in FILES
        for part in path.relative_to(ROOT).with_suffix("").parts
    }
    assert not parts & HOMELESS


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("nextitnet_tf.layers.rezero", "from nextitnet_tf import models"),
        ("nextitnet_tf.layers.rezero", "import nextitnet_tf.training"),
        ("nextitnet_tf.layers.rezero", "import tensorflow as tf"),
        ("nextitnet_tf.losses", "def f():\n  from tensorflow import nn"),
        ("nextitnet_tf.losses", "from nextitnet_tf import metrics"),
        (
            "nextitnet_tf.models.nextitnet",
            "from nextitnet_tf.models.most_pop import MostPop",
        ),
        ("nextitnet_tf.models.nextitnet", "from nextitnet_tf import models"),
        ("nextitnet_tf.models.nextitnet", "from . import most_pop"),
        ("nextitnet_tf.release", "from nextitnet_tf import data"),
        ("nextitnet_tf.data", "from nextitnet_tf import training"),
        ("nextitnet_tf.vocabulary", "import numpy as np"),
        ("nextitnet_tf.training", "from experiments import tables"),
        ("nextitnet_tf.training", "from datasets import sessions"),
        ("nextitnet_tf.__init__", "from nextitnet_tf import training"),
        ("datasets.prepare", "import keras"),
        ("datasets.prepare", "from nextitnet_tf import release"),
        ("nextitnet_tf.preparation.sessions", "import keras"),
        ("nextitnet_tf.preparation.sessions", "from nextitnet_tf import data"),
        ("nextitnet_tf.data.sessions", "from absl import flags"),
        ("nextitnet_tf.serving.service", "import fastapi"),
        ("nextitnet_tf.commands.prepare", "from nextitnet_tf import data"),
        (
            "experiments.papers.stackrec.table2",
            "from nextitnet_tf import training",
        ),
        ("experiments.papers.rows", "from experiments import running"),
        (
            "experiments.papers.rows",
            "from experiments.reporting.store import Store",
        ),
        (
            "experiments.reporting.tables",
            "from nextitnet_tf.commands import flags",
        ),
        ("experiments.reporting.tables", "from absl import flags"),
    ],
)
def test_a_wrong_import_is_found(module, source):
    assert len(import_violations(module, source)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("nextitnet_tf.data.rows", "from nextitnet_tf.data import split"),
        (
            "nextitnet_tf.models.nextitnet",
            "from nextitnet_tf.models.sequential_recommender import X",
        ),
        (
            "nextitnet_tf.models.__init__",
            "from nextitnet_tf.models.nextitnet import NextItNet",
        ),
        ("nextitnet_tf.training", "import tensorflow as tf"),
        (
            "nextitnet_tf.preparation.sessions",
            "import json\nimport numpy as np",
        ),
        ("experiments.train", "from nextitnet_tf import training"),
        (
            "experiments.papers.stackrec.figure5",
            "from experiments.papers.stackrec import table2",
        ),
        (
            "experiments.reporting.tables",
            "from experiments.papers.rows import Row",
        ),
    ],
)
def test_a_right_import_is_not(module, source):
    assert import_violations(module, source) == []


def test_wrong_calls_are_found():
    assert names_distribute("s = tf.distribute.get_strategy()") == [1]
    assert names_distribute("def f(s: tf.distribute.Strategy): ...") == [1]
    assert names_distribute("from tensorflow import distribute") == [0]
    assert names_distribute('"""tf.distribute in words."""') == []
    assert calls_fit("\nmodel.fit(x, y)") == [2]
    assert calls_fit("fit = 1; benefit(x); model.fitted()") == []


# --- sizes: a room that is overfull ------------------------------------------

MOST_LINES = 350
MOST_LINES_OF_A_COMMAND = 90
MOST_LINES_OF_A_FUNCTION = 60
# A loss and its gradient, worked out side by side in one loop.
ONE_FORMULA = {"_softmax_loss", "loss_of"}


def num_lines(path):
    return len(path.read_text(encoding="utf-8").splitlines())


def long_functions(source):
    """Names of the functions that are too long, docstrings apart."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        and node.name not in ONE_FORMULA
        and num_lines_of_code(node) > MOST_LINES_OF_A_FUNCTION
    ]


def num_lines_of_code(function):
    """Lines of the body: signature and docstring say what it takes."""
    body = function.body[ast.get_docstring(function) is not None :]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", FILES, ids=dotted_name)
def test_a_file_is_not_too_long(path):
    assert num_lines(path) <= MOST_LINES


@pytest.mark.parametrize("path", FILES, ids=dotted_name)
def test_a_function_is_not_too_long(path):
    assert long_functions(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in FILES
        if not path.is_relative_to(ROOT / "tests")
        and "    command.run(main)" in path.read_text(encoding="utf-8")
    ],
    ids=dotted_name,
)
def test_a_command_is_thin(path):
    assert num_lines(path) <= MOST_LINES_OF_A_COMMAND


def test_what_uses_the_library_is_smaller_than_the_library():
    sizes = {
        package: sum(
            num_lines(path)
            for path in FILES
            if path.is_relative_to(ROOT / package)
        )
        for package in PACKAGES
    }
    assert sizes["experiments"] < sizes["nextitnet_tf"]


def test_a_long_function_is_found():
    body = "    pass\n" * (MOST_LINES_OF_A_FUNCTION + 1)
    assert long_functions(f"def f():\n{body}") == ["f"]
    assert long_functions(f"def f():\n{body[9:]}") == []
    docstring = '    """Says\n    something."""\n'
    assert long_functions(f"def f():\n{docstring}{body[9:]}") == []
