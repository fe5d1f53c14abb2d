"""Sample data of the template `consultations`: two years of medical consultations, realistic and dirty.

Every value follows from the row's number by integer arithmetic that is written out below, so the same number
of rows gives the same bytes with every version of DuckDB, on every machine and with any number of threads.
Two properties of the whole follow from the number of rows: which file a row stands in, and where the ragged
lines of a small file are.

Dirty on purpose, as shares of all rows:

| what | share |
| --- | --- |
| `diagnostic` empty | 1.5 % |
| `diagnostic` blank: 1 to 3 spaces | 0.5 % |
| `patient_age` empty | 0.3 % |
| `patient_age` out of range: -1, 150 or 999 | 0.2 % |
| `date_consultation` impossible, such as 2024-02-30 or 2024-13-05 | 0.1 % |
| row repeated on the next line, with the same `id_consultation` | 0.2 %: one in each 500 rows of a file |
| ragged line: a decimal comma makes one field too many, or `notes` and its comma are missing | 0.02 %: one \
in each 5,000 rows of a file, but at least 3 in a file of 1,000 rows or more |

Clean but awkward: accents, commas and doubled quotes in quoted diagnoses and notes, and line breaks within
the notes of 0.3 % of the rows.
"""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from string import Template
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from penstock.errors import PenstockError
from penstock.naming import literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

COLUMNS = (
    "id_consultation",
    "id_centre",
    "patient_age",
    "sexe",
    "diagnostic",
    "date_consultation",
    "montant",
    "medecin",
    "notes",
)
DEFAULT_ROWS = 50_000

_FIRST_YEAR, _SECOND_YEAR = 2024, 2025
_FIRST_YEAR_PERCENT = 60
_REPEAT_BLOCK = 500
_RAGGED_BLOCK = 5_000
_RAGGED_AT_LEAST = 3
_RAGGED_SURELY_FROM = 1_000
_MEMORY_LIMIT = "256MB"


class _Diagnosis(NamedTuple):
    """How often a diagnosis occurs: by age (below 15, below 65, above) times by season (winter, summer)."""

    name: str
    child: int
    adult: int
    senior: int
    winter: int = 1
    summer: int = 1


_DIAGNOSES = (
    _Diagnosis("Grippe", 5, 5, 4, winter=4, summer=0),
    _Diagnosis("Rhinopharyngite", 12, 6, 2, winter=2),
    _Diagnosis("Angine", 6, 4, 1, winter=2),
    _Diagnosis("Bronchite aiguë", 3, 4, 4, winter=3),
    _Diagnosis("Bronchiolite", 4, 0, 0, winter=3, summer=0),
    _Diagnosis("Pneumopathie", 1, 1, 3, winter=2),
    _Diagnosis("Otite moyenne aiguë", 8, 1, 0, winter=2),
    _Diagnosis("Gastro-entérite", 7, 5, 2, winter=2),
    _Diagnosis("Sinusite", 1, 4, 2, winter=2),
    _Diagnosis("Covid-19", 2, 3, 3, winter=2),
    _Diagnosis("Allergie saisonnière", 3, 4, 1, winter=0, summer=3),
    _Diagnosis("Coup de soleil", 2, 2, 1, winter=0, summer=2),
    _Diagnosis("Piqûre d'insecte", 2, 1, 1, winter=0, summer=3),
    _Diagnosis("Déshydratation", 1, 1, 3, winter=0, summer=2),
    _Diagnosis("Maladie de Lyme", 0, 1, 1, winter=0, summer=1),
    _Diagnosis("Asthme", 4, 3, 2),
    _Diagnosis("Eczéma", 5, 2, 1),
    _Diagnosis("Varicelle", 4, 0, 0),
    _Diagnosis("Vaccination, rappel", 6, 2, 4),
    _Diagnosis("Certificat médical, sport", 4, 3, 0, summer=2),
    _Diagnosis("Entorse, cheville gauche", 3, 3, 1),
    _Diagnosis("Entorse, genou droit", 1, 2, 1),
    _Diagnosis("Fracture du poignet", 2, 1, 3),
    _Diagnosis('Fièvre "inexpliquée"', 3, 1, 1),
    _Diagnosis('Douleur thoracique "atypique"', 0, 2, 2),
    _Diagnosis("Hypertension artérielle", 0, 9, 20),
    _Diagnosis("Diabète de type 1", 1, 1, 1),
    _Diagnosis("Diabète de type 2", 0, 5, 11),
    _Diagnosis("Hypercholestérolémie", 0, 4, 7),
    _Diagnosis("Insuffisance cardiaque", 0, 1, 6),
    _Diagnosis("Fibrillation auriculaire", 0, 1, 5),
    _Diagnosis("Arthrose", 0, 3, 9),
    _Diagnosis("Ostéoporose", 0, 1, 4),
    _Diagnosis("Lombalgie", 0, 8, 4),
    _Diagnosis("Sciatique, côté gauche", 0, 2, 2),
    _Diagnosis("Tendinite de l'épaule", 0, 3, 2),
    _Diagnosis("Anxiété", 1, 6, 3),
    _Diagnosis("Dépression", 0, 5, 3),
    _Diagnosis("Migraine", 1, 4, 1),
    _Diagnosis("Insomnie", 0, 3, 4),
    _Diagnosis("Reflux gastro-œsophagien", 1, 4, 3),
    _Diagnosis("Infection urinaire", 1, 4, 3),
)

_AGE_BANDS = ((9, 0, 3), (14, 3, 10), (5, 13, 5), (22, 18, 22), (28, 40, 25), (18, 65, 20), (4, 85, 17))
"""Percent of the patients, youngest age, number of ages."""

# fmt: off
_DOCTORS = (
    "Lefèvre", "Moreau", "Garnier", "Benoît", "Müller", "N'Diaye", "d'Aubigné", "Le Goff", "Bénard",
    "Rousseau", "Châtelain", "Petit", "Durand", "Lemaître", "Haddad", "Nguyễn", "Fernández", "Kowalski",
    "Hervé", "Besançon", "Traoré", "Ouédraogo", "Gonçalves", "Étienne", "Faure", "Guérin", "Poirier",
    "Mercier", "Brûlé", "Dubois", "Marchand", "Schneider", "Picard", "Joly", "Aubert", "Renaud", "Maïga",
    "Cissé", "Perrot", "Lacaze", "Noël",
)
# fmt: on

_NOTES = (
    "À revoir dans 3 mois",
    "Patient à jeun, bilan demandé",
    "Ordonnance renouvelée",
    "Pas d'allergie connue",
    "Température 38,5 °C, toux sèche",
    "Arrêt de travail, 5 jours",
    "TA 13/8, pouls régulier",
    'Se dit "fatigué", sommeil léger',
    "Adressé au cardiologue",
    'Refuse le vaccin ("plus tard")',
    "Radio prescrite; résultat à suivre",
    "IMC ≥ 30, régime proposé",
    "Mère présente à l'entretien",
    "Traitement bien toléré",
    "Tiers payant",
)
_NOTES_WITH_LINE_BREAKS = (
    "Bilan sanguin prescrit\nRetour dans 15 jours",
    "Antécédents :\n- père diabétique\n- HTA",
    'Dit : "ça va mieux"\nTraitement poursuivi, dose réduite',
    "Allergie à l'amoxicilline\n\nPréférer un macrolide",
)

_DRAWS = (
    "centre_draw",
    "age_draw",
    "age_dirt",
    "sex_draw",
    "diagnosis_draw",
    "diagnosis_dirt",
    "day_draw",
    "day_dirt",
    "amount_draw",
    "doctor_draw",
    "note_draw",
)

_MASK = 0xFFFFFFFF
_DRAW = Template("($number * 2654435761 + $salt * 40503) & $mask AS $name")
_MULTIPLY = Template("(xor($name, $name >> 16) * 73244475) & $mask AS $name")
_FOLD = Template("xor($name, $name >> 16) AS $name")

_NUMBERED = Template("SELECT nth, $first + nth AS number FROM range($count) AS counter(nth)")
_PLACED = Template("""
SELECT number - (nth % $repeat_block = 1 + repeat_draw % ($repeat_block - 1))::BIGINT AS origin,
       nth % $ragged_block = ragged_draw % $ragged_block AS ragged,
       (nth // $ragged_block) % 2 = 0 AS longer
FROM ($rows)""")
_CHOSEN = Template("""
SELECT *,
       100 + (((centre_draw >> 16) * (centre_draw >> 16) * 60) >> 32) AS centre,
       CASE $age_bands END AS age,
       $days AS day,
       CASE WHEN amount_draw % 100 < 55 THEN $tariff
            WHEN amount_draw % 100 < 80 THEN 5000 + ((amount_draw // 100) % 41) * 250
            ELSE 1200 + (((amount_draw // 100) % 4096 * ((amount_draw // 100) % 4096) * 18000) >> 24)
       END AS cents
FROM ($rows)""")
_LINES = Template("""
SELECT concat_ws(',',
    origin,
    centre,
    CASE WHEN age_dirt % 1000 < 3 THEN '' WHEN age_dirt % 1000 < 5 THEN $bad_ages ELSE age::VARCHAR END,
    CASE WHEN sex_draw % 1000 < 535 THEN 'F' ELSE 'M' END,
    CASE WHEN diagnosis_dirt % 1000 < 15 THEN ''
         WHEN diagnosis_dirt % 1000 < 20 THEN $blanks
         WHEN substr(day, 6, 2) IN ('11', '12', '01', '02', '03')
         THEN CASE WHEN age < 15 THEN $child_winter WHEN age < 65 THEN $adult_winter ELSE $senior_winter END
         WHEN age < 15 THEN $child_summer WHEN age < 65 THEN $adult_summer ELSE $senior_summer END,
    CASE WHEN day_dirt % 1000 < 1 THEN $bad_days ELSE day END,
    cents // 100 || CASE WHEN ragged AND longer THEN ',' ELSE '.' END || lpad((cents % 100)::VARCHAR, 2, '0'),
    $doctors,
    CASE WHEN ragged AND NOT longer THEN NULL
         WHEN note_draw % 1000 < 3 THEN $long_notes
         WHEN note_draw % 1000 < 120 THEN $notes
         ELSE '' END
) AS "$header"
FROM ($rows)""")
# The lines are complete: no quote, and a delimiter that never occurs, keep DuckDB from changing them.
_COPY = Template("""
COPY ($rows) TO $target
    (FORMAT csv, HEADER true, QUOTE '', ESCAPE '', DELIMITER E'\\x01', USE_TMP_FILE false)""")


def write_sample(raw: Path, rows: int = DEFAULT_ROWS) -> list[Path]:
    """Write `consultations-2024.csv` and `consultations-2025.csv` below `raw`; about 60 and 40 % of `rows`.

    The files appear under their names only when both are complete; files of these names are replaced.

    Raises:
        PenstockError: The files cannot be written.
    """
    first = rows * _FIRST_YEAR_PERCENT // 100
    parts = [(_FIRST_YEAR, 1, first), (_SECOND_YEAR, first + 1, rows - first)]
    targets = [raw / f"consultations-{year}.csv" for year, _, _ in parts]
    unfinished = [target.with_name(f".{target.name}.part") for target in targets]
    try:
        for path, part in zip(unfinished, parts, strict=True):
            _write_lines(path, _lines(*part))
        return [path.rename(target) for path, target in zip(unfinished, targets, strict=True)]
    except duckdb.IOException as error:
        raise PenstockError("sample data cannot be written", where=str(raw), hint=str(error)) from error
    finally:
        for path in unfinished:
            path.unlink(missing_ok=True)


def _write_lines(path: Path, lines: str) -> None:
    with duckdb.connect(config={"memory_limit": _MEMORY_LIMIT}) as connection:
        connection.execute(_COPY.substitute(rows=lines, target=literal(str(path))))


def _lines(year: int, first: int, count: int) -> str:
    """Give the SELECT of one file's lines, from row number `first` on."""
    placed = _placed(first, count)
    drawn = _drawn(placed, dict.fromkeys(_DRAWS, "origin"), first_salt=11)
    chosen = _CHOSEN.substitute(
        rows=drawn,
        age_bands=_age_bands(),
        days=_pick(_days(year), "day_draw"),
        tariff=2650 if year == _FIRST_YEAR else 3000,
    )
    return _LINES.substitute(_picks(year), rows=chosen, header=",".join(COLUMNS))


def _placed(first: int, count: int) -> str:
    """Decide which rows repeat the row before and which lines are ragged: one in each block of rows."""
    ragged_block = _RAGGED_BLOCK
    if count >= _RAGGED_SURELY_FROM:
        ragged_block = min(ragged_block, count // _RAGGED_AT_LEAST)
    blocks = {
        "repeat_draw": f"(number - nth % {_REPEAT_BLOCK})",
        "ragged_draw": f"(number - nth % {ragged_block})",
    }
    rows = _drawn(_NUMBERED.substitute(first=first, count=count), blocks, first_salt=1)
    return _PLACED.substitute(rows=rows, repeat_block=_REPEAT_BLOCK, ragged_block=ragged_block)


def _drawn(rows: str, numbers: Mapping[str, str], *, first_salt: int) -> str:
    """Add columns of evenly spread 32-bit integers, each mixed from a number and a salt of its own."""
    draws = ", ".join(
        _DRAW.substitute(number=number, salt=salt, mask=_MASK, name=name)
        for salt, (name, number) in enumerate(numbers.items(), first_salt)
    )
    mixed = f"(FROM ({rows}) SELECT *, {draws})"
    for step in (_MULTIPLY, _MULTIPLY, _FOLD):
        replaced = ", ".join(step.substitute(name=name, mask=_MASK) for name in numbers)
        mixed = f"(FROM {mixed} SELECT * REPLACE ({replaced}))"
    return mixed


def _picks(year: int) -> dict[str, str]:
    """Give the SQL of every choice out of a list, by its name in the SELECT of the lines."""
    bad_days = [f"{year}-{day}" for day in ("02-30", "13-05", "04-31", "06-31", "00-12")]
    picks = {
        "bad_ages": _pick(("-1", "150", "999"), "age_dirt // 1000"),
        "blanks": _pick((" ", "  ", "   "), "diagnosis_dirt // 1000"),
        "bad_days": _pick(bad_days, "day_dirt // 1000"),
        "doctors": _pick([f"Dr {name}" for name in _DOCTORS], "centre * 7 + doctor_draw % 5"),
        "notes": _pick(_NOTES, "note_draw // 1000"),
        "long_notes": _pick(_NOTES_WITH_LINE_BREAKS, "note_draw // 1000"),
    }
    for age, season in product(("child", "adult", "senior"), ("winter", "summer")):
        picks[f"{age}_{season}"] = _pick(_diagnoses(age, season), "diagnosis_draw")
    return picks


def _pick(choices: Iterable[str], draw: str) -> str:
    """Give the SQL that chooses by a number; a draw that served `% 1000` before comes as `// 1000`."""
    fields = [literal(_field(choice)) for choice in choices]
    return f"[{', '.join(fields)}][1 + ({draw}) % {len(fields)}]"


def _field(text: str) -> str:
    """Write a value as RFC 4180 does: in quotes only where it holds a comma, a quote or a line break."""
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\n') else text


def _diagnoses(age: str, season: str) -> list[str]:
    return [d.name for d in _DIAGNOSES for _ in range(getattr(d, age) * getattr(d, season))]


def _days(year: int) -> list[str]:
    """List the year's days, each as often as it is likely: most in winter, few on Saturdays and Sundays."""
    first = date(year, 1, 1)
    days = [first + timedelta(days=count) for count in range((date(year + 1, 1, 1) - first).days)]
    by_weekday = (7, 6, 6, 6, 6, 3, 1)
    by_month = (5, 5, 4, 4, 3, 3, 3, 2, 4, 4, 4, 5)
    weights = [by_weekday[day.weekday()] * by_month[day.month - 1] for day in days]
    return [day.isoformat() for day, weight in zip(days, weights, strict=True) for _ in range(weight)]


def _age_bands() -> str:
    upto, branches = 0, []
    for percent, youngest, ages in _AGE_BANDS:
        upto += percent
        branches.append(f"WHEN age_draw % 100 < {upto} THEN {youngest} + (age_draw // 100) % {ages}")
    return " ".join(branches)
