"""What the first visit loads stays small, as it is sent to a browser that takes brotli."""

import re

import pytest

from api.dashboard import views

pytestmark = pytest.mark.unit

# Half of it is Svelte's own (docs/decisions/0044): what a change adds has to be spared elsewhere,
# or to be fetched when somebody asks for it.
MOST_BYTES_OF_THE_FRAME = 23_000
MOST_BYTES_OF_THE_FIRST_VIEW = 33_000
ASSETS = views.BUNDLE / "assets"
REFERENCES = re.compile(r'(?:src|href)="/app/assets/([^"]+\.js)"')
STATIC_IMPORTS = re.compile(r'(?:from|import)\s*"\./([^"]+\.js)"')


@pytest.fixture(scope="module")
def frame() -> set[str]:
    if not views.is_built():
        pytest.skip("the page is not built: npm's registry could not be reached")
    page = (views.BUNDLE / "index.html").read_text(encoding="utf-8")
    return with_imports(set(REFERENCES.findall(page)))


def test_the_frame_is_small_and_no_view_waits_for_more_than_its_own(frame: set[str]) -> None:
    assert sent(frame) <= MOST_BYTES_OF_THE_FRAME
    assert not any(name.startswith("Chart") for name in frame)
    [overview] = [each.name for each in ASSETS.glob("Overview-*.js")]
    first_view = with_imports({overview}) | frame
    assert "Red now" in (ASSETS / overview).read_text(encoding="utf-8")
    assert sent(first_view) <= MOST_BYTES_OF_THE_FIRST_VIEW


def with_imports(names: set[str]) -> set[str]:
    """These scripts and all that they need before they run."""
    found: set[str] = set()
    while names:
        name = names.pop()
        found.add(name)
        names |= set(STATIC_IMPORTS.findall((ASSETS / name).read_text(encoding="utf-8"))) - found
    return found


def sent(names: set[str]) -> int:
    """Bytes of their bodies by brotli."""
    return sum((ASSETS / f"{name}.br").stat().st_size for name in names)
