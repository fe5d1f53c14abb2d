"""Which files of the packages a function does without, so that all of them fit: one table, each row with its reason.

Only whole files are left out, and none is changed: what is loaded on AWS is what the wheels brought. One is put in, for
a name that is imported and never used. What else is large stays because it is needed: `libarrow_python` is linked
against `libarrow_substrait`, `libarrow_dataset` and `libarrow_acero`, so that pyarrow does not load without them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fnmatch import translate
from types import MappingProxyType

SERVICES = ("athena", "cloudwatch", "dynamodb", "glue", "kms", "logs", "s3", "sns", "sqs", "sts")
"""Services of AWS whose descriptions botocore finds in the bundle: those that functions call, and their neighbours."""
_BOTOCORE = "botocore/data/"
LEFT_OUT: Mapping[str, str] = MappingProxyType(
    {
        "*.pyi": "for type checkers",
        "*.pxd": "for the Cython compiler",
        "*.pxi": "for the Cython compiler",
        "*.pyx": "for the Cython compiler",
        "*.a": "for linkers",
        "*/tests/*": "tests of packages",
        "bin/*": "programs for people",
        "pyarrow/include/*": "for the C++ compiler",
        "pyarrow/includes/*": "for the Cython compiler",
        "pyarrow/src/*": "for the C++ compiler",
        "pyarrow/libarrow_flight.*": "Arrow over gRPC, which Penstock does not speak",
        "pyarrow/libarrow_python_flight.*": "Arrow over gRPC, which Penstock does not speak",
        "pyarrow/_flight.*": "Arrow over gRPC, which Penstock does not speak",
        "pyarrow/libarrow_s3.*": "Arrow's own way to S3; Penstock's is boto3",
        "pyarrow/_s3fs.*.so": "Arrow's own way to S3; Penstock's is boto3",
        "pyarrow/_pyarrow_cpp_tests.*": "tests of packages",
        "pyarrow/libarrow*.so": "the same library once more, under the name that linkers look for",
        "pyarrow/libarrow*.so.*.*.*": "the same library once more, under its full version",
        "zstandard/_cffi.*": "the same codec once more, for PyPy",
        "zstandard/*backend_cffi.*": "the same codec once more, for PyPy",
        "adbc_driver_duckdb/*": "another way to call DuckDB",
        "_duckdb-stubs/*": "for type checkers",
        "duckdb/experimental/*": "DuckDB in Spark's clothes",
        "boto3/data/*": "boto3's resources; Penstock uses clients",
        "boto3/examples/*": "examples",
        "fb303/*": "catalogs of Hive, which Penstock does not use",
        "hive_metastore/*": "catalogs of Hive, which Penstock does not use",
        "pyiceberg/cli/*": "a command line",
        "*.dist-info/RECORD": "lists files, some of which are not there",
        "*.dist-info/INSTALLER": "who unpacked the wheel",
        "*.dist-info/REQUESTED": "who unpacked the wheel",
        "*.dist-info/direct_url.json": "where the wheel came from",
        "*.dist-info/uv_cache.json": "where the wheel came from",
    }
)
"""Patterns of paths, `*` crossing folders, with the reason why they are left out."""
PUT_IN: Mapping[str, str] = MappingProxyType(
    {
        "pyarrow/_s3fs.py": (
            '"""Stands for Arrow\'s own way to S3, left out: pyiceberg imports the name and does not use it."""\n'
            "\n\n"
            "class S3RetryStrategy:\n"
            '    """How Arrow would try S3 again."""\n'
        )
    }
)
"""Files that stand for what is left out, where something needs their name."""
_RULES = tuple((re.compile(translate(pattern)), reason) for pattern, reason in LEFT_OUT.items())


def reason_against(path: str) -> str | None:
    """Why a file of the packages is left out; None for one that is needed."""
    if path.startswith(_BOTOCORE) and "/" in (inside := path.removeprefix(_BOTOCORE)):
        return None if inside.split("/")[0] in SERVICES else "descriptions of services that functions do not call"
    return next((reason for rule, reason in _RULES if rule.match(path)), None)
