"""What the bytes give away of lines that a lenient reader misreads."""

import io

import pytest

from nextitnet_tf.preparation.watch import Watch


def watched(text, size):
    """The text, passed through in blocks of a size."""
    watch = Watch(io.BufferedReader(io.BytesIO(text.encode())))
    buffer = bytearray(size)
    while watch.readinto(buffer):
        pass
    return watch


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(
    ("text", "num_rows", "expected"),
    [
        # Three columns each.
        ("1,2,3\n4,5,6\n", 2, False),
        ("1,2,3\n4,5,6", 2, False),
        ("1,2,3\r\n4,5,6\r\n", 2, False),
        ("1,2,3\n4,5\n", 2, True),
        ("1,2,3\n4,5,6,7\n", 2, True),
        ("1,2,3\r4,5,6\n", 2, True),
        ("1,2,3\r4,5,6\r", 2, True),
        ("1,\0,3\n4,5,6\n", 2, True),
        ('"1","2","3"\n4,"",6\n', 2, False),
        ('"1","2","3"\n4,5,"6"', 2, False),
        ('"1","2","3"\r\n"4",5,6\r\n', 2, False),
        ('"a""b",2,3\n"""",5,""""""\n', 2, False),
        # A comma inside is no separator.
        ('"1,1",2,3\n4,5,6\n', 2, True),
        # Rows that were lost.
        ('1,"2,3\n4,"5,6\n', 1, True),
        ('1,"2\n2",3\n', 1, True),
        # An open one; quotes inside fields; closed ones with text after them.
        ('1,2,3\n4,"5,6', 2, True),
        ('1,2",3\n4,5",6\n', 2, True),
        ('1,"2"2,3\n4,5,6\n', 2, True),
        ('1,""2,3\n4,5,6\n', 2, True),
        ('1,"2"""2,3\n4,5,6\n', 2, True),
        # The comma of line 2 is a field of its own; then comes text.
        ('4,","6",7\n', 1, True),
    ],
)
def test_suspicion(text, num_rows, expected, size):
    assert watched(text, size).is_suspicious(num_rows, 3) is expected


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,20,3\n", False),
        ("1,0,-3\n", False),
        ("1,02,3\n", True),
        ("1,+2,3\n", True),
        ("1,2,-0\n", True),
        ("01,2,3\n", True),
        ('1,"2",3\n', True),
        ("1, 2,3\n", True),
    ],
)
def test_integers_that_are_not_printed_as_such(text, expected, size):
    assert watched(text, size).odd is expected
