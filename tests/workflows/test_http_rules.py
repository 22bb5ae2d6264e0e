"""What no run could send is told before any: by the very rules of the run, as far as the step itself says it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.failures import StepFailure
from executors.http.request import Request
from executors.http.target import Target
from workflows.checks import check
from workflows.checks.requests import target_of
from workflows.model import Workflow
from workflows.web_target import RequestError, WebTarget

CODES = {"invalid_url", "invalid_query", "invalid_header", "invalid_body"}


def found(**keys: Any) -> list[tuple[str, str]]:
    step = {"id": "h", "kind": "http", "url": "https://example.com/", **keys}
    inputs = {"x": {}, "y": {"type": "string"}}
    flow = Workflow.model_validate({"workflow": "1", "name": "n", "inputs": inputs, "steps": [step]})
    return [(one.code, one.pointer) for one in check(flow) if one.code in CODES and one.severity == "error"]


WRONG_ADDRESSES = [
    "example.com", "example.com/{{ inputs.y }}", "//example.com/{{ inputs.y }}", "ftp://example.com/", "file:///etc/passwd",
    "ftp://{{ inputs.y }}", "localhost:8080/{{ inputs.y }}", "http://", "https:///x", "http:///{{ inputs.y }}",
    "http://example.com:99999/", "http://example.com:99999/{{ inputs.y }}", "http://example.com:0/", "http://u:p@example.com/",
    "http://u@example.com/{{ inputs.y }}", "http://example.com/a b", "http://example.com/a b/{{ inputs.y }}",
    "http://example.com/{{ inputs.y }}/a b", "http://example.com\\@evil/", "http://0177.0.0.1/", "http://2130706433/",
    "http://127.1/{{ inputs.y }}", "http://0x7f.1/", "http://[::1/", "http://[fe80::1%eth0]/", " https://example.com/",
    "https://[::1].evil.com/", "https://[::1]x:80/{{ inputs.y }}", "https://a[::1]/", "https://[::1][::2]/",
]  # fmt: skip
FINE_ADDRESSES = [
    "{{ inputs.y }}", "{{ inputs.y }}/x", "https://{{ inputs.y }}", "https{{ inputs.y }}",
    "http{% if inputs.x %}s{% endif %}://a.org/",
    "https://example.com{{ inputs.y }}", "https:{{ inputs.y }}", "HTTPS://EXAMPLE.com:8443/{{ inputs.y }}",
    "https://example.com/ {{- inputs.y }}", "https://example.com/{% if inputs.x %} {% endif %}",
    "https://[::1]:80/{{ inputs.y }}\n",
    "https://example.com/{{ inputs.x | default('a b') }}", "https://example.com?q={{ inputs.y }}", "http://10.0.0.7/",
]  # fmt: skip


@pytest.mark.parametrize("url", WRONG_ADDRESSES)
def test_an_address_that_surely_leads_nowhere_is_told(url: str):
    assert found(url=url) == [("invalid_url", "/steps/0/url")]


@pytest.mark.parametrize("url", FINE_ADDRESSES)
def test_an_address_that_may_lead_somewhere_is_not_told(url: str):
    assert found(url=url) == []


@pytest.mark.parametrize(
    ("keys", "told"),
    [
        ({"body": {"a": 1}}, [("invalid_body", "/steps/0/body")]),
        ({"body": "a {{ inputs.y }}", "method": "HEAD"}, [("invalid_body", "/steps/0/body")]),
        ({"body": "{{ inputs.x }}"}, []),
        ({"body": {"a": 1}, "method": "DELETE"}, []),
        ({"headers": {"authorization": "{{ inputs.y }}"}}, [("invalid_header", "/steps/0/headers/authorization")]),
        ({"headers": {"Transfer-Encoding": "chunked"}}, [("invalid_header", "/steps/0/headers/Transfer-Encoding")]),
        ({"headers": {"a b": "x", "Proxy-Authorization": "x"}},
         [("invalid_header", "/steps/0/headers/a b"), ("invalid_header", "/steps/0/headers/Proxy-Authorization")]),
        ({"headers": {"X-A": "one\ntwo"}}, [("invalid_header", "/steps/0/headers/X-A")]),
        ({"headers": {"X-A": "{{ inputs.y }}", "accept": "text/html"}}, []),
        ({"query": {"a": {"b": 1}}}, [("invalid_query", "/steps/0/query/a")]),
        ({"query": {"a": [1, ["{{ inputs.y }}"]]}}, [("invalid_query", "/steps/0/query/a")]),
        ({"query": {"a": [1, True, None, "{{ inputs.y }}"], "b": "{{ inputs.x }}"}}, []),
    ],
)  # fmt: skip
def test_what_cannot_be_sent_is_told_where_it_stands(keys: dict[str, Any], told: list[tuple[str, str]]):
    assert found(**keys) == told


@given(
    st.text(alphabet="htps:/.@?# 019xaf[]%\\", min_size=1, max_size=20),
    st.sampled_from(["", "http://", "https://", "http://a.b/"]),
)
def test_a_constant_address_is_told_if_and_only_if_the_run_refuses_it(rest: str, start: str):
    try:
        Target.of(start + rest)
        refused = False
    except StepFailure:
        refused = True
    assert bool(found(url=start + rest)) == refused


@given(st.sampled_from(["http", "https", "ftp"]), st.text(alphabet="ab.:019@/?#", max_size=12), st.text(max_size=5))
def test_no_address_is_refused_that_could_become_one(scheme: str, start: str, rest: str):
    template = f"{scheme}://{start}{{{{ inputs.y }}}}"
    try:
        run = WebTarget.of(f"{scheme}://{start}{rest}")
    except RequestError:
        return
    known = target_of(template)
    assert known is None or (known.origin, known.recipient) == (run.origin, run.recipient)


@pytest.mark.parametrize(
    ("url", "recipient"),
    [
        ("https://example.com/", "example.com"),
        ("http://example.com/", "example.com:80"),
        ("https://example.com:80/", "https://example.com:80"),
        ("http://example.com:443/", "http://example.com:443"),
        ("http://example.com:8080/", "example.com:8080"),
        ("http://[::1]:18799/", "[::1]:18799"),
        ("http://[::1]/", "[::1]:80"),
        ("https://[2001:DB8::0:1]/", "[2001:db8::1]"),
    ],
)
def test_a_recipient_is_named_without_doubt(url: str, recipient: str):
    assert WebTarget.of(url).recipient == recipient


def test_a_request_has_one_rule_wherever_it_is_asked():
    with pytest.raises(StepFailure, match="'Host' is set by the program"):
        Request.of("GET", {"Host": "x"}, None, max_bytes=10)
