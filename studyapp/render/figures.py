"""Figures as a person reads them."""


def percent(share: float) -> str:
    """«97 %»."""
    return f"{round(100 * share)} %"


def clock(seconds: float) -> str:
    """«1:05»."""
    whole = max(0, round(seconds))
    return f"{whole // 60}:{whole % 60:02d}"
