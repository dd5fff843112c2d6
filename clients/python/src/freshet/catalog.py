"""What there is to ask for: Client.describe."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any, Mapping, Optional


@dataclass(frozen=True)
class Entity:
    name: str
    keys: Mapping[str, str]  # name -> type, in order
    description: str


@dataclass(frozen=True)
class Source:
    name: str
    topic: str
    fields: Mapping[str, str]  # name -> type
    lateness: datetime.timedelta
    description: str


@dataclass(frozen=True)
class Feature:
    name: str
    type: str
    aggregate: str
    of: str
    window: str  # "sliding 1h, hop 1m"
    default: str
    description: str


@dataclass(frozen=True)
class FeatureView:
    name: str
    version: str
    entity: str
    source: str
    ttl: Optional[datetime.timedelta]  # None: never
    history: datetime.timedelta
    features: Mapping[str, Feature]
    complete: bool  # False: being rebuilt
    description: str


@dataclass(frozen=True)
class FeatureService:
    name: str
    features: tuple[str, ...]  # as answered, in order
    views: tuple[str, ...]
    keys: Mapping[str, str]  # that a request must give: name -> type
    description: str
    inputs: Mapping[str, str]  # that it must give besides
    derived: Mapping[str, str]  # name -> SQL; the last of `features`
    count_request: str  # the source whose windows the request's own event joins; "": none


@dataclass(frozen=True)
class Catalog:
    project: str
    clock: str  # wall or event_time
    entities: Mapping[str, Entity]
    sources: Mapping[str, Source]
    views: Mapping[str, FeatureView]
    services: Mapping[str, FeatureService]


def from_response(response: Any) -> Catalog:
    def types(infos: Any) -> dict[str, str]:
        return {info.name: info.type for info in infos}

    def span(microseconds: int) -> datetime.timedelta:
        return datetime.timedelta(microseconds=microseconds)

    return Catalog(
        project=response.project,
        clock=response.clock,
        entities={e.name: Entity(e.name, types(e.keys), e.about.description) for e in response.entities},
        sources={s.name: Source(s.name, s.topic, types(s.fields), span(s.lateness_us), s.about.description)
                 for s in response.sources},
        views={v.name: FeatureView(
            v.name, v.version, v.entity, v.source, None if v.ttl_us < 0 else span(v.ttl_us), span(v.history_us),
            {f.name: Feature(f.name, f.type, f.aggregate, f.of, f.window, f.default_value, f.about.description)
             for f in v.features},
            v.complete, v.about.description) for v in response.views},
        services={s.name: FeatureService(s.name, tuple(s.features), tuple(s.views), types(s.keys), s.about.description,
                                          types(s.inputs), {d.name: d.expression for d in s.derived},
                                          s.count_request)
                  for s in response.services})
