"""What may be asked of a service, and what is said of the rest."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextitnet_tf.serving import Limits
from nextitnet_tf.serving import Question
from nextitnet_tf.serving import Refused
from nextitnet_tf.serving.questions import read_question

LIMITS = Limits(max_body=1000, max_histories=3, max_k=20)


def read(content, num_items=50):
    if not isinstance(content, bytes):
        content = json.dumps(content).encode()
    return read_question(content, LIMITS, num_items)


def test_what_may_be_asked():
    assert read({"history": [1, "b"]}) == Question([[1, "b"]], 10, True)
    assert read({"histories": [[], ["a"]], "k": 20, "exclude_seen": False}) == (
        Question([[], ["a"]], 20, False)
    )
    assert read({"histories": []}).histories == []
    # Where there are fewer items than 10, all of them.
    assert read({"history": []}, num_items=4).k == 4


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 400, "Expected JSON"),
        (b"{", 400, "Expected JSON"),
        (b"\xff\xfe{}", 400, "Expected JSON"),
        (b'{"history": [' * 70, 400, "Expected JSON"),
        (b'{"k": ' + b"9" * 900 + b"}", 422, "either history or histories"),
        (b" " * 1001, 413, "at most 1,000 bytes"),
        ([], 422, "a JSON object"),
        (None, 422, "Received: null"),
        ({}, 422, "either history or histories. Received: []"),
        ({"history": [], "histories": []}, 422, "either history or"),
        ({"histroy": []}, 422, "histories, k, exclude_seen (history?)"),
        ({"": []}, 422, 'exclude_seen. Received: ""'),
        ({"history": "12"}, 422, "history to be a list of item ids. Receive"),
        ({"history": None}, 422, "Received: null"),
        ({"histories": 1}, 422, "histories to be a list of lists"),
        ({"histories": [[1], 2]}, 422, "histories[1] to be a list"),
        ({"histories": [[1], [2, 2.0]]}, 422, "histories[1][1] to be an item"),
        ({"history": [True]}, 422, "history[0] to be an item id"),
        ({"history": [None]}, 422, "Received: null"),
        (b'{"history": [NaN]}', 422, "Received: NaN"),
        ({"histories": [[]] * 4}, 413, "at most 3 histories. Received: 4"),
        ({"history": [], "k": 0}, 422, "k to be an integer of 1 to 20"),
        ({"history": [], "k": 21}, 422, "1 to 20. Received: 21"),
        ({"history": [], "k": True}, 422, "1 to 20. Received: true"),
        ({"history": [], "k": "3"}, 422, 'Received: "3"'),
        ({"history": [], "k": 3.0}, 422, "Received: 3.0"),
        ({"history": [], "exclude_seen": 1}, 422, "true or false. Received: 1"),
    ],
)
def test_what_is_refused(content, status, words):
    with pytest.raises(Refused) as refused:
        read(content)
    assert refused.value.status == status
    assert words in str(refused.value)


def test_k_is_at_most_the_number_of_items():
    assert read({"history": [], "k": 7}, num_items=7).k == 7
    with pytest.raises(Refused, match="1 to 7. Received: 8"):
        read({"history": [], "k": 8}, num_items=7)


def test_what_is_shown_of_a_request_is_short():
    with pytest.raises(Refused) as refused:
        read({"history": "a" * 900})
    assert len(str(refused.value)) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["history", "histories", "k", "exclude_seen", "x"])
            | st.text(max_size=3),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


@given(JSON)
def test_whatever_comes_is_a_question_or_refused(content):
    try:
        question = read(content)
    except Refused as refused:
        assert 400 <= refused.status < 500
        assert "Expected" in str(refused) and "Received" in str(refused)
    else:
        assert 1 <= question.k <= 20 and len(question.histories) <= 3


@given(st.binary(max_size=1100))
def test_whatever_bytes_come_are_refused(content):
    with pytest.raises(Refused):
        read(content)


@pytest.mark.parametrize(
    ("wrong", "words"), [({"max_k": 0}, "max_k=0"), ({"max_batch": 12}, "=12")]
)
def test_limits_that_are_none(wrong, words):
    with pytest.raises(ValueError, match=words):
        Limits(**wrong)
