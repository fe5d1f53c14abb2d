"""What is said of a wrong declaration: every problem at once, in file order, with its exact place."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.declaration import load, loads
from penstock.errors import DeclarationError, LakeNotFoundError

HERE = Path(__file__).parent
MAPPING = "must be a mapping of names to values"


def problems(text: str, **environment: str) -> list[str]:
    """The problems of a declaration, as people read them."""
    with pytest.raises(DeclarationError) as caught:
        loads(text, environment=environment)
    error = caught.value
    assert error.count_line == f"{len(error.problems)} problem{'s' * (len(error.problems) != 1)} found"
    return str(error).split("\n")


def test_every_problem_at_every_depth() -> None:
    """A declaration that is wrong in fifty ways: all are told at once, in the order in which they stand."""
    found = problems((HERE / "problems.yaml").read_text(encoding="utf-8"))
    assert found == (HERE / "problems.txt").read_text(encoding="utf-8").splitlines()
    places = [tuple(map(int, line.split(" ")[0].split(":")[1:])) for line in found]
    assert places == sorted(places)


def test_places_are_those_of_the_file() -> None:
    """Each place of the snapshot points at the key or value that its text is about."""
    lines = (HERE / "problems.yaml").read_text(encoding="utf-8").splitlines()
    for problem in problems("\n".join(lines)):
        place, text = problem.split(" ", 1)
        line, column = map(int, place.split(":")[1:])
        rest = lines[line - 1][column - 1 :]
        assert rest or "found nothing" in text
        assert not rest.startswith(" ")
        if "unknown key" in text or "unknown step" in text:
            assert rest.startswith(text.split('"')[1] + ":")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", 'lake.yaml:1:1 is empty; a declaration starts with "lake: NAME"'),
        ("# only a comment\n", 'lake.yaml:1:1 is empty; a declaration starts with "lake: NAME"'),
        ("- a\n", f"lake.yaml:1:1 {MAPPING}, found a list"),
        ("just text\n", f'lake.yaml:1:1 {MAPPING}, found the text "just text"'),
        ("tags: {}\n", 'lake.yaml:1:1 the key "lake" is missing'),
        ("lake: [\n", "lake.yaml:2:1 not valid YAML: did not find expected node content"),
        ("lake: x\nlake: y\n", 'lake.yaml:2:1 lake: the key "lake" stands twice; the first is at line 1'),
        ("lake: x\n---\nlake: y\n", "lake.yaml:2:1 not valid YAML: but found another document"),
        ("lake: *nowhere\n", "lake.yaml:1:7 not valid YAML: found undefined alias"),
        ("lake: x\n? [a]\n: b\n", "lake.yaml:2:3 a key must be plain text"),
        ("lake: x\nl\u00e4ke: y\n", 'lake.yaml:2:1 unknown key "l\u00e4ke"; did you mean "lake"?'),
        ("lake: &a [*a]\n", "lake.yaml:1:1 is nested too deeply, or an anchor holds itself"),
        (f"lake: {'[' * 2000}{']' * 2000}\n", "lake.yaml:1:1 is nested too deeply, or an anchor holds itself"),
        ("lake: 5\n", "lake.yaml:1:7 lake: must be text, found the number 5"),
        ("lake: true\n", "lake.yaml:1:7 lake: must be text, found true"),
        ("lake:\n", "lake.yaml:1:6 lake: must be text, found nothing"),
        (f"lake: x\ndescription: [{'x' * 99}]\n", "lake.yaml:2:14 description: must be text, found a list"),
        ("lake: x\ntags: {\u00e9\u00e9: \u00e9, b: 5}\n", "lake.yaml:2:18 tags.b: must be text, found the number 5"),
        ("lake: x\ntables:\n  t: {files: 5}\n", "lake.yaml:3:14 tables.t.files: must be text, found the number 5"),
    ],
    ids=range(19),
)
def test_single_problems(text: str, problem: str) -> None:
    """One problem, one line: the place, what was found, the rule."""
    assert problems(text) == [problem]


def test_tabs_are_told() -> None:
    """Tabs for indentation are not valid YAML; the line says so."""
    (problem,) = problems("lake: x\ntables:\n\tt: {files: x}\n")
    assert problem.startswith("lake.yaml:3:1 not valid YAML: found ")
    assert "tab" in problem or "cannot start any token" in problem


def test_control_characters_are_told() -> None:
    """A character that YAML does not allow is told with its line."""
    (problem,) = problems("lake: x\ndescription: a\x07b\n")
    assert problem.startswith("lake.yaml:2:")
    assert "a character that YAML does not allow" in problem


def test_environment_variables() -> None:
    """`${NAME}` is taken from the environment, always as text; `$${NAME}` stands for itself."""
    text = "lake: x\ntags: {a: '${A}-${B}', b: \"$${A}\", c: '${A', d: $A}\ndescription: ${A}\n"
    declaration = loads(text, environment={"A": "5", "B": "b: [}"})
    assert declaration.tags == {"a": "5-b: [}", "b": "${A}", "c": "${A", "d": "$A"}
    assert declaration.description == "5"


def test_missing_environment_variables() -> None:
    """A variable that is not set is a problem at the value, and all of them are told."""
    hint = "is not set; set it, or write"
    assert problems("lake: x\ntags:\n  a: '${NO}'\n  b: ${NEITHER}\n") == [
        f"lake.yaml:3:6 tags.a: the environment variable NO {hint} $${{NO}} for the text itself",
        f"lake.yaml:4:6 tags.b: the environment variable NEITHER {hint} $${{NEITHER}} for the text itself",
    ]


@pytest.mark.parametrize(
    "scalar",
    ["no", "on", "yes", "off", "y", "02:00", "1:30:00", "2023-01-05", "1_000", "0x1F", "0o7", ".inf", "1.2.3", "~x"],
)
def test_scalars_that_are_text(scalar: str) -> None:
    """YAML 1.2: what older YAML took for booleans, times and dates is text."""
    assert loads(f"lake: x\ntags: {{a: {scalar}}}\n", environment={}).tags == {"a": scalar}


@pytest.mark.parametrize(
    ("scalar", "found"),
    [
        ("true", "true"), ("False", "false"), ("null", "nothing"), ("~", "nothing"), ("", "nothing"),
        ("12", "the number 12"), ("-012", "the number -12"), ("1.5", "the number 1.5"), ("1e3", "the number 1000.0"),
    ],
)  # fmt: skip
def test_scalars_that_are_not_text(scalar: str, found: str) -> None:
    """Only true, false, null and numbers are not text, and nothing is converted on the quiet."""
    (problem,) = problems(f"lake: x\ntags:\n  a: {scalar}\n")
    assert problem.endswith(f"tags.a: must be text, found {found}")


@pytest.mark.parametrize("text", ["'12'", '"12"', "!x '12'", "|-\n    12"])
def test_quoted_scalars_are_text(text: str) -> None:
    """What stands in quotes or in a block is text."""
    assert loads(f"lake: x\ntags:\n  a: {text}\n", environment={}).tags == {"a": "12"}


def test_a_byte_order_mark_does_not_matter(tmp_path: Path) -> None:
    """Some editors write a mark at the start of a file; it is no part of the text."""
    (tmp_path / "lake.yaml").write_bytes(b"\xef\xbb\xbflake: x\r\ntags: {a: b}\r\n")
    assert load(tmp_path, {}).lake == "x"
    (tmp_path / "lake.yaml").write_bytes(b"\xef\xbb\xbflak: x\n")
    with pytest.raises(DeclarationError, match=r"^lake\.yaml:1:1 "):
        load(tmp_path, {})


def test_other_encodings_are_refused(tmp_path: Path) -> None:
    """A declaration is UTF-8."""
    (tmp_path / "lake.yaml").write_bytes("lake: x\ndescription: é\n".encode("latin-1"))
    with pytest.raises(DeclarationError) as caught:
        load(tmp_path, {})
    assert str(caught.value) == "lake.yaml:1:1 is not UTF-8 text (byte 21); save it as UTF-8"


def test_a_folder_without_a_lake(tmp_path: Path) -> None:
    """No `lake.yaml`: what to do about it."""
    with pytest.raises(LakeNotFoundError) as caught:
        load(tmp_path, {})
    assert str(caught.value) == (
        f"{tmp_path}: no lake.yaml in this folder\n"
        "  make a lake with `penstock init consultations DIR`, or name one with `penstock -C DIR`"
    )
