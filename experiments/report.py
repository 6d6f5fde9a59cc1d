r"""One page of everything that was measured.

  python -m experiments.report --results=results

Gathers what the other commands wrote below RESULTS into RESULTS/index.html:
which of the papers' conclusions hold, every table with the paper's figures
beside ours, every picture, and what was run where. The page shows the folders
that are committed, or those that --only names. Keep it beside the folders,
whose pictures it shows.
"""

from absl import flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments import report_flags
from experiments.reporting import page
from nextitnet_tf import atomic_files

for _name in report_flags.NAMES:
    flags.declare_key_flag(_name)


def main() -> None:
    root, shown = report_flags.chosen("report")
    text = page.make_page(root, shown)
    atomic_files.write_text(root / "index.html", text)
    print(
        f"{root / 'index.html'}: {text.count('<table')} tables, "
        f"{text.count('<img')} pictures, of {len(shown)} folders"
    )
    left_out = sorted(p.name for p in root.glob("*/") if p not in shown)
    if left_out and not report_flags.ONLY.value:
        print(
            f"Not committed, so left out: {', '.join(left_out)}. "
            f"--only={left_out[0]} shows it."
        )


if __name__ == "__main__":
    command.run(main)
