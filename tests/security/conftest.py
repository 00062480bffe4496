"""What the tests of this folder share: requests of strangers are many, and answered from the cache."""

import pytest

from ledger.cached_rows import CachedRows


@pytest.fixture(autouse=True)
def _cache_of_rows(caching: CachedRows) -> None:
    """Requests read keys, limits and domains from the cache, as in the service; a change is known at once."""
