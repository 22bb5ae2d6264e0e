"""How the rules planner's structures agree with gold ones, how fast it is, and how rarely it suggests wrongly."""

from __future__ import annotations

import random
import re
import sys
import time
from collections import Counter
from pathlib import Path

import anyio

from planner.rules import decompose
from planner.suggest import Embed, suggest
from workflows.checks import check
from workflows.graph import Graph
from workflows.model import Workflow

TESTS = Path(__file__).resolve().parents[1] / "tests"
SEED = 20261122
EACH = 400
"""Tasks drawn of each domain."""
STRUCTURES = ("single", "chain", "dag")
THIRTY = {
    "llmcompiler_hotpotqa_comparison": 3,
    "llmcompiler_movie_recommendations_formatted": 1,
    "llmcompiler_parallelqa_dataset": 1,
    "taskbench_dailylifeapis": 8,
    "taskbench_huggingface": 9,
    "taskbench_multimedia": 8,
}
"""How a sample of thirty tasks is spread."""
GOLD = ("seal_tools", "toolalpaca", "toolbench")
"""Gold plans whose task is said in words apart from its list of tools."""
_TASK = re.compile(r"Task:\s*(?P<task>.*?)\s*(?:Output:|The (?:tool|api) list|api_list)", re.DOTALL)
REWORDED = {
    "Look into vertical farming for me and prepare a two-page briefing": "research-brief",
    "I need a research report about sleep and memory": "research-brief",
    "Please investigate cargo bikes in cities and produce an overview": "research-brief",
    "Describe how volcanoes form, with an illustration and a caption": "illustrated-answer",
    "Answer the question why leaves turn red and draw a picture with a caption": "illustrated-answer",
    "Can you translate this into Spanish and proofread the translation: 'The bridge is closed until Monday.'": (
        "translate-and-review"
    ),
    "Translate 'The lift is out of order.' to Dutch, translate it back and correct mistakes": "translate-and-review",
    "Get the name, the address and the phone number out of this letter as JSON: 'Ann Lee, 4 Hill Road, 555-0100'": (
        "extract-to-json"
    ),
    "Parse the following mail into JSON fields sender, date and amount:\nAnn, 3 May, 40 EUR": "extract-to-json",
    "Let two different models answer 'What is dark matter?' and decide which one is better": "compare-and-judge",
    "Give me the gist of this long article:\n" + "The river rose again that night. " * 200: "long-document-summary",
    "Could you check this function for bugs?\n```python\ndef f(): return g()\n```": "code-review",
    "Audit the security of this script:\n```bash\nrm -rf $1\n```": "code-review",
    "Draft a cover letter, have it critiqued and write an improved version": "draft-critique-revise",
    "Compose a short speech, review it and polish it": "draft-critique-revise",
    "Here are my meeting notes, list the decisions and next steps: 'Blue it is. Ann orders paint by Friday.'": (
        "meeting-notes-to-actions"
    ),
    "Write minutes with action items from this transcript of our meeting: 'Bob: who calls the bank? Ann: I do.'": (
        "meeting-notes-to-actions"
    ),
    "A customer wrote: 'My order never arrived.' Draft an answer to the message": "support-reply-triage",
    "Respond to this support ticket: 'I cannot log in since the update.'": "support-reply-triage",
}
"""Tasks for ready workflows in words that the rules were not written with."""


def main() -> None:
    sys.path.append(str(TESTS))  # behind the packages: tests/ has folders of the same names
    from corpus import ROOT

    if not (ROOT / "plans").is_dir():
        print(f"the recorded corpora are not at {ROOT}")
        return
    structures()
    counts()
    anyio.run(suggestions)


def sample(seed: int) -> None:
    """Thirty plans to be read with one's own eyes, as `docs/planning-rules.md` reports them."""
    sys.path.append(str(TESTS))
    from corpus import rows

    by_file: dict[str, list[str]] = {}
    for row in rows("plans/requests_*.jsonl"):
        by_file.setdefault(row["_file"], []).append(row.get("user_request") or row["question"])
    draw = random.Random(seed)
    for name, share in sorted(THIRTY.items()):
        for task in draw.sample(by_file[f"requests_{name}.jsonl"], share):
            workflow = decompose(task).workflow
            graph = Graph.of(workflow)
            print(f"\n# {task}")
            for step in workflow.steps:
                print(f"  {step.id} [{step.kind}] after {sorted(graph.parents(step.id))}: {step.prompt[-120:]!r}")


def structure(workflow: Workflow) -> str:
    """TaskBench's word for the shape of a graph."""
    graph = Graph.of(workflow)
    if len(graph.ids) == 1:
        return "single"
    parents = [len(graph.parents(step)) for step in graph.ids]
    children = [len(graph.children(step)) for step in graph.ids]
    is_chain = parents.count(0) == 1 and max(parents) == 1 and max(children) == 1
    return "chain" if is_chain else "dag"


def structures() -> None:
    from corpus import rows

    by_file: dict[str, list[dict[str, str]]] = {}
    for row in rows("plans/requests_*.jsonl"):
        by_file.setdefault(row["_file"].removeprefix("requests_").removesuffix(".jsonl"), []).append(row)
    draw = random.Random(SEED)
    times: list[float] = []
    for name, known in sorted(by_file.items()):
        found: Counter[tuple[str, str]] = Counter()
        unsound = 0
        for row in draw.sample(known, min(EACH, len(known))):
            task = row.get("user_request") or row["question"]
            started = time.process_time()
            made = decompose(task)
            times.append(time.process_time() - started)
            unsound += bool(check(made.workflow, ordered=True))
            found[row.get("gold_structure", "?"), structure(made.workflow)] += 1
        report(name, found, unsound)
    times.sort()
    print(
        f"\n{len(times)} tasks, CPU of each: median {times[len(times) // 2] * 1e3:.2f} ms, 99 of 100 under "
        f"{times[len(times) * 99 // 100] * 1e3:.2f} ms, longest {times[-1] * 1e3:.2f} ms"
    )


def report(name: str, found: Counter[tuple[str, str]], unsound: int) -> None:
    total = sum(found.values())
    agreed = sum(number for (gold, made), number in found.items() if gold == made)
    alone = sum(number for (gold, made), number in found.items() if (gold == "single") == (made == "single"))
    golds = sorted({gold for gold, _ in found})
    print(f"\n{name}: {total} tasks, {unsound} plans with a finding")
    for gold in golds:
        row = ", ".join(f"{found[gold, made]} {made}" for made in STRUCTURES)
        print(f"  gold {gold:7} planned as {row}")
    if golds != ["?"]:
        print(f"  same structure {agreed / total:.0%}, one step or several alike {alone / total:.0%}")


def counts() -> None:
    """Steps against gold nodes, where the corpus holds a task in words and its gold plan."""
    from corpus import rows

    print()
    for name in GOLD:
        pairs = [
            (len(decompose(match["task"]).workflow.steps), len(row["gold_nodes"]))
            for row in rows(f"plans/gold_worfbench_{name}.jsonl")
            if (match := _TASK.search(row["user_request"])) is not None and match["task"].strip()
        ]
        near = sum(abs(made - gold) <= 1 for made, gold in pairs)
        same = sum(made == gold for made, gold in pairs)
        fewer = sum(made < gold for made, gold in pairs)
        print(f"{name}: {len(pairs)} gold plans, same number of steps {same}, within one {near}, fewer {fewer}")


async def suggestions() -> None:
    from corpus import rows

    embed = local_embed()
    tasks = [row.get("user_request") or row["question"] for row in rows("plans/requests_*.jsonl")]
    by_words = [task for task in tasks if await suggest(task) is not None]
    by_both = [task for task in by_words if embed is not None and await suggest(task, embed=embed) is not None]
    print(
        f"\nsuggested for {len(by_words)} of {len(tasks)} tasks that no ready workflow does, by words alone;", end=" "
    )
    print("no embeddings here" if embed is None else f"{len(by_both)} with embeddings")
    print(f"of {len(REWORDED)} tasks for ready workflows in other words:")
    for title, given in (("by words", None), ("with embeddings", embed)):
        answers = [(name, await suggest(task, embed=given)) for task, name in REWORDED.items()]
        right = sum(found is not None and found.name == name for name, found in answers)
        wrong = sum(found is not None and found.name != name for name, found in answers)
        ready = sum(found is not None and found.name == name and not found.missing for name, found in answers)
        print(
            f"  {title}: {right} right ({ready} with every input), {wrong} wrong, {len(answers) - right - wrong} none"
        )


def local_embed() -> Embed | None:
    """The embeddings that ship inside a package, where it is installed."""
    from unified_api.errors import ConfigurationError
    from unified_api.local.embedder import Embedder

    try:
        embedder = Embedder()
    except ConfigurationError:
        return None

    async def embed(texts):
        return embedder.embed(texts).vectors

    return embed


if __name__ == "__main__":  # python -m benchmarks.rules SEED prints a sample to read
    sample(int(sys.argv[1])) if len(sys.argv) > 1 else main()
