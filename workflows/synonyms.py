"""What people write who know another system, and this language's word for it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["FOREIGN", "kind_by_keys", "kind_meant", "meant"]

_KEYS: Final[dict[str, tuple[str, ...]]] = {
    "after": ("depends_on", "dependsOn", "dependencies", "needs", "depends", "runAfter"),
    "kind": ("type", "action"),
    "id": ("name", "key", "step_id", "label"),
    "arguments": ("args", "parameters", "params", "inputs", "input", "with"),
    "inputs": ("arguments", "args", "parameters", "params", "input", "with"),
    "query": ("params", "parameters", "query_params", "querystring", "qs"),
    "output": ("schema", "output_schema", "response_format", "outputs"),
    "until": ("while", "condition", "break", "break_if", "exit_when", "stop", "stop_when", "end_when", "loop_until"),
    "when": ("condition", "if", "run_if", "runIf", "only_if", "expression", "case"),
    "timeout_s": ("timeout", "timeout_seconds", "timeoutSeconds"),
    "expires_s": ("timeout", "expires", "expires_in", "expiry", "wait_s", "timeout_seconds"),
    "deadline_s": ("deadline", "max_duration", "max_time"),
    "budget_usd": ("budget", "max_cost", "cost_limit", "max_cost_usd"),
    "retry": ("retries", "max_attempts", "attempts", "retry_policy"),
    "on_error": ("on_failure", "onError", "catch", "continue_on_error", "on_fail"),
    "on_item_error": ("on_error_item", "on_failure", "item_error", "tolerance"),
    "prompt": ("text", "messages", "instruction", "instructions", "message", "content"),
    "message": ("prompt", "question", "text", "title", "instructions", "description", "ask"),
    "show": ("content", "context", "payload", "display", "form"),
    "max_tokens": ("max_output_tokens", "max_completion_tokens"),
    "steps": (
        "tasks", "nodes", "jobs", "do", "body", "then", "children", "block", "activities", "iterator", "Iterator",
        "ItemProcessor", "subflow", "states",
    ),
    "over": (
        "for_each", "foreach", "forEach", "items", "each", "list", "collection", "iterate", "iterate_over", "iterator",
        "in", "loop_over", "array", "ItemsPath", "input",
    ),
    "as": ("item", "variable", "var", "item_name", "loop_var", "iterator", "as_", "name", "item_variable"),
    "cases": ("switch", "choices", "Choices", "branches", "conditions", "routes", "options", "rules", "when"),
    "else": ("default", "otherwise", "else_", "default_case", "Default", "fallback"),
    "result": ("output", "outputs", "return", "returns", "collect", "yield", "value", "emit"),
    "max_rounds": (
        "max_iterations", "maxIterations", "max_loops", "iterations", "times", "rounds", "limit", "max_iters", "repeat",
        "max_attempts", "loop_count",
    ),
    "max_items": ("max_iterations", "limit", "max", "max_length"),
    "max_parallel": (
        "max_concurrency", "maxConcurrency", "MaxConcurrency", "concurrency", "parallelism", "parallel", "batch_size",
    ),
    "initial": ("state", "initial_value", "init", "start", "seed"),
    "workflow": ("subworkflow", "sub_workflow", "workflow_name", "flow", "uses", "ref", "workflow_id", "name", "call"),
    "url": ("uri", "endpoint", "href", "address", "link"),
    "method": ("verb", "http_method"),
    "body": ("payload", "json", "data", "content"),
    "expect": ("expected_status", "status", "ok_status", "success_codes"),
    "tool": ("function", "func", "callable", "tool_name"),
    "sensitivity": ("classification", "label", "confidentiality"),
    "name": ("title",),
}  # fmt: skip
_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "map": ("for_each", "foreach", "each", "iterate", "iteration", "iterator", "parallel", "fan_out", "split", "batch"),
    "branch": ("switch", "choice", "choices", "condition", "conditional", "if", "if_else", "ifelse", "router", "case"),
    "loop": ("while", "until", "repeat", "for", "do_while", "retry_until", "cycle"),
    "workflow": ("subworkflow", "sub_workflow", "subflow", "workflow_call", "call", "execute_workflow", "child"),
    "approval": (
        "wait_for_approval", "human", "human_approval", "human_in_the_loop", "human_input", "manual", "confirm", "wait",
        "review", "approve", "gate", "ask_user",
    ),
    "http": ("request", "http_request", "api", "rest", "fetch", "webhook", "curl", "get", "post"),
    "tool": ("function", "python", "mcp", "code", "action", "task", "tool_call", "function_call"),
    "llm": ("chat", "prompt", "agent", "model", "completion", "text", "ai", "generate", "answer"),
    "embed": ("embedding", "embeddings", "vectorize", "vector"),
    "image": ("picture", "draw", "image_generation", "drawing"),
    "set": ("variable", "assign", "pass", "transform", "template", "compute", "value", "noop"),
}  # fmt: skip
_TELLING: Final = (
    ("map", ("over", "for_each", "foreach", "max_items")),
    ("branch", ("cases", "switch", "choices")),
    ("loop", ("until", "max_rounds", "while", "max_iterations")),
    ("workflow", ("workflow", "subworkflow")),
    ("http", ("url",)),
    ("approval", ("message",)),
    ("tool", ("tool", "arguments")),
    ("set", ("value",)),
    ("embed", ("input",)),
    ("llm", ("prompt", "system")),
)
"""Keys that only one kind has, or its counterpart elsewhere."""
FOREIGN: Final[tuple[tuple[str, frozenset[str]], ...]] = (
    ("AWS States Language", frozenset({"StartAt", "States"})),
    ("n8n", frozenset({"nodes", "connections"})),
    ("CNCF Serverless Workflow", frozenset({"document", "do"})),
    ("CNCF Serverless Workflow", frozenset({"specVersion", "states"})),
    ("Dify", frozenset({"app", "workflow"})),
)
"""Systems by the keys that their files have at the top."""


def meant(key: str, free: Iterable[str], *, wanted: Iterable[str] = ()) -> str | None:
    """Our word for another system's key, if it is among the free ones; those that are wanted go first."""
    left = [*wanted, *free]
    return next((word for word in left if key in _KEYS.get(word, ())), None)


def kind_meant(kind: str) -> str | None:
    """Our kind of step for another system's word."""
    plain = kind.casefold().replace("-", "_").replace(" ", "_").replace(".", "_")
    return next((ours for ours, words in _KINDS.items() if plain in words), None)


def kind_by_keys(keys: Iterable[str]) -> str | None:
    """The kind of step that the keys of an object tell."""
    present = set(keys)
    return next((kind for kind, words in _TELLING if present.intersection(words)), None)
