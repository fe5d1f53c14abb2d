"""Small lakes, each of which goes one road of an arrival: what is there, and what then arrives."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

EVENTS = """
tables:
  events:
    files: "e*.csv"
    steps:
      - parse: {at: date}
      - require: [name]
"""
UNIQUE = """
tables:
  codes:
    files: "c*.csv"
    checks:
      - {unique: id, on_breach: quarantine}
"""
MIXED = """
tables:
  things:
    files: "t*"
"""
DOUBLED = """
tables:
  doubled:
    files: "d*.csv"
    steps:
      - python: steps.py:twice
"""
TWICE = """
import pyarrow.compute as pc

def twice(batch):
    return batch.set_column(1, "n", pc.multiply(batch.column("n"), 2))
"""


@dataclass(frozen=True)
class World:
    """A lake, and what happens to it.

    Attributes:
        name: What the road is called.
        tables: The declared tables.
        before: Files that are in the tables when it begins.
        arriving: Files that land then.
        beside: Files of the lake's folder.
    """

    name: str
    tables: str
    before: Mapping[str, bytes] = field(default_factory=dict)
    arriving: Mapping[str, bytes] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)

    def make(self, folder: Path) -> Path:
        """Make the lake, without files."""
        (folder / "raw").mkdir(parents=True)
        (folder / "lake.yaml").write_text(f"lake: sweep{self.tables}", encoding="utf-8")
        for name, text in self.beside.items():
            (folder / name).write_text(text, encoding="utf-8")
        return folder


FIRST = World(
    "first file of a lake",
    EVENTS,
    arriving={"e1.csv": b"id,name,at\n1,a,2024-01-01\n2,,2024-01-02\n3,b,2024-02-31\n"},
)
AGAIN = World(
    "a key uploaded again, with bad rows",
    EVENTS,
    before={"e1.csv": b"id,name,at\n1,a,2024-01-01\n3,b,2024-02-31\n", "e2.csv": b"id,name,at\n7,g,2024-01-01\n"},
    arriving={"e1.csv": b"id,name,at\n1,a2,2024-01-01\n4,,2024-01-02\n5,c,2024-13-01\n6,d,2024-01-06\n"},
)
TWO_VALUES = World(
    "values that stand twice",
    UNIQUE,
    before={"c1.csv": b"id,name\n1,a\n2,b\n"},
    arriving={"c2.csv": b"id,name\n2,again\n3,c\n3,d\n"},
)
WIDER = World(
    "a column that takes another type, and live files written anew",
    MIXED,
    before={"t1.csv": b"id,v\n1,1\n2,2\n", "t2.csv": b"id,v\n3,3\n"},
    arriving={"t3.csv": b"id,v,w\n4,1.5,x\n"},
)
JSON = World(
    "records of JSON, read one by one",
    MIXED,
    before={"t1.json": json.dumps([{"id": 1, "v": "a"}]).encode()},
    arriving={"t2.json": b'{"id": 2, "v": "b"}\n{"id": 3, \n{"id": 4, "v": "d"}\n'},
)
DAMAGED = World(
    "damaged records, cut out of the file",
    MIXED,
    before={"t1.csv": b"id,v\n1,a\n2,b\n"},
    arriving={"t2.csv": b'id,v\n3,c\n4,d "e" f\n5,"g" h\n6,i\n'},
)
PYTHON = World(
    "a Python function as a step",
    DOUBLED,
    before={"d1.csv": b"id,n\n1,1\n"},
    arriving={"d2.csv": b"id,n\n2,2\n3,3\n"},
    beside={"steps.py": TWICE},
)
PACKED = World(
    "files that share a data file, one of which is uploaded again",
    EVENTS,
    before={f"e{at}.csv": b"id,name,at\n%d,a,2024-01-01\n" % at for at in range(1, 5)},
    arriving={
        "e2.csv": b"id,name,at\n2,b,2024-02-01\n",
        "e5.csv": b"id,name,at\n5,e,2024-01-01\n6,,2024-01-01\n",
        "e6.csv": b"id,name,at\n7,g,2024-01-32\n",
        "e7.csv": b"id,name,at\n8,h,2024-01-01\n",
    },
)
WORLDS = (FIRST, AGAIN, PACKED, TWO_VALUES, WIDER, JSON, DAMAGED, PYTHON)
