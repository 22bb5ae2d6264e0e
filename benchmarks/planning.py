"""How the 1,151 plans that real models made fare without a model's help, and what is read out of real answers."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

from planner.faults import examine
from planner.mend import Mended, mend
from planner.reading import ReadingError, read, read_json

TESTS = Path(__file__).resolve().parents[1] / "tests"
SPELLING = frozenset({"id", "reference"})
"""Mends that TaskBench's own notation needs in every plan: `node-0` is no identifier, `<node-0>` no expression."""


def main() -> None:
    sys.path.append(str(TESTS))  # behind the packages: tests/ has folders of the same names
    from corpus import ROOT

    if not (ROOT / "plans").is_dir():
        print(f"the recorded corpora are not at {ROOT}")
        return
    plans()
    answers()


def plans() -> None:
    import taskbench
    from corpus import rows

    tools = {domain: taskbench.tools(domain) for domain in ("huggingface", "multimedia")}
    verdicts: dict[str, Counter[str]] = {}
    findings: Counter[str] = Counter()
    mends: Counter[str] = Counter()
    seconds = 0.0
    for row in rows("plans/llm_pred_*.jsonl"):
        specs = tools[row["domain"]]
        answer = f"```json\n{json.dumps(taskbench.document(row, specs))}\n```"
        started = time.perf_counter()
        mended = mend(read_json(answer), tools=specs)
        examined = examine(mended.document, tools=specs)
        seconds += time.perf_counter() - started
        verdict = verdict_on(mended, sound=not examined.errors)
        verdicts.setdefault(f"{row['domain']}, {row['model']}", Counter())[verdict] += 1
        findings.update({one.code for one in examined.findings})
        mends.update({one.code for one in mended.mends} - SPELLING)
    total = sum(verdicts.values(), Counter[str]())
    for name, counts in [*verdicts.items(), ("all", total)]:
        print(f"{name:30} {counts.total():5} plans: " + ", ".join(f"{counts[key]} {key}" for key in VERDICTS))
    print("refused for (plans that have it): " + listed(findings))
    print("mended, beyond notation (plans):  " + listed(mends))
    print(f"reading, mending and checking one plan takes {seconds / total.total() * 1e3:.2f} ms")


VERDICTS = ("sound", "mended", "refused")


def verdict_on(mended: Mended, *, sound: bool) -> str:
    if not sound:
        return "refused"
    return "mended" if {one.code for one in mended.mends} - SPELLING else "sound"


def listed(counts: Counter[str]) -> str:
    return ", ".join(f"{code} {count}" for code, count in counts.most_common())


def answers() -> None:
    from corpus import rows

    classes: dict[str, Counter[str]] = {}
    cut = completed = 0
    for row in rows("plans/llm_json_text.jsonl"):
        counts = classes.setdefault(row["class"], Counter())
        try:
            reading = read(row["text"])
        except ReadingError:
            counts["refused"] += 1
            continue
        counts["read"] += 1
        whole = json.dumps(reading.value)
        if isinstance(reading.value, dict | list) and len(whole) > 10:
            cut += 1
            completed += reads(whole[: len(whole) * 2 // 3])
    for name, counts in classes.items():
        print(f"answers of class {name:20} {counts['read']:4} read, {counts['refused']:3} refused")
    print(f"the same documents cut at two thirds: {completed} of {cut} read")


def reads(text: str) -> bool:
    try:
        read_json(text)
    except ReadingError:
        return False
    return True


if __name__ == "__main__":
    main()
