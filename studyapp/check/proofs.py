"""Each point beside what was recorded for it, for a person to read: whether a proof is about its sentence no rule can tell."""

from collections.abc import Iterable, Iterator

from studyapp.bank.model import Bank, Support, SupportKind
from studyapp.bank.refs import demo_and_claim
from studyapp.i18n import Translations
from studyapp.lab.catalog import Catalog
from studyapp.lab.recordings import Recordings
from studyapp.lab.verdict import claim_verdict, verdict


def proofs(bank: Bank, catalog: Catalog, recordings: Recordings, words: Translations) -> Iterable[str]:
    """Each point beside the claims that carry it and what was recorded, line by line, in the language of `words`."""
    language = words.language
    for q in bank.in_order():
        yield f"{q.topic}/{q.id}  {q.ask[language]}"
        said: list[tuple[str, Support]] = [(p[language], p) for p in q.points]
        said += [(f"✗ {c.wrong[language]} → {c.right[language]}", c) for c in q.corrections]
        for sentence, support in said:
            mark = verdict(support, catalog, recordings)
            yield f"  {mark.text} {sentence}"
            for claim in support.claims:
                yield from (f"      {line}" for line in _shown(claim, support.kind, catalog, recordings, words))
            if not support.claims:
                yield f"      {mark.why(words)}"
        yield ""


def _shown(
    claim: str, kind: SupportKind, catalog: Catalog, recordings: Recordings, words: Translations
) -> Iterator[str]:
    demo, name = demo_and_claim(claim)
    known = catalog.demos.get(demo)
    sentence = next((c.sentence[words.language] for c in known.claims if c.name == name), "") if known else ""
    mark = claim_verdict(claim, catalog, recordings, kind=kind)
    yield f"{mark.text} {claim}: {sentence or mark.why(words)}"
    if sentence:
        yield f"    {mark.why(words)}"
    run = recordings.best(claim, known)
    for one in run.checks if run else ():
        yield f"    {'✓' if one.held else '✗'}  {one.sentence()}"
