"""What the first visit loads stays small."""

import gzip
import re

import pytest

from api.dashboard import views

pytestmark = pytest.mark.unit

# Nearly half of it is Svelte's own; what a change adds has to be spared elsewhere, or to be fetched
# when somebody asks for it.
MOST_BYTES = 35_000
REFERENCES = re.compile(r'(?:src|href)="/app/(assets/[^"]+\.js)"')


def test_the_first_load_is_small_and_holds_the_first_view() -> None:
    if not views.is_built():
        pytest.skip("the page is not built: npm's registry could not be reached")
    page = (views.BUNDLE / "index.html").read_text(encoding="utf-8")
    scripts = [(views.BUNDLE / name).read_bytes() for name in REFERENCES.findall(page)]
    assert b"Red now" in b"".join(scripts), "the overview needs no further request"
    assert sum(len(gzip.compress(script)) for script in scripts) <= MOST_BYTES
