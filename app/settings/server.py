"""The section of the listeners: addresses, keys, and what connections may take."""

from __future__ import annotations

import ipaddress
import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from app.settings.values import Names, Seconds, Section

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#]*")
"""RFC 6454, section 6.2; `app://-` and `file://` are those of Electron's pages."""

_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\]")


class ServerSettings(Section):
    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0: any free one.")
    probe_port: int | None = Field(None, ge=0, le=65535, description="A second listener with only health and metrics.")
    api_keys: Names = Field(
        (), repr=False, description="Accepted keys, comma separated.", json_schema_extra={"secret": True}
    )
    auth: Literal["on", "off"] = Field("on", description="off: listen on any address without keys.")
    hosts: Names = Field(
        ("localhost", "127.0.0.1", "[::1]"), description="Host names that are answered where no key is needed."
    )
    origins: Names = Field((), description="Origins allowed besides our own, comma separated.")
    max_connections: int | None = Field(
        None, ge=1, description="Connections held at a time; unset: as many as their share of the memory has room for."
    )
    max_event_streams: int = Field(
        64, ge=1, description="Answers of server-sent events at a time; one client may have a quarter of them."
    )
    connection_share: float = Field(
        0.1, gt=0, le=0.5, description="Part of the limit that all connections may hold; one address has half of it."
    )
    min_rate: int = Field(1024, ge=0, description="Bytes a second at which an answer is read, at least.")
    trusted_proxies: Names = Field(
        (), description="Addresses and networks of proxies whose X-Forwarded-For is believed, comma separated."
    )
    header_seconds: float = Field(10.0, gt=0, description="Time that the head of a request may take to come.")
    keep_alive_seconds: float = Field(
        75.0, gt=0, description="Time that an idle connection is kept; longer than a proxy in front keeps its own."
    )
    lame_duck_seconds: Seconds = Field(
        5.0, description="Time after SIGTERM in which the service is not ready, but answers everything."
    )
    drain_seconds: Seconds = Field(10.0, description="Time that open requests get at shutdown.")
    url_secrets: Names = Field(
        (),
        repr=False,
        description="Secrets of signed URLs, comma separated: the first signs, all are accepted; unset: made here.",
        json_schema_extra={"secret": True},
    )
    url_seconds: float = Field(86400.0, ge=1, description="Time for which a signed URL is good, at least.")

    @property
    def loopback(self) -> bool:
        """Whether the listener is reachable from this machine only."""
        if self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ipaddress.ip_network(network, strict=False)
        return networks

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if "*" in origin:
                raise ValueError(
                    f"`{origin}` would let every web page use the service of who visits it: name the origins, such as "
                    "https://app.example"
                )
            if origin != "null" and not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"`{origin}` is no origin, which is scheme://host or scheme://host:port, without a path"
                )
        return origins

    @field_validator("hosts")
    @classmethod
    def _are_names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(f"`{host}` is no name of a host: write each name, without scheme, port or wildcard")
        return hosts

    @model_validator(mode="after")
    def _listeners_differ(self) -> ServerSettings:
        if self.probe_port and self.probe_port == self.port:
            raise ValueError(f"BALLAST_SERVER__PROBE_PORT is {self.port}, as BALLAST_SERVER__PORT: choose another")
        return self

    @model_validator(mode="after")
    def _open_listeners_need_keys(self) -> ServerSettings:
        if not self.loopback and not self.api_keys and self.auth == "on":
            raise ValueError(
                f"{self.host} can be reached from other machines and no key is set: "
                "set BALLAST_SERVER__API_KEYS, or BALLAST_SERVER__AUTH=off if that is what you want"
            )
        return self
