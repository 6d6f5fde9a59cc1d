r"""How models converge: stacked against from scratch.

Reproduces StackRec's Figure 5 on any data: of Table 2's settings the deep
model from scratch and the stacked ones, validation MRR@5 against training
seconds of the last stage.

  python -m experiments.convergence --dataset=ml1m --raw=interactions.csv.gz \
    --protocol=release --settings=60-80

Trains what OUTPUT/runs does not have (the runs are Table 2's), and writes
OUTPUT/figure5.png and figure5.json.
"""

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import figure_command
from experiments import figures
from experiments import options
from experiments import table_options
from experiments import tables
from experiments.recipes import paper_data
from experiments.recipes import table2
from nextitnet_tf import atomic_files

NAME = "figure5"
TITLE = "Convergence (StackRec, Figure 5)"

flags.adopt_module_key_flags(options)
flags.adopt_module_key_flags(table_options)


def main() -> None:
    names = list(table2.SETTINGS)
    if table_options.SETTINGS.value is not None:
        names = table_options.SETTINGS.value
    for name in names:
        if name not in table2.SETTINGS:
            raise ValueError(
                f"--settings must be among {', '.join(table2.SETTINGS)}. "
                f"Received: {name}"
            )
    protocol = options.protocol()
    budget = paper_data.budget(options.dataset_name())
    rows = [
        row
        for seed in table_options.seeds(default=[0])
        for row in table2.select(
            names,
            protocol,
            table_options.presets(default=["best"]),
            seed,
            divide_depth=table_options.DIVIDE_DEPTH.value,
            **options.budget(budget),
            **options.recipe_options(),
        )
        if row.role in ("scratch", "stacked")
    ]
    figure_command.run(rows, protocol, _write)


def _write(rows, sessions, output) -> str:
    lines = tables.read_lines(rows, sessions, output)
    if not lines:
        return "Nothing is done yet.\n"
    records = tables.to_records(lines)
    is_idle = all(line.is_idle_time for line in lines)
    atomic_files.write_json(
        output / f"{NAME}.json",
        {
            "title": TITLE,
            "data": next(iter(sessions.values())).meta,
            "seconds": "training steps times the time of a step, measured on "
            "an idle machine"
            if is_idle
            else "training steps times the time of a step, of the runs "
            "themselves where none was measured on an idle machine",
            "versions": lines[0].summary["versions"],
            "rows": [
                {
                    key: record[key]
                    for key in (
                        *("setting", "model", "copied", "protocol", "seed"),
                        *("mrr_at_5", "speedup", "step_seconds", "curve"),
                    )
                }
                for record in records
            ],
        },
    )
    figures.draw_convergence(
        records, output / f"{NAME}.png", TITLE, "validation MRR@5"
    )
    return "\n".join(
        f"{r['setting']} {r['model']} {r['copied']} seed {r['seed']}: "
        + (
            f"as good as from scratch {r['speedup']:.2f} times sooner"
            if r["speedup"]
            else "never as good as from scratch"
        )
        for r in records
        if r["copied"]
    )


if __name__ == "__main__":
    command.run(main)
