"""What every check looks at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.model import Fact
from service.verify.book import Book, Names
from service.verify.extract import Mention
from service.verify.page import Page
from service.verify.pharmacy import Pharmacy


@dataclass(frozen=True, kw_only=True)
class Desk:
    """One letter laid out, one chart indexed, and what joins them.

    ``own`` maps the start of each span that a handle wrote to that handle's fact; ``drugs`` are the
    drugs the letter names, by position.
    """

    page: Page
    book: Book
    names: Names
    pharmacy: Pharmacy
    own: Mapping[int, Fact]
    drugs: Sequence[Mention]
