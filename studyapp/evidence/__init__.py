"""What a demo imports, and the values it speaks in. Nothing here imports torch until a claim runs.

A demo is a script of `claim_…` functions; docs/demos.md says how one is written.
"""

from studyapp.evidence.api import bars, expect, heatmap, lines, progress, show, table
from studyapp.evidence.claims import breaks, guess, needs, slow, timed
from studyapp.evidence.exercises import Drill, exercise
from studyapp.evidence.ranges import between, each, one_of
from studyapp.evidence.ranks import on_ranks
from studyapp.evidence.script import main

__all__ = [
    "Drill", "bars", "between", "breaks", "each", "exercise", "expect", "guess", "heatmap", "lines", "main", "needs", "on_ranks",
    "one_of", "progress", "show", "slow", "table", "timed",
]  # fmt: skip
