"""Renames committed runs by what determines them. To be run once.

    python rename_runs.py results/ml1m data/ml1m
    python rename_runs.py results/globo_transfer data/globo_transfer PAIRS.csv

Old names hashed every field; the stages before the last, which run.json did
not hold, are found by trying those of the other runs. Ranks become one small
file.
"""

import dataclasses
import hashlib
import itertools
import json
import pathlib
import sys

import numpy as np

from nextitnet_tf import data
from nextitnet_tf.recipe import FINE_TUNINGS
from nextitnet_tf.recipe import FineTuning
from nextitnet_tf.training import runs


def old_print(sessions):
    digest = hashlib.sha256(np.ascontiguousarray(sessions.rows).data)
    digest.update(np.ascontiguousarray(sessions.users).data)
    return digest.hexdigest()[:16]


def old_print_of_pairs(pairs):
    digest = hashlib.sha256()
    for array in (pairs.histories, pairs.targets, pairs.users):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()[:16]


def old_recipe(run, stages):
    return {
        "stages": stages,
        **{
            k: run[k]
            for k in (
                *("protocol", "model", "model_config"),
                *("batch_size", "learning_rate", "seed"),
            )
        },
    }


def old_digest(run, stages):
    recipe = old_recipe(run, stages)
    if "fine_tuning" in run:
        what = [
            {
                "pretraining": recipe,
                "fine_tuning": run["fine_tuning"],
                "is_pretrained": run["is_pretrained"],
            },
            run["data"]["fingerprint"],
            run["pairs"]["fingerprint"],
        ]
    else:
        what = [recipe, run["data"]["fingerprint"]]
    text = json.dumps(what, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def main(results, prepared, pairs_file=None):
    folder = pathlib.Path(results) / "runs"
    found = {p.parent: json.loads(p.read_text()) for p in folder.glob("*/run.json")}
    all_sessions = [
        data.read_sessions(prepared, ids)
        for ids in ("first_appearance", "frequency")
    ]
    new_print = {old_print(s): s.fingerprint for s in all_sessions}
    of_old = {old_print(s): s for s in all_sessions}
    pool = {json.dumps(run["stage"], sort_keys=True): run["stage"] for run in found.values()}
    pool = list(pool.values())
    pairs_of = {}
    for path, run in sorted(found.items()):
        digest = path.name.rsplit("-", 1)[1]
        chains = [()]
        if run["stage"]["method"] is not None:
            chains = [
                chain
                for length in (1, 2)
                for chain in itertools.product(pool, repeat=length)
                if chain[0]["method"] is None
            ]
        for chain in chains:
            stages = [*chain, run["stage"]]
            if old_digest(run, stages) == digest:
                break
        else:
            print("NOT FOUND", path.name)
            continue
        run = dict(run)
        del run["stage"]
        run["schema"] = runs.SCHEMA
        run["stages"] = stages
        run["protocol"]["overwrites_rows"] = run["protocol"]["name"] == "release"
        old = run["data"]["fingerprint"]
        run["data"]["fingerprint"] = new_print[old]
        recipe = runs.recipe_of(run)
        if "fine_tuning" in run:
            tuning = runs._make(FineTuning, run["fine_tuning"])
            key = (tuning.source_ids, old)
            if key not in pairs_of:
                pairs_of[key] = data.read_pairs(pairs_file, of_old[old], tuning)
            pairs = pairs_of[key]
            assert old_print_of_pairs(pairs) == run["pairs"]["fingerprint"], path
            run["pairs"]["fingerprint"] = pairs.fingerprint
            job = runs.Run(path, run).transfer
            name = runs.name_of_transfer(job, new_print[old], pairs)
        else:
            name = runs.name_of(recipe, new_print[old])
        ranks = {}
        for kind in ("ranks", "unseen_ranks"):
            file = path / f"{kind}.npy"
            if file.is_file():
                ranks[kind] = np.load(file)
                file.unlink()
        run["files"] = {}
        if ranks:
            runs.save_ranks(path / runs.RANKS, ranks)
            run["files"][runs.RANKS] = runs.file_digest(path / runs.RANKS)
        (path / "run.json").write_text(json.dumps(run, indent=1) + "\n")
        assert not (folder / name).exists(), name
        path.rename(folder / name)
        print(path.name, "->", name)


main(*sys.argv[1:])
