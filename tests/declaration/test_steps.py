"""What the steps of a declaration may not say, in the words that people read."""

from __future__ import annotations

import pytest

from penstock.declaration import loads
from penstock.errors import DeclarationError

LAKE = "lake: x\ntables:\n  t:\n    files: '*.csv'\n    steps:\n      - "


def problem(step: str) -> str:
    """The one problem of a lake with the step, without its place."""
    with pytest.raises(DeclarationError) as caught:
        loads(LAKE + step, environment={})
    (found,) = caught.value.problems
    assert (found.line, found.path.startswith("tables.t.steps[0]")) == (6, True)
    return found.text


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        ("type: date, zone: Europe/Paris", "zone goes with timestamptz, not with date"),
        ("type: timestamptz, zone: Europe/Pris", '"Europe/Pris" is not a time zone; did you mean "Europe/Paris"?'),
        ('type: date, format: "%d/%m"', 'the format "%d/%m" has no year; add %y or %Y'),
        (
            'type: date, format: "%d/%m/%Y %j"',
            (
                'the format "%d/%m/%Y %j" has the letter %j; known are %d, %m, %b, %B, %y, '
                "%Y, %H, %I, %p, %M, %S, %f, %z and %%"
            ),
        ),
        (
            'type: date, format: "%d/%m/%Y %"',
            (
                'the format "%d/%m/%Y %" has the letter %; known are %d, %m, %b, %B, %y, '
                "%Y, %H, %I, %p, %M, %S, %f, %z and %%"
            ),
        ),
        ('type: date, format: ["iso", "%d/%m/%Y %y"]', 'the format "%d/%m/%Y %y" names the year twice'),
        ('type: timestamp, format: "%d/%m/%Y %I:%M"', 'the format "%d/%m/%Y %I:%M" has no half of the day; add %p'),
        ('type: timestamp, format: "%d/%m/%Y %S"', 'the format "%d/%m/%Y %S" has no minute; add %M'),
        ('type: time, format: "%M"', 'the format "%M" has no hour; add %H or %I'),
        (
            'type: timestamp, format: "%d/%m/%Y %H:%M %z"',
            ('the format "%d/%m/%Y %H:%M %z" reads an offset (%z), which a timestamp does not keep; use timestamptz'),
        ),
        (
            'type: timestamptz, format: "%d/%m/%Y"',
            ('the format "%d/%m/%Y" has no offset (%z): say with zone which time zone is meant'),
        ),
        (
            'type: double, locale: fr, decimal: ","',
            ("locale says how decimal and thousands are written; give one or the other"),
        ),
        ('type: double, thousands: "."', 'decimal and thousands cannot both be "."'),
        ('type: double, decimal: "5"', 'decimal must be a mark such as "." or ",", found "5"'),
        (
            'type: double, units: ["2x"]',
            ('"2x" is no unit: it must not be blank, start with a digit, or be a mark of numbers'),
        ),
        ("type: decimal, precision: 1", "scale 2 is above precision 1: it counts the digits after the mark among all"),
        ("type: boolean, true: [a]", "words for true need words for false, and the other way round"),
        ("type: boolean, true: [a], false: [A]", '"a" stands below true and below false'),
        ("type: boolean, true: [a], false: [b], nulls: [B]", '"b" stands below false and below nulls'),
    ],
)
def test_parse(rule: str, text: str) -> None:
    """A rule that cannot be meant says which of its words, and why."""
    assert problem(f"parse: {{a: {{{rule}}}}}") == text


@pytest.mark.parametrize(
    ("step", "text"),
    [
        ("map: {a: {x: 1, y: b}}", "the new values are of two types: an integer (1) and a text (b)"),
        ("map: {a: {x: 9223372036854775808}}", "9223372036854775808 is too large for an integer"),
        (
            'map: {a: {x: u, otherwise: "null"}}',
            ('"otherwise" stands among the values; write them below values: {...}, and otherwise beside it'),
        ),
        (
            "map: {a: {values: {x: u, X: v}, ignore_case: true}}",
            ('"x" and "X" are alike where case is ignored, and become different values'),
        ),
        (
            'replace: {a: {pattern: "(?=a)", by: ""}}',
            ('"(?=a)" is not a regular expression (RE2): invalid perl operator: (?='),
        ),
        (
            r'replace: {a: {pattern: "(a)", by: "\\2"}}',
            (
                r'"\2" holds \2; the pattern has \0 to \1, and a backslash is '
                "written twice"
            ),
        ),
        (
            r'replace: {a: {pattern: a, by: "x\\"}}',
            '"x\\" holds \\; the pattern has \\0, and a backslash is written twice',
        ),
        (
            'extract: {column: a, pattern: "(a)(?:b)", into: [x, y]}',
            ("the pattern has 1 group, and the new columns are 2; each group fills one"),
        ),
        ('extract: {column: a, pattern: "(a)(b)", into: [x, X]}', 'two of the new columns are called "x"'),
        ("split: {column: a, on: ;, into: [x, x]}", 'two of the new columns are called "x"'),
        ("clip: {a: [5, 1.5]}", "the range 5 to 1.5 is upside down"),
        ("clip: {a: [null, null]}", "a range needs at least one end"),
        ("mask: {a: {char: ab}}", 'must be one character, found the text "ab"'),
    ],
)
def test_other_steps(step: str, text: str) -> None:
    """A step that cannot be done says so before any file is there."""
    assert problem(step) == text


def test_what_looks_odd_and_is_right() -> None:
    """Two spellings of one word for one value, RE2's own classes, an escaped percent sign, and a list of parts."""
    steps = """parse: {a: {type: date, format: "%d %% %m %Y"}, b: {type: boolean, true: [Oui, OUI], false: [non]}}
      - replace: {a: {pattern: '\\pL[[:alpha:]]', by: '\\0\\\\'}}
      - map: {a: {values: {x: u, X: u}, ignore_case: true}, b: {true: 1, "1": 2.5, z: null}}
      - split: {column: a, on: ";", into: parts}
      - clip: {a: [0, 9007199254740993]}
      - parse: {a: {type: date, otherwise: null}, b: {type: date, otherwise: "null"}}
      - map: {a: {values: {x: y}, otherwise: null}}
"""
    (table,) = loads(LAKE + steps, environment={}).tables.values()
    assert [step.kind for step in table.steps] == ["parse", "replace", "map", "split", "clip", "parse", "map"]
    assert [rule.otherwise for step in table.steps[5:] for rule in step.body.values()] == ["null", "null", "null"]
    assert table.steps[4].body == {"a": [0, 9007199254740993]}
