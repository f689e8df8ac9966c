"""What a person sees while data is read: files may be many, and nothing else happens meanwhile."""

from __future__ import annotations

import time
from collections.abc import Iterator

from unrolled.data.records import Reader, Record
from unrolled.training.events import ReadSoFar, Report

_EVERY = 0.5
"""Seconds between two reports."""


class ReportedReader:
    """The records of a reader; while they are gone through, a report now and then says how far it has come."""

    def __init__(self, reader: Reader, report: Report) -> None:
        self._reader, self._report = reader, report
        self.kind, self.facts, self.notes = reader.kind, reader.facts, reader.notes

    def __iter__(self) -> Iterator[Record]:
        begun = said = time.monotonic()
        for number, record in enumerate(self._reader, 1):
            now = time.monotonic()
            if now - said > _EVERY:
                said = now
                self._report(ReadSoFar(number, now - begun, record.place.file))
            yield record
