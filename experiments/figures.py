"""Pictures of results."""

from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen needed

from matplotlib import pyplot as plt

from nextitnet_tf import atomic_files


def draw_convergence(
    records: list[dict], path: Path, title: str, y_label: str
) -> None:
    """Metric against training seconds, one line a model, one panel a setting.

    Args:
        records: of `tables.to_records`; those without a curve are passed
            over.
        path: png to write.
        title: above the panels.
        y_label: what the metric is, and on which sessions.
    """
    records = [r for r in records if r.get("curve")]
    panels = sorted({(r["protocol"], r["setting"]) for r in records})
    if not panels:
        return
    figure, axes = plt.subplots(
        len(panels),
        1,
        figsize=(8, 4.2 * len(panels)),
        squeeze=False,
        layout="constrained",
    )
    for axis, (protocol, setting) in zip(axes[:, 0], panels, strict=True):
        for record in records:
            if (record["protocol"], record["setting"]) != (protocol, setting):
                continue
            label = " ".join(
                str(part)
                for part in (record["model"], record["copied"])
                if part
            )
            axis.plot(
                [point["seconds"] for point in record["curve"]],
                [point["val_mrr_at_5"] for point in record["curve"]],
                marker=".",
                linewidth=1.2,
                label=f"{label}, seed {record['seed']}",
            )
        axis.set_title(f"{setting}, protocol {protocol}")
        axis.set_xlabel("training seconds of this stage")
        axis.set_ylabel(y_label)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    figure.suptitle(title)
    with atomic_files.replacing(path) as partial:
        figure.savefig(partial, dpi=120)
    plt.close(figure)
