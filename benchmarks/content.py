"""A bank as large as the one planned: copies of the shipped questions and demos under new ids."""

import json
import shutil
from pathlib import Path

import yaml

from studyapp.paths import demos_dir, questions_dir


def large_content(root: Path, questions: int = 350, demos: int = 200) -> tuple[Path, Path]:
    """Folders `questions/` and `demos/` under `root` with at least so many files; every copy is as sound as its original."""
    bank, lab = root / "questions", root / "demos"
    shutil.copytree(questions_dir(), bank)
    shutil.copytree(demos_dir(), lab, ignore=shutil.ignore_patterns("__pycache__"))
    topics = yaml.safe_load((bank / "topics.yaml").read_text("utf-8"))
    originals = sorted(p for p in bank.glob("*/*.yaml"))
    listed: dict[str, list[str]] = {}
    for number in range(max(0, questions - len(originals))):
        original = originals[number % len(originals)]
        name = f"{original.stem}-copy-{number}"
        (original.parent / f"{name}.yaml").write_text(original.read_text("utf-8"), "utf-8")
        listed.setdefault(original.parent.name, []).append(name)
    for topic in topics:
        topic["questions"] += listed.get(topic["id"], [])
    (bank / "topics.yaml").write_text(
        "".join(f"- {json.dumps(topic, ensure_ascii=False)}\n" for topic in topics), "utf-8"
    )
    scripts = sorted(p for p in lab.glob("*/*.py") if p.parent.name != "recorded")
    for number in range(max(0, demos - len(scripts))):
        script = scripts[number % len(scripts)]
        name = f"{script.stem}_copy_{number}"
        shutil.copy(script, script.with_name(f"{name}.py"))
        for recording in lab.glob(f"recorded/*/{script.parent.name}/{script.stem}.json"):
            shutil.copy(recording, recording.with_name(f"{name}.json"))
    return bank, lab
