r"""Which of the papers' conclusions hold in our results.

  python -m experiments.conclusions --results=results

Reads RESULTS/*/table.json, table3.json, ..., figure6.json (of `make
reproduce-table2`, ...) and writes RESULTS/README.md: for each conclusion what
the paper says, what was measured on which data, and whether it holds. Trains
nothing. It is about the folders that are committed, or those that --only
names. Where RESULTS stands beside docs/, it also writes docs/accuracy.md: what
to start from, and what was tried; and docs/reliability.md.
"""

from absl import flags

import nextitnet_tf.commands.command as command  # first: quiet TensorFlow
from experiments import papers
from experiments import report_flags
from experiments.reporting import accuracy_page
from experiments.reporting import claims
from experiments.reporting import reliability_page
from nextitnet_tf import atomic_files

for _name in report_flags.NAMES:
    flags.declare_key_flag(_name)


def main() -> None:
    root, shown = report_flags.chosen("conclusions")
    text = claims.write_up(shown, papers.claims())
    atomic_files.write_text(root / "README.md", text)
    docs = root.parent / "docs"
    if docs.is_dir():
        page = accuracy_page.make_page(shown)
        atomic_files.write_text(docs / "accuracy.md", page)
        page = reliability_page.make_page(root)
        atomic_files.write_text(docs / "reliability.md", page)
    print(text)


if __name__ == "__main__":
    command.run(main)
