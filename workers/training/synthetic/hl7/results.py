"""Laboratory and radiotherapy results as OBR and OBX; the local codes stand in the package's docstring."""

from collections.abc import Iterator
from datetime import datetime, time

from workers.training.synthetic.hl7.er7 import components, day, moment, segment, text
from workers.training.synthetic.scenario import Course, Lab, Scenario

LOCAL = "99RT"
INTENTS = {
    "373808002": "curative",
    "363676003": "palliative",
    "373846009": "adjuvant",
    "373847000": "neoadjuvant",
}


def result_segments(case: Scenario) -> list[str]:
    """One OBR group for the laboratory, if anything was measured, and one for each course."""
    groups: list[tuple[str, str, list[dict[int, str]]]] = []
    if case.labs:
        groups.append(
            (
                components("26436-6", "Laboratory studies", "LN"),
                moment(case.labs[0].taken),
                [_lab(row) for row in case.labs],
            )
        )
    for number, course in enumerate(case.courses, start=1):
        done = datetime.combine(course.end or case.stay.end.date(), time(12))
        rows = list(_course(course, number))
        groups.append((components("RT-SUMMARY", "Radiotherapy course", LOCAL), moment(done), rows))
    return [row for index, group in enumerate(groups, start=1) for row in _group(index, *group)]


def _group(index: int, code: str, at: str, rows: list[dict[int, str]]) -> Iterator[str]:
    yield segment("OBR", {1: str(index), 4: code, 7: at, 22: at, 25: "F"})
    for number, row in enumerate(rows, start=1):
        yield segment("OBX", {1: str(number), **row, 11: "F"})


def _lab(row: Lab) -> dict[int, str]:
    return {
        2: "NM",
        3: components(row.name.code, row.name.text, "LN"),
        5: str(row.amount.value),
        6: components(row.amount.ucum, row.amount.unit, "UCUM"),
        8: row.interpretation,
        14: moment(row.taken),
    }


def _course(course: Course, number: int) -> Iterator[dict[int, str]]:
    whole = str(number)
    yield _observation("RT-COURSE-START", "Course start", whole, "DT", day(course.start))
    if course.end:
        yield _observation("RT-COURSE-END", "Course end", whole, "DT", day(course.end))
    yield _observation("RT-COURSE-STATUS", "Course status", whole, "ST", course.status)
    yield _observation("RT-INTENT", "Intent", whole, "ST", INTENTS[course.intent.code or ""])
    if course.technique:
        yield _observation("RT-TECHNIQUE", "Technique", whole, "ST", course.technique.text)
    yield _observation("RT-SITE", "Treated site", whole, "ST", course.site.text)
    if course.side:
        yield _observation("RT-LATERALITY", "Laterality", whole, "ST", course.side)
    yield _observation("RT-FRACTIONS", "Fractions delivered", whole, "NM", str(course.fractions))
    for index, volume in enumerate(course.volumes, start=1):
        part = f"{number}.{index}"
        yield _observation("RT-VOLUME-NAME", "Volume", part, "ST", volume.name)
        yield _observation("RT-VOLUME-DOSE", "Dose delivered", part, "NM", f"{volume.dose:f}") | {
            6: components("Gy", "Gy", "UCUM")
        }
        yield _observation("RT-VOLUME-FRACTIONS", "Fractions to volume", part, "NM", str(volume.fractions))


def _observation(code: str, name: str, part: str, kind: str, value: str) -> dict[int, str]:
    return {2: kind, 3: components(code, name, LOCAL), 4: part, 5: text(value)}
