"""What the shell offers after tab: ids of questions, demos, their claims, topics. Reads the content and nothing else."""

from collections.abc import Iterable

import click
from click.shell_completion import CompletionItem

from studyapp.bank.refs import ClaimRef, demo_and_claim
from studyapp.paths import demos_dir, questions_dir


def questions(_ctx: click.Context, _param: click.Parameter, so_far: str) -> list[CompletionItem]:
    """Ids of questions."""
    return _beginning(so_far, (p.stem for p in questions_dir().glob("*/*.yaml")))


def topics(_ctx: click.Context, _param: click.Parameter, so_far: str) -> list[CompletionItem]:
    """Topics that hold questions."""
    return _beginning(so_far, {p.parent.name for p in questions_dir().glob("*/*.yaml")})


def demos(_ctx: click.Context, _param: click.Parameter, so_far: str) -> list[CompletionItem]:
    """Names of demos."""
    return _beginning(so_far, _names())


def claims(_ctx: click.Context, _param: click.Parameter, so_far: str) -> list[CompletionItem]:
    """Names of demos, and after a dot the claims of one."""
    demo, _ = demo_and_claim(so_far)
    if demo == so_far:
        return _beginning(so_far, _names())
    from studyapp.lab.catalog import Catalog

    found = Catalog.load(demos_dir()).demos.get(demo)
    return _beginning(so_far, (str(ClaimRef(demo, c.name)) for c in found.claims) if found else ())


def models(_ctx: click.Context, _param: click.Parameter, so_far: str) -> list[CompletionItem]:
    """Ids of named models."""
    from studyapp.bank.yaml_nodes import Refused, read

    try:
        rows = read(questions_dir() / "models.yaml")[0].value
    except Refused:
        return []
    return _beginning(so_far, rows)


def drills(_ctx: click.Context, _param: click.Parameter, so_far: str) -> list[CompletionItem]:
    """Drills of demos; before the dot the demos that have one."""
    from studyapp.lab.catalog import Catalog

    catalog = Catalog.load(demos_dir())
    return _beginning(so_far, (f"{d.name}.{drill.name}" for d in catalog.demos.values() for drill in d.drills))


def exercises(_ctx: click.Context, _param: click.Parameter, so_far: str) -> list[CompletionItem]:
    """Functions of demos that a learner may write."""
    from studyapp.lab.catalog import Catalog

    catalog = Catalog.load(demos_dir())
    return _beginning(so_far, (f"{d.name}.{exercise.name}" for d in catalog.demos.values() for exercise in d.exercises))


def _names() -> list[str]:
    return [f"{p.parent.name}/{p.stem}" for p in demos_dir().glob("*/*.py")]


def _beginning(so_far: str, names: Iterable[str]) -> list[CompletionItem]:
    return [CompletionItem(n) for n in sorted(names) if n.startswith(so_far)]
