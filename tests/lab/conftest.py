"""Demos written on the spot."""

from collections.abc import Callable
from pathlib import Path

import pytest

from studyapp.lab.catalog import Catalog
from studyapp.lab.demo import Demo

HEAD = '''"""A demo for the tests.

测试用的演示。
"""
import os
import sys
import time

import torch

from studyapp.evidence import (
    Drill, between, breaks, exercise, expect, main, needs, on_ranks, one_of, progress, show, slow, table, timed
)


'''


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Demo]:
    """`write(body, head=HEAD)` makes demos/attention/sample.py and reads it."""

    def make(body: str, *, head: str = HEAD, name: str = "attention/sample") -> Demo:
        path = tmp_path / "demos" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + body, encoding="utf-8")
        return Catalog.load(tmp_path / "demos").demos[name]

    return make
