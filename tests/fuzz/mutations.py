"""Files that were damaged in ways that people and disks damage them."""

import io
import json
import random
import re
import zipfile

_TOKENS = (
    *(b"", b"\0", b"\n", b"\r", b"\r\n", b",", b",,", b'"', b"\x0c", b"::"),
    *(b"\xff", b"\xef\xbb\xbf", "\u2028".encode(), b" ", b"\t", b"a", b"0"),
    *(b"-1", b"1e400", b"nan", b"inf", b"99999999999999999999", b"2147483648"),
    *(b"18446744073709551616", b"None", b"null", b"true", b"[]", b"{}"),
)
_VALUES = (
    *(None, True, -1, 0, 1e400, 10**9, 10**18, 2**31, 2**63, "", "x", [], {}),
    *([0], {"a": 0}, 0.5, "../x", "1" * 1000),
)


def mutate(content: bytes, generator: random.Random) -> bytes:
    """One to four damages of a file's bytes."""
    for _ in range(generator.randint(1, 4)):
        content = generator.choice(_DAMAGES)(content, generator)
    return content


def _flip(content, generator):
    if not content:
        return content
    changed = bytearray(content)
    for _ in range(generator.choice((1, 1, 8))):
        at = generator.randrange(len(changed))
        changed[at] ^= 1 << generator.randrange(8)
    return bytes(changed)


def _cut(content, generator):
    start, end = sorted(generator.randint(0, len(content)) for _ in "ab")
    return content[:start] + content[end:]


def _end_early(content, generator):
    return content[: generator.randint(0, len(content))]


def _insert(content, generator):
    at = generator.randint(0, len(content))
    token = generator.choice(_TOKENS) * generator.choice((1, 1, 2, 500))
    return content[:at] + token + content[at:]


def _replace_number(content, generator):
    found = list(re.finditer(rb"\d+", content))
    if not found:
        return content
    place = generator.choice(found)
    token = generator.choice(_TOKENS)
    return content[: place.start()] + token + content[place.end() :]


def _repeat(content, generator):
    start, end = sorted(generator.randint(0, len(content)) for _ in "ab")
    return content[:end] + content[start:end] + content[end:]


def _shuffle_lines(content, generator):
    lines = content.split(b"\n")
    generator.shuffle(lines)
    return b"\n".join(lines)


_DAMAGES = (
    *(_flip, _cut, _end_early, _insert, _insert, _replace_number, _repeat),
    _shuffle_lines,
)


def mutate_json(content: bytes, generator: random.Random) -> bytes:
    """Another value somewhere, or a damage of the text."""
    if generator.random() < 0.3:
        return mutate(content, generator)
    value = json.loads(content)
    for _ in range(generator.randint(1, 2)):
        value = _changed(value, generator)
    return json.dumps(value).encode()


def _changed(value, generator):
    if not isinstance(value, dict | list) or not value:
        return generator.choice(_VALUES)
    if generator.random() < 0.1:
        return generator.choice(_VALUES)
    keys = list(value) if isinstance(value, dict) else list(range(len(value)))
    key = generator.choice(keys)
    value = dict(value) if isinstance(value, dict) else list(value)
    if generator.random() < 0.15:
        del value[key]
    else:
        value[key] = _changed(value[key], generator)
    return value


def mutate_zip(content: bytes, generator: random.Random) -> bytes:
    """A damage of the archive, or of a file in it with a new checksum."""
    if generator.random() < 0.2:
        return mutate(content, generator)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = generator.choice(sorted(parts))
    is_json = name.endswith(".json")
    parts[name] = (mutate_json if is_json else mutate)(parts[name], generator)
    if generator.random() < 0.1:
        del parts[name]
    if generator.random() < 0.1:
        parts[generator.choice(("../x", "extra"))] = b"x"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for each, part in parts.items():
            archive.writestr(each, part)
    return packed.getvalue()
