"""What is worth a word before a training begins."""

from nextitnet_tf import data

# Share of the interactions below which filters are worth a word.
_FEW = 0.5


def on(sessions: data.Sessions) -> list[str]:
    """Remarks on how sessions were prepared.

    Args:
        sessions: with what preparing them wrote down.

    Returns:
        A sentence each, and what to type.
    """
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
