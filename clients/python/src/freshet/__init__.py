"""Client of the Freshet feature server: features of one row or of thousands, as numpy.

    import freshet

    with freshet.Client("127.0.0.1:7570") as client:
        r = client.get_features("departure_board", {"origin": "JFK", "carrier": ["B6", "DL"], "dest": "LAX"})
        r["departures_1h"]          # numpy, one value a row
        r.statuses["departures_1h"] # why it is what it is
        r.matrix()                  # float32, for a model
"""

from freshet.answer import Answer, FeatureStatus, ViewInfo
from freshet.aio import AsyncClient
from freshet.catalog import Catalog, Entity, Feature, FeatureService, FeatureView, Source
from freshet.client import Client
from freshet.errors import (DeadlineExceeded, FreshetError, InvalidRequest, MissingFeatures, UnknownFeature,
                            UnknownFeatureService, UnknownSource, Unavailable)
from freshet.push import BadEvent, Pushed

__all__ = [
    "Answer", "AsyncClient", "BadEvent", "Catalog", "Client", "DeadlineExceeded", "Entity", "Feature", "FeatureService",
    "FeatureStatus", "FeatureView", "FreshetError", "InvalidRequest", "MissingFeatures", "Pushed", "Source",
    "Unavailable", "UnknownFeature", "UnknownFeatureService", "UnknownSource", "ViewInfo",
]
