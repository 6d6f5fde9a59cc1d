"""How data become numbers, as data."""

import math
from dataclasses import dataclass
from dataclasses import field
from dataclasses import fields
from dataclasses import replace
from typing import Any

# How items are numbered (`Protocol.item_ids`).
NUMBERINGS = (
    "first_appearance",
    "frequency",
    "counted_padding",
    "counted_after_unknown",
)
# A field that says what a thing is called, and decides no number.
A_LABEL = {"is_label": True}


def check_choice(instance: Any, name: str, choices: tuple) -> None:
    """Raises ValueError if a field has none of its choices."""
    value = getattr(instance, name)
    if value not in choices:
        raise ValueError(
            f"`{name}` must be one of {choices}. Received: {name}={value!r}"
        )


def make_plain(instance: Any) -> None:
    """Numbers as Python's own: NumPy's are the same, but JSON has none.

    A field is what its default, or the annotation of one without, says.

    Raises:
        ValueError: a number of another kind, or one that is not finite.
    """
    for f in fields(instance):
        kind = {"int": int, "float": float}.get(
            getattr(f.type, "__name__", str(f.type))
        )
        if kind is None:
            continue
        value = getattr(instance, f.name)
        is_odd = isinstance(value, float) and math.isnan(value)
        try:
            plain = value if is_odd else kind(value)
        except OverflowError:
            plain = math.inf
        if isinstance(plain, float) and not math.isfinite(plain):
            raise ValueError(
                f"`{f.name}` must be finite. Received: {f.name}={value}"
            )
        if plain != value:
            raise ValueError(
                f"`{f.name}` must be a number of kind {kind.__name__}. "
                f"Received: {f.name}={value!r}"
            )
        if type(value) is not kind:
            object.__setattr__(instance, f.name, plain)


@dataclass(frozen=True)
class Protocol:
    """How sessions become numbers; printed with every number.

    Attributes:
        name: "release", "clean", or a name that says what was changed.
        item_ids: "first_appearance" numbers items as the release does, with
            padding an ordinary item; "frequency" keeps the sessions' own
            ids, by falling frequency, padding 0; "counted_padding" is by
            falling frequency, too, with padding where its count puts it, as
            CpRec's release numbers them; "counted_after_unknown" is that
            from 1 on, after `<UNK>`, as SkipRec's release numbers them.
        sampled_fraction: negatives of the sampled softmax as a share of all
            columns; 0 for the full softmax.
        count_padding: whether predicting a padding counts in the loss.
        rank_padding: whether padding can be ranked above the target.
        split: "rows" has the last `test_share` of the rows, in an order
            drawn by `split_seed`, for the test; early stopping looks at the
            same rows, unless there is a `validation_share`.
            "leave_one_out" tests each user's last item, validates
            the last but one and trains on the others;
            "users" is 80/10/10, stopping on validation, reporting on
            test, no user in two of them; "temporal" trains on what was
            over before `train_until`, validates before `validate_until`
            and tests what follows, whoever the user is.
        nesting: of the training fractions: "release" with its flaw,
            "repaired", or "prefix" (of one seeded permutation).
        reshuffle: whether each pass over the rows has an order of its own.
        keep_last_batch: whether an incomplete last batch counts. If not,
            the last batch is dropped even when it is full, as the release
            does.
        keep_full_batch: whether a last batch that is full counts where an
            incomplete one does not, as in SkipRec's release.
        adam_epsilon: of the optimizer.
        l2: weight of the release's L2 penalty.
        identical_kernels: whether all convolution kernels start equal.
        overwrites_rows: whether a model that replaces users and items at
            random (`SSEPT`) does so in the rows themselves, for good.
        recut: whether each pass cuts a user's sessions at other places
            (`data.recutting`).
        ties_to: which of two items with equal scores comes first, the one of
            the "lower" or of the "higher" id.
        stop_on_unseen: whether early stopping looks at the ranking without
            the other items of a session, as `recommend` answers.
        train_until: of the temporal split: a date (2020-01-31), a time in
            the unit of the raw data, or, below 1, the share of the rows
            that are over by then.
        validate_until: the same.
        test_share: of the rows that are split by rows.
        validation_share: of them, too: the rows before those of the test. 0
            stops on the test.
        split_seed: of NumPy's generator, which draws the order in which rows
            are split.
    """

    name: str = field(metadata=A_LABEL)
    item_ids: str
    sampled_fraction: float
    count_padding: bool
    rank_padding: bool
    split: str
    nesting: str
    reshuffle: bool
    keep_last_batch: bool
    adam_epsilon: float
    l2: float
    identical_kernels: bool
    overwrites_rows: bool = False
    recut: bool = False
    stop_on_unseen: bool = False
    ties_to: str = "lower"
    train_until: str = "0.8"
    validate_until: str = "0.9"
    keep_full_batch: bool = False
    test_share: float = 0.2
    validation_share: float = 0.0
    split_seed: int = 10

    def __post_init__(self):
        make_plain(self)
        check_choice(self, "item_ids", NUMBERINGS)
        check_choice(self, "ties_to", ("lower", "higher"))
        check_choice(
            self, "split", ("rows", "users", "leave_one_out", "temporal")
        )
        check_choice(self, "nesting", ("release", "repaired", "prefix"))
        if not 0 <= self.sampled_fraction < 1:
            raise ValueError(
                "`sampled_fraction` must be in [0, 1). Received: "
                f"sampled_fraction={self.sampled_fraction}"
            )
        if self.l2 < 0 or self.adam_epsilon < 0:
            raise ValueError(
                "`l2` and `adam_epsilon` must be at least 0. Received: "
                f"l2={self.l2}, adam_epsilon={self.adam_epsilon}"
            )
        until = self.train_until, self.validate_until
        if self.split != "temporal" and until != ("0.8", "0.9"):
            raise ValueError(
                "Only a temporal split ends at a time: expected "
                "split='temporal'. Received: "
                f"split={self.split!r}, train_until={until[0]!r}, "
                f"validate_until={until[1]!r}"
            )
        self._check_shares()
        if self.recut and not self.reshuffle:
            raise ValueError(
                "Sessions that are cut anew come in a new order: expected "
                "reshuffle=True. Received: recut=True, reshuffle=False"
            )

    def _check_shares(self):
        """Of a split by rows, which alone has them."""
        shares = self.test_share, self.validation_share
        of_rows = (*shares, self.split_seed)
        said = (
            f"test_share={shares[0]}, validation_share={shares[1]}, "
            f"split_seed={self.split_seed}"
        )
        if self.split != "rows" and of_rows != (0.2, 0.0, 10):
            raise ValueError(
                "Only a split by rows has shares and a seed: expected "
                f"split='rows'. Received: split={self.split!r}, {said}"
            )
        is_split = shares[0] > 0 and shares[1] >= 0 and sum(shares) < 1
        if not is_split or not 0 <= self.split_seed < 2**32:
            raise ValueError(
                "Expected a test_share above 0, a validation_share of 0 or "
                "more, both together below 1, and a split_seed in [0, 2^32). "
                f"Received: {said}"
            )


PROTOCOLS = {
    "release": Protocol(
        name="release",
        item_ids="first_appearance",
        sampled_fraction=0.2,
        count_padding=True,
        rank_padding=True,
        split="rows",
        nesting="release",
        reshuffle=False,
        keep_last_batch=False,
        adam_epsilon=1e-8,
        l2=0.0,
        identical_kernels=True,
        overwrites_rows=True,
    ),
    "clean": Protocol(
        name="clean",
        item_ids="frequency",
        sampled_fraction=0.0,
        count_padding=False,
        rank_padding=False,
        split="users",
        nesting="prefix",
        reshuffle=True,
        keep_last_batch=True,
        adam_epsilon=1e-7,
        l2=0.0,
        identical_kernels=False,
    ),
}

# CpRec's own release: the full softmax of all items, counted by frequency with
# padding among them, the test looked at after every pass.
PROTOCOLS["cprec_release"] = replace(
    PROTOCOLS["release"],
    name="cprec_release",
    item_ids="counted_padding",
    sampled_fraction=0.0,
    l2=0.001,
    overwrites_rows=False,
    ties_to="higher",
)
# SkipRec's own: negatives are sampled, items counted after `<UNK>`, 90/10 of
# the rows, the test looked at after every pass, the last batch dropped where
# it is incomplete. It ranks by NumPy's sorting, read from its end.
PROTOCOLS["skiprec_release"] = replace(
    PROTOCOLS["release"],
    name="skiprec_release",
    item_ids="counted_after_unknown",
    nesting="prefix",  # the release has no fractions
    keep_full_batch=True,
    identical_kernels=False,
    overwrites_rows=False,
    ties_to="higher",
    test_share=0.1,
    split_seed=1234,
)
# The shares of SkipRec's paper, the rest as in its release.
PROTOCOLS["skiprec_paper"] = replace(
    PROTOCOLS["skiprec_release"],
    name="skiprec_paper",
    test_share=0.15,
    validation_share=0.05,
)
# What the field publishes.
PROTOCOLS["leave_one_out"] = replace(
    PROTOCOLS["clean"],
    name="leave_one_out",
    split="leave_one_out",
    stop_on_unseen=True,
)
# Nobody knows the future: what follows a time tests what came before it.
PROTOCOLS["temporal"] = replace(
    PROTOCOLS["clean"], name="temporal", split="temporal", stop_on_unseen=True
)


def protocol_differences(protocol: Protocol) -> list[str]:
    """In which fields a protocol departs from the one it is named after."""
    base = PROTOCOLS.get(protocol.name)
    if base is None:
        return []
    return [
        f"{f.name}={getattr(protocol, f.name)}"
        for f in fields(Protocol)
        if getattr(protocol, f.name) != getattr(base, f.name)
    ]
