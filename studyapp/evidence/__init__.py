"""What a demo imports, and the values it speaks in. Nothing here imports torch until a claim runs.

A demo is a script of `claim_…` functions; see README.md, «Writing a demo».
"""

from studyapp.evidence.api import bars, expect, heatmap, lines, progress, show, table
from studyapp.evidence.claims import needs, slow, timed
from studyapp.evidence.ranks import on_ranks
from studyapp.evidence.script import main

__all__ = ["bars", "expect", "heatmap", "lines", "main", "needs", "on_ranks", "progress", "show", "slow", "table", "timed"]
