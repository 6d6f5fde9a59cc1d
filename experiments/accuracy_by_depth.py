r"""How accurate a model is by its depth, with little and with all data.

Reproduces StackRec's Figure 1 on any data: NextItNet of each of --depths,
from scratch on each of --ratios of the training data.

  python -m experiments.accuracy_by_depth --dataset=ml1m \
    --raw=interactions.csv.gz --protocol=release --depths=2,4,8,16

Writes OUTPUT/figure1.png, figure1.json and figure1.md, anew after each point;
runs are shared with the tables.
"""

import statistics

from absl import flags

from experiments import command  # first: it quietens TensorFlow
from experiments import figure_command
from experiments import figures
from experiments import options
from experiments import table_options
from experiments import tables
from experiments.recipes import figure1
from experiments.recipes import paper_data
from nextitnet_tf import atomic_files

_RATIOS = flags.DEFINE_list(
    "ratios",
    [str(ratio) for ratio in figure1.RATIOS],
    "Fractions of the training data.",
)
flags.adopt_module_key_flags(options)
for _name in ("depths", "seeds", "table_only"):
    flags.declare_key_flag(_name)


def main() -> None:
    depths = table_options.depths(default=figure1.DEPTHS)
    ratios = [command.number("ratios", r) for r in _RATIOS.value]
    protocol = options.protocol()
    budget = paper_data.budget(options.dataset_name())
    rows = [
        row
        for seed in table_options.seeds(default=[0])
        for row in figure1.select(
            depths,
            ratios,
            protocol,
            seed,
            **options.budget(budget),
            **options.recipe_options(),
        )
    ]
    if not rows:
        raise ValueError(
            "Expected at least one depth and one ratio. Received: "
            f"depths={depths}, ratios={_RATIOS.value}"
        )
    figure_command.run(rows, protocol, _write)


def _write(rows, sessions, output) -> str:
    lines = tables.read_lines(rows, sessions, output)
    if not lines:
        return "Nothing is done yet.\n"
    points: dict[tuple[str, int], list[tables.Line]] = {}
    for line in lines:
        depth = line.row.recipe.stages[-1].num_blocks
        points.setdefault((line.row.setting, depth), []).append(line)
    records = [
        {
            "data": ratio,
            "num_blocks": depth,
            "seeds": [line.summary["seed"] for line in of_point],
            "values": [line.summary["test"]["mrr_at_5"] for line in of_point],
            "num_train_rows": of_point[0].summary["num_train_rows"],
            "num_sessions": of_point[0].summary["num_sessions"],
        }
        for (ratio, depth), of_point in points.items()
    ]
    meta = next(iter(sessions.values())).meta
    protocol = lines[0].summary["protocol"]["name"]
    cells = [
        [
            record["data"],
            str(record["num_blocks"]),
            str(len(record["seeds"])),
            f"{statistics.mean(record['values']):.4f}",
            " ".join(f"{value:.4f}" for value in record["values"]),
            f"{record['num_train_rows']:,}",
        ]
        for record in sorted(
            records, key=lambda r: (len(r["data"]), r["data"], r["num_blocks"])
        )
    ]
    head = ["Data", "Blocks", "Seeds", "MRR@5", "Each seed", "Sessions trained"]
    text = "\n".join(
        [
            f"# {figure1.TITLE}",
            "",
            *(
                "| " + " | ".join(row) + " |"
                for row in (head, ["---"] * len(head), *cells)
            ),
            "",
            f"- Data: {meta.get('source')}, {meta['num_rows']:,} sessions of "
            f"t = {meta['t']}, {meta['num_items']:,} items. Protocol "
            f"{protocol}; {records[0]['num_sessions']:,} test sessions.",
            "",
        ]
    )
    atomic_files.write_text(output / f"{figure1.NAME}.md", text)
    atomic_files.write_json(
        output / f"{figure1.NAME}.json",
        {
            "title": figure1.TITLE,
            "data": meta,
            "protocol": protocol,
            "versions": lines[0].summary["versions"],
            "points": records,
        },
    )
    figures.draw_by_depth(
        records, output / f"{figure1.NAME}.png", figure1.TITLE
    )
    return text


if __name__ == "__main__":
    command.run(main)
