"""The fixtures of the API's tests: a flow is what leaves something to look at."""

from tests.api.conftest import _fresh_process, deliver, post, test_api  # noqa: F401
