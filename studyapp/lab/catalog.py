"""The demos by name, each read from its source when it is first asked for."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from studyapp.bank.model import Finding, Text
from studyapp.bank.refs import ClaimRef
from studyapp.errors import DemoError
from studyapp.lab.demo import Claim, Demo, nearest
from studyapp.lab.demo_parser import parse_demo, read_summary


class LazyDemos(Mapping[str, Demo]):
    """The demos of a folder by name, each read when it is first asked for: reading hundreds takes a second.

    One that cannot be read is not on the shelf; `findings` holds what is wrong with those read so far.
    """

    def __init__(self, paths: Mapping[str, Path]) -> None:
        self._paths = dict(paths)
        self._read: dict[str, Demo | None] = {}
        self.findings: list[Finding] = []
        self._summaries: dict[str, tuple[tuple[int, int] | None, Text]] = {}

    def __getitem__(self, name: str) -> Demo:
        if name not in self._read:
            self._read[name] = self._open(self._paths[name])
        demo = self._read[name]
        if demo is None:
            raise KeyError(name)
        return demo

    def forget(self, name: str) -> None:
        """Read a demo again when it is next asked for: its file was edited."""
        self._read.pop(name, None)
        self.findings = [finding for finding in self.findings if finding.path != self._paths[name]]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._paths if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def summaries(self) -> dict[str, Text]:
        """What each file says of itself first, by name; no demo is read for it, so some may turn out to be unreadable."""
        return {name: self._summary(name, path) for name, path in self._paths.items()}

    def _summary(self, name: str, path: Path) -> Text:
        stat = path.stat() if path.exists() else None
        stamp = (stat.st_mtime_ns, stat.st_size) if stat else None
        known = self._summaries.get(name)
        if known is None or known[0] != stamp:
            known = self._summaries[name] = (stamp, read_summary(path))
        return known[1]

    def _open(self, path: Path) -> Demo | None:
        try:
            return parse_demo(path, self.findings)
        except SyntaxError as error:
            self.findings.append(Finding(path, error.lineno or 1, "", f"is not Python: {error.msg}"))
        except (OSError, ValueError, RecursionError) as error:
            self.findings.append(Finding(path, 1, "", f"cannot be read: {error}"))
        return None


class Catalog:
    """The demos by name, and what is wrong with the files that could not be read as they should."""

    def __init__(self, demos: LazyDemos) -> None:
        self.demos = demos

    @classmethod
    def load(cls, demos_dir: Path) -> "Catalog":
        """Every `<topic>/<name>.py` under `demos_dir`; one broken file is a finding, not an exception."""
        paths = sorted(demos_dir.glob("*/*.py"))
        kept = [p for p in paths if p.parent.name != "recorded" and not p.name.startswith((".", "_"))]
        return cls(LazyDemos({f"{p.parent.name}/{p.stem}": p for p in kept}))

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong with the files; reads them all."""
        len(self.demos)
        return tuple(self.demos.findings)

    def demo(self, name: str) -> Demo:
        """The demo of that name, "attention/score_scaling".

        Raises:
            DemoError: where there is none; the hint names the nearest.
        """
        if name in self.demos:
            return self.demos[name]
        raise DemoError("there is no demo {name!r}", nearest(name, self.demos), name=name)

    def claim(self, reference: str) -> Claim:
        """The claim "attention/score_scaling.dot_product_variance_is_dk".

        Raises:
            DemoError: where demo or claim is unknown, or it names none; the hint names the nearest.
        """
        ref = ClaimRef.parse(reference)
        return self.demo(ref.demo).claim(ref.claim)
