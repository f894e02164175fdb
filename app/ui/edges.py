"""What a list says of its rows that are out of sight, on a row that is in it. No Textual."""

from __future__ import annotations


def edge(place: int, room: int, above: int, below: int) -> str:
    """What the row at `place` of `room` in sight says: the first of those above, the last of those
    below; so no row of the screen is taken for it."""
    said = []
    if above and place == 0:
        said.append(f"↑ {above:,}")
    if below and place == room - 1:
        said.append(f"↓ {below:,}")
    return f"{' '.join(said)} more" if said else ""
