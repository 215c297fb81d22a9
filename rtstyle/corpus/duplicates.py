"""Copies among the recordings of a corpus: found once, listed in OUT/duplicates.csv, left out by whoever reads them."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rtstyle.corpus.audiofile import read_mono
from rtstyle.corpus.fingerprint import Words, copies, fingerprint
from rtstyle.corpus.note import SAMPLE_RATE
from rtstyle.corpus.recordings import Recording, by_source
from rtstyle.corpus.shards import cache_file, whole_file

VERSION = 1  # of the fingerprints: a cache written by another version is taken again
SECONDS = 30.0  # of a recording that are looked at
LIST = "duplicates.csv"


@dataclass(frozen=True)
class PrintsJob:
    """The recordings of one instrument from one source, and the cache of their fingerprints."""

    recordings: tuple[Recording, ...]
    cache: Path


def prints_jobs(recordings: list[Recording], cache: Path) -> list[PrintsJob]:
    """One job per instrument and source; a cache entry is named by what goes into it. `[control]`"""
    jobs = []
    for group in by_source(recordings):
        origin = "\n".join([str(VERSION), *(f"{one.path} {one.path.stat().st_size}" for one in group)])
        jobs.append(PrintsJob(group, cache_file(cache, f"{group[0].instrument}--{group[0].library}", origin)))
    return jobs


def take_prints(job: PrintsJob) -> Path:
    """Take the fingerprints of a job, where they are not there yet. `[control]`"""
    if not job.cache.is_file():
        longest = int(SECONDS * SAMPLE_RATE)
        found = [fingerprint(read_mono(one.path)[:longest], SAMPLE_RATE) for one in job.recordings]
        with whole_file(job.cache) as file:
            np.savez(
                file,
                words=np.concatenate([one.words for one in found]),
                ends=np.cumsum([one.words.size for one in found]),
                spectra=np.stack([one.spectrum for one in found]),
            )
    return job.cache


def list_copies(jobs: list[PrintsJob], out: Path) -> int:
    """Find the copies among all recordings whose fingerprints are taken, and list them; returns how many. `[control]`"""
    files = [one.path for job in jobs for one in job.recordings]
    spectra, words = [], []
    for job in jobs:
        with np.load(job.cache) as prints:
            spectra.append(prints["spectra"])
            words += np.split(prints["words"], prints["ends"][:-1])

    def words_of(number: int) -> Words:
        return words[number]

    found = copies(np.concatenate(spectra), words_of) if files else {}
    with whole_file(out / LIST) as file:
        rows = [("copy", "of"), *((str(files[late]), str(files[early])) for late, early in sorted(found.items()))]
        text = io.StringIO()
        csv.writer(text).writerows(rows)
        file.write(text.getvalue().encode())
    return len(found)


def without_copies(recordings: list[Recording], out: Path) -> list[Recording]:
    """The recordings that are listed as nobody's copy. `[control]`"""
    path = out / LIST
    if not path.is_file():
        return recordings
    with path.open(newline="", encoding="utf-8") as file:
        dropped = {row["copy"] for row in csv.DictReader(file)}
    return [one for one in recordings if str(one.path) not in dropped]
