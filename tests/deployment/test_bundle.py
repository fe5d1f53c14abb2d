"""The bundle: what is in it, that it is the same every time, and that it fits."""

from __future__ import annotations

import ast
import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import penstock
from penstock.cli.bundle import facts_of
from penstock.declaration import Declaration, loads
from penstock.deployment.bundle import PYTHON, SERVICES, Bundle, Content, build
from penstock.deployment.bundle.build import LIMIT, _assert_fits
from penstock.deployment.bundle.bytecode import interpreter_of, source_of
from penstock.deployment.bundle.contents import lake_files
from penstock.deployment.bundle.imports import imported_packages
from penstock.deployment.bundle.layer import layer_of
from penstock.deployment.bundle.packages import LEFT_OUT, Package, packages_for
from penstock.deployment.bundle.slim import reason_against
from penstock.errors import BundleError
from tests.deployment.elf import library_of
from tests.docs.test_json import _documented, _fields
from tests.told import say

pytestmark = pytest.mark.timeout(600)  # a whole bundle is built

MEGABYTE = 1_000_000
AIM = 220 * MEGABYTE
"""For arm64 with bytecode, which is 18 MB of it."""
HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
LAKE = "lake: shop\ntables:\n  orders: {files: '*.csv'}\n"
OF_THE_MACHINE = re.compile(r"lib(c|m|dl|rt|pthread|util|gcc_s|stdc\+\+)\.so\.\d+|ld-linux-(x86-64|aarch64)\.so\.\d+")
"""What every machine of Lambda has: glibc, and GCC's libraries for C and C++."""
UNCHECKED_HASH = (1).to_bytes(4, "little")
"""What a file of bytecode says of its source: a hash of it stands here, and nobody looks."""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "bundle.md"
SMALL = (Package("mmh3", "5.3.1"), Package("six", "1.17.0"))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of one table."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "lake.yaml").write_text(LAKE)
    return folder


@pytest.fixture(scope="module")
def bundle(lake: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bundle]:
    """The lake's bundle for the machine that is deployed by default."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PENSTOCK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield build(lake, declared())


def declared(text: str = LAKE) -> Declaration:
    """A declaration."""
    return loads(text)


def names(path: Path) -> list[str]:
    """The names in a zip, in its order."""
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_it_fits(bundle: Bundle) -> None:
    """Unzipped, everything is far from the 250 MiB that Lambda takes; the sizes that are told are those in the zip."""
    with zipfile.ZipFile(bundle.path) as archive:
        unzipped = sum(entry.file_size for entry in archive.infolist())
    assert bundle.unzipped == unzipped < AIM < LIMIT
    assert bundle.size == bundle.path.stat().st_size
    told = re.search(r"(\d+) MB for arm64", PAGE.read_text("utf-8"))
    assert told is not None
    assert abs(int(told[1]) - unzipped / MEGABYTE) < 4, "docs/bundle.md says another size"
    largest = ", ".join(f"{one.name} {one.size / MEGABYTE:.0f}" for one in bundle.contents[:4])
    say("bundle", f"arm64: {unzipped / MEGABYTE:.1f} MB unzipped, {bundle.size / MEGABYTE:.1f} MB zipped ({largest})")


def test_it_has_the_lake_and_the_product_and_no_more(bundle: Bundle) -> None:
    """The lake's folder is `lake/`, Penstock is beside its packages; no command line, no second copies."""
    inside = names(bundle.path)
    assert len(set(inside)) == len(inside)
    assert [name for name in inside if name.startswith("lake/")] == ["lake/lake.yaml"]
    assert "penstock/lake.py" in inside
    assert "penstock/templates/orders/lake.yaml" in inside
    tops = {name.split("/")[0] for name in inside}
    assert {"duckdb", "pyarrow", "pyiceberg", "boto3"} <= tops
    assert not [name for name in inside if name.startswith("penstock/cli/")]
    assert not tops & {"apprise", "click", "pygments", "sqlalchemy", "troposphere", "watchfiles", "bin"}


def test_bytecode_names_nothing_of_this_machine(bundle: Bundle) -> None:
    """It is there where a Python of the functions' version is, for each module; hashed, never checked, and placed."""
    with zipfile.ZipFile(bundle.path) as archive:
        files = {name: archive.read(name) for name in archive.namelist() if name.endswith(".pyc")}
        sources = {name for name in archive.namelist() if name.endswith(".py")}
    assert (len(files) > 900) is (interpreter_of(PYTHON) is not None)
    assert {source_of(name) for name in files} <= sources
    assert {content[4:8] for content in files.values()} <= {UNCHECKED_HASH}
    here = [f"{Path.home()}/".encode(), b"/.fetched-", b"/.product-"]
    assert not [name for name, content in files.items() if any(place in content for place in here)]
    say("bundle", f"arm64: {len(files)} files of bytecode for Python {PYTHON}")


def test_versions_are_those_that_are_installed_here(bundle: Bundle) -> None:
    """What was tested here is what is deployed, version by version."""
    from importlib import metadata

    packages = [one for one in bundle.contents if one.version]
    assert len(packages) > 20
    assert {one.name: one.version for one in packages} == {one.name: metadata.version(one.name) for one in packages}


def test_every_library_finds_what_it_needs(bundle: Bundle) -> None:
    """Each shared library is of the right machine, and what it needs is in the bundle or on every machine of Lambda.

    This is looked up in the libraries' own heads, so that it holds for a machine that this one is not.
    """
    looked = 0
    with zipfile.ZipFile(bundle.path) as archive:
        there = {name.rpartition("/")[2] for name in archive.namelist()}
        for name in archive.namelist():
            library = library_of(archive.read(name)) if ".so" in name else None
            if library is None:
                continue
            looked += 1
            assert library.machine == "arm64", name
            missing = [need for need in library.needs if need not in there and not OF_THE_MACHINE.fullmatch(need)]
            assert not missing, f"{name} needs {missing}"
    assert looked > 30
    say("bundle", f"arm64: {looked} shared libraries find all they need")


def test_a_changed_lake_is_bundled_without_its_packages(bundle: Bundle, lake: Path) -> None:
    """A changed `lake.yaml` gives another name; packages are not fetched again, and nothing else in it differs."""
    told: list[str] = []
    (lake / "lake.yaml").write_text(LAKE + "description: anew\n")
    try:
        other = build(lake, declared(), watch=told.append)
    finally:
        (lake / "lake.yaml").write_text(LAKE)
    assert other.name != bundle.name
    assert not [line for line in told if "fetching" in line]
    with zipfile.ZipFile(bundle.path) as one, zipfile.ZipFile(other.path) as two:
        sums = {entry.filename: entry.CRC for entry in one.infolist()}
        assert {e.filename for e in two.infolist() if sums[e.filename] != e.CRC} == {"lake/lake.yaml"}


def test_the_same_lake_is_the_same_zip(bundle: Bundle, lake: Path, tmp_path: Path) -> None:
    """Built again, elsewhere, from files with other times and modes: the same bytes and the same name."""
    (lake / "lake.yaml").chmod(0o600)
    again = build(lake, declared(), out=tmp_path / "again.zip")
    assert again.digest == bundle.digest
    assert again.path.read_bytes() == bundle.path.read_bytes()
    assert bundle.name == f"shop-{bundle.digest[:16]}.zip"
    assert build(lake, declared()).path == bundle.path


def test_uv_and_pip_make_the_same_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever program fetched the wheels, and for either machine: the layer is the same, byte for byte."""
    made: dict[tuple[str, str], bytes] = {}
    for machine in ("arm64", "x86_64"):
        for program in ("uv", "pip"):
            monkeypatch.setenv("PENSTOCK_BUNDLE_WITH", program)
            monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path / program))
            layer = layer_of(SMALL, machine, "3.13", lambda _text: None)
            made[machine, program] = layer.path.read_bytes()
            assert any("313" in name for name in layer.sums), "mmh3 is compiled for the function's Python"
    assert made["arm64", "uv"] == made["arm64", "pip"]
    assert made["x86_64", "uv"] == made["x86_64", "pip"]
    assert made["arm64", "uv"] != made["x86_64", "uv"]


@pytest.mark.parametrize("program", ["uv", "pip"])
def test_a_package_without_a_wheel_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """A version that there is not ends with what the program said, and leaves nothing behind."""
    monkeypatch.setenv("PENSTOCK_BUNDLE_WITH", program)
    monkeypatch.setenv("PENSTOCK_CACHE", str(tmp_path))
    with pytest.raises(BundleError, match="could not be fetched") as found:
        layer_of((Package("six", "999.0"),), "arm64", "3.13", lambda _text: None)
    assert "six==999.0" in found.value.hint
    assert not [file for file in tmp_path.rglob("*") if file.is_file()]


def test_what_stays_on_this_machine(tmp_path: Path) -> None:
    """Data, state, hidden files, caches, secrets, links and what is no text stay; the last three are told."""
    taken = ("lake.yaml", "steps/clean.py", "notices/failures.txt", "models/top.sql")
    silent: tuple[str, ...] = (
        "raw/a.csv",
        "processed/t/x.parquet",
        "data/enriched/r.csv",
        ".env",
        ".git/config",
        ".penstock/state.db",
    )
    silent += ("steps/__pycache__/clean.cpython-311.pyc",)
    told = {"id_rsa": "secret", "tls.pem": "secret", "notes.docx": "kinds of text"}
    for name in (*taken, *silent, *told):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    (tmp_path / "passwords.txt").symlink_to("/etc/passwd")
    found = lake_files(tmp_path, ("raw", "processed", "data/enriched"))
    assert set(found.taken) == set(taken)
    assert set(found.left) == {*told, "passwords.txt"}
    assert all(reason in found.left[name] for name, reason in told.items())


def test_data_beside_the_declaration_is_refused(tmp_path: Path) -> None:
    """A text of more than 5 MB is no declaration: nothing is left out in silence, and nothing so large is taken."""
    (tmp_path / "all.csv").write_bytes(b"a\n" * 2_600_000)
    with pytest.raises(BundleError, match=r"all\.csv: is 5\.2 MB large"):
        lake_files(tmp_path, ("raw",))


def test_the_lakes_own_imports_come_along(tmp_path: Path) -> None:
    """What the lake's Python imports is found in its text: not the standard library, Penstock, or its own files."""
    (tmp_path / "clean.py").write_text("import json\nimport words\nimport openpyxl.styles\nfrom dateutil import tz\n")
    (tmp_path / "words.py").write_text("import penstock\nfrom . import clean\n")
    files = lake_files(tmp_path, ()).taken
    assert imported_packages(files) == ("openpyxl", "python-dateutil")
    both = {package.name for package in packages_for("arm64", "3.13", imported_packages(files))}
    assert {"openpyxl", "et-xmlfile"} <= both


def test_an_import_that_nothing_provides_is_an_error(tmp_path: Path) -> None:
    """It would fail at the first file on AWS; it is told with file and line now."""
    (tmp_path / "clean.py").write_text("import json\n\nimport no_such_module\n")
    with pytest.raises(BundleError, match=r'clean\.py:3: imports "no_such_module"'):
        imported_packages(lake_files(tmp_path, ()).taken)


def test_excel_comes_along_where_it_is_declared() -> None:
    """Workbooks need their reader; a lake of CSV files does without."""
    from penstock.deployment.bundle.declared import packages_of

    assert packages_of(declared()) == ()
    assert packages_of(declared(LAKE.replace("*.csv", "*.xlsx"))) == ("openpyxl",)
    assert packages_of(declared(LAKE.replace("'*.csv'", "'x.csv', format: excel"))) == ("openpyxl",)
    assert packages_of(declared(LAKE.replace("*.csv", "inbox/*"))) == ("openpyxl",)


def test_too_large_a_bundle_says_what_is_large() -> None:
    """All packages are named with their sizes, the largest first."""
    contents = (Content("duckdb", "1.5.6", 60 * MEGABYTE), Content("polars", "2.1.0", 250 * MEGABYTE))
    with pytest.raises(BundleError, match="310 MB unzipped; Lambda takes 262 MB") as found:
        _assert_fits(contents)
    assert re.search(r"250\.0 MB  polars", found.value.hint)


def test_markers_are_read_as_the_functions_machine_sees_them() -> None:
    """Which packages are needed is decided for the function's Python and machine, whatever runs here."""
    here, there = packages_for("x86_64", HERE), packages_for("arm64", "3.13")
    assert {package.name for package in there} - {package.name for package in here} == set()
    assert not {package.name for package in here} & set(LEFT_OUT)
    assert "tomli" not in {package.name for package in there}


def test_the_services_that_functions_call_are_described() -> None:
    """Botocore's descriptions of services are in the bundle for every service that is called below `deployment`."""
    source = Path(penstock.__file__).parent
    called: set[str] = set()
    for file in source.rglob("*.py"):
        if file.relative_to(source).parts[0] in {"cli", "deployment"}:
            continue
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "client" and node.args:
                called |= {str(at.value) for at in node.args[:1] if isinstance(at, ast.Constant)}
    assert called, "services are called through aws.client"
    assert called <= set(SERVICES)


@pytest.mark.parametrize(
    ("path", "needed"),
    [
        ("pyarrow/libarrow_python.so.2600", True),
        ("pyarrow/libarrow_python.so", False),
        ("pyarrow/libarrow_python.so.2600.1.0", False),
        ("pyarrow/lib.cpython-313-x86_64-linux-gnu.so", True),
        ("pyarrow/libarrow_substrait.so.2600", True),
        ("pyarrow/libarrow_flight.so.2600", False),
        ("botocore/data/s3/2006-03-01/service-2.json.gz", True),
        ("botocore/data/ec2/2016-11-15/service-2.json.gz", False),
        ("botocore/data/endpoints.json", True),
        ("pyiceberg/table/__init__.py", True),
        ("six-1.17.0.dist-info/METADATA", True),
        ("six-1.17.0.dist-info/RECORD", False),
    ],
)
def test_which_files_are_needed(path: str, needed: bool) -> None:  # noqa: FBT001 - a row of the table above
    """One library of each kind stays under the name by which others find it; metadata stays, records do not."""
    assert (reason_against(path) is None) is needed


def test_the_page_names_what_is_left_out() -> None:
    """The page of the documentation has each package that is left out, with its reason."""
    page = PAGE.read_text("utf-8")
    rows = dict(re.findall(r"^\| ([a-z-]+) \| (.+) \|$", page, re.MULTILINE))
    assert {name: reason for name, reason in rows.items() if name in LEFT_OUT} == dict(LEFT_OUT)


def test_documented_fields_are_the_real_ones(bundle: Bundle) -> None:
    """The page of JSON output names every field of a bundle, and no other."""
    facts = {**facts_of(bundle), "left": {}, "left_out": {}}
    assert set(_fields(facts)) | {"left", "left_out"} == _documented("penstock bundle")
