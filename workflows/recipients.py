"""Who besides models is sent what a workflow handles, and what they may be sent."""

from __future__ import annotations

from typing import Protocol

from workflows.base import Sensitivity

__all__ = ["Recipients"]


class Recipients(Protocol):
    """The hosts of requests and the tools, as the configuration knows them."""

    def clearance_of_host(self, host: str) -> Sensitivity | None:
        """The most sensitive data that `host` may be sent; None for a host that may not be reached at all.

        It is a name, or `name:port`, with an IPv6 address in brackets. Without a port https is meant, with port 80
        http; where it is the other way round it stands behind its scheme: `https://name:80`.
        """
        ...

    def clearance_of_tool(self, name: str) -> Sensitivity | None:
        """The most sensitive data that the tool may be called with; None for one that nothing is known of.

        A function of the user's own may be given everything.
        """
        ...
