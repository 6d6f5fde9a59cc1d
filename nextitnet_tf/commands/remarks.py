"""What is worth a word before a training begins."""

from nextitnet_tf import data
from nextitnet_tf.recipe import Recipe

# Share of the interactions below which filters are worth a word.
_FEW = 0.5
# Scores a step beyond which a smaller softmax is.
_MANY_SCORES = 2e8


def on(sessions: data.Sessions, recipe: Recipe) -> list[str]:
    """Remarks on data and recipe.

    Args:
        sessions: with what preparing them wrote down.
        recipe: what is to be trained on them.

    Returns:
        A sentence each, and what to type.
    """
    return [*_on_filters(sessions), *_on_softmax(sessions, recipe)]


def _on_filters(sessions: data.Sessions) -> list[str]:
    counts = sessions.meta.get("counts", [])
    choices = sessions.meta.get("choices", {})
    known = [c["interactions"] for c in counts if "interactions" in c]
    fewest = choices.get("min_users_per_item", 0)
    shortest = choices.get("min_items_per_user", 0)
    if len(known) < 2 or known[-1] >= _FEW * known[0]:
        return []
    return [
        f"note: of {known[0]:,} interactions {known[-1]:,} are left: items "
        f"with fewer than {fewest} users go, users with fewer than {shortest} "
        "items, and what is left of a history with fewer than "
        f"{choices.get('min_length')} items. --min_users_per_item=1 "
        "--min_items_per_user=1 --min_length=2 --force keep all but single ones"
    ]


def _on_softmax(sessions: data.Sessions, recipe: Recipe) -> list[str]:
    positions = recipe.batch_size * (sessions.rows.shape[1] - 1)
    is_full = not (
        recipe.protocol.sampled_fraction
        or recipe.model_config.get("compression")
    )
    if not is_full or positions * sessions.num_items <= _MANY_SCORES:
        return []
    return [
        f"note: each step scores {sessions.num_items:,} items at "
        f"{positions:,} positions; --compression=auto, or "
        "--sampled_fraction=0.1, takes a fraction of that, and --dry_run "
        "tells how long"
    ]
