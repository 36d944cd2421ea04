"""Every view with results: for screen readers, by keyboard alone, at any width, in both schemes, without motion."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.browser.filled import VIEWS
from tests.browser.test_access import serious_findings
from tests.browser.visitor import Visitor
from tests.e2e.server import RunningServer

pytestmark = [pytest.mark.photo, pytest.mark.model]

Visit = Callable[..., Visitor]

WIDTHS = (1600, 768, 320)

_FOCUSABLE = """() => {
  const all = document.querySelectorAll('a[href], button, input, select, textarea, summary, [tabindex="0"]');
  window.isUsed = (one) => !one.disabled && one.tabIndex >= 0 && one.checkVisibility({ visibilityProperty: true });
  window.toReach = new Set([...all].filter(isUsed));
  return window.toReach.size;
}"""
_REACHED = """() => {
  const one = document.activeElement;
  window.toReach.delete(one);
  if (one === document.body || one.matches(':focus-visible')) return '';
  return one.outerHTML.slice(0, 120);
}"""
_LEFT = "[...window.toReach].filter((one) => one.isConnected && isUsed(one)).map((one) => one.outerHTML.slice(0, 120))"
_MOVING = """[...document.querySelectorAll('*')].filter((one) => {
  const style = getComputedStyle(one);
  const times = `${style.transitionDuration}, ${style.animationName === 'none' ? 0 : style.animationDuration}`;
  return times.split(',').some((time) => Number.parseFloat(time) > 0.01);
}).map((one) => one.outerHTML.slice(0, 120))"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_serious_in_results_at_any_width(
    server: RunningServer, visit: Visit, view: str, scheme: str
) -> None:
    visitor = visit(server, view, color_scheme=scheme, reduced_motion="reduce")
    VIEWS[view](visitor)
    found = {}
    for width in WIDTHS:
        visitor.page.set_viewport_size({"width": width, "height": 900})
        visitor.until("document.documentElement.scrollWidth <= window.innerWidth")
        found[width] = serious_findings(visitor)

    assert found == {width: [] for width in WIDTHS}


@pytest.mark.parametrize("view", VIEWS)
def test_everything_that_is_used_is_reached_by_the_keyboard_and_seen_to_be(
    server: RunningServer, visit: Visit, view: str
) -> None:
    visitor = visit(server, view)
    VIEWS[view](visitor)
    if view == "camera":
        visitor.button("Stop").click()  # else what it finds comes and goes
    visitor.evaluate("document.activeElement.blur()")
    count = visitor.evaluate(_FOCUSABLE)

    unseen = set()
    for _ in range(2 * count + 10):
        visitor.page.keyboard.press("Tab")
        unseen.add(visitor.evaluate(_REACHED))
        if not visitor.evaluate(_LEFT):
            break

    assert visitor.evaluate(_LEFT) == []
    assert unseen - {""} == set()


@pytest.mark.parametrize("view", VIEWS)
def test_who_wants_no_motion_has_none(server: RunningServer, visit: Visit, view: str) -> None:
    visitor = visit(server, view, reduced_motion="reduce")
    VIEWS[view](visitor)

    assert visitor.evaluate(_MOVING) == []
