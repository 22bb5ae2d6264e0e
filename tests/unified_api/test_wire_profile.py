from __future__ import annotations

from dataclasses import fields

import pytest

from unified_api.providers import ProfileRow
from unified_api.wire.base import WireProfile


def test_every_field_of_a_profile_can_be_set_in_the_providers_file() -> None:
    assert set(ProfileRow.model_fields) == {field.name for field in fields(WireProfile)}


def test_a_profile_cannot_name_a_parameter_that_no_request_has() -> None:
    with pytest.raises(ValueError, match="temprature"):
        WireProfile(unsupported=frozenset({"temprature"}))
